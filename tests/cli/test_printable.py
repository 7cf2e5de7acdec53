"""Text of other people on the terminal, in subtitles and in JSON, on every kind of stream."""

from __future__ import annotations

import ast
import asyncio
import json
import logging
import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from vivavoce.cli import subtitles
from vivavoce.cli.logs import ConsoleFormatter, JsonLines
from vivavoce.cli.main import app
from vivavoce.cli.printable import json_in_ascii, printable, printable_json
from vivavoce.cli.transcript_log import Cue, Utterance
from vivavoce.protocol.items import Message, Part
from vivavoce.store.base import Change, ConversationRow, ItemRow
from vivavoce.store.sql.store import SqlStore

CLI = Path(__file__).parents[2] / "src/vivavoce/cli"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

HOSTILE = {
    "an escape sequence": "\x1b[2Jgone",
    "OSC 52, which writes into the clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "OSC 8, a link": "\x1b]8;;https://evil.example\x1b\\safe\x1b]8;;\x1b\\",
    "C1": "\x9b2J\x90q\x9d52;c;eA==\x9c",
    "an overprinted line": "no\rYes",
    "backspaces and a deletion": "no\b\b\x7fyes",
    "another line": "Good.\nassistant: It is free.",
    "other lines": "a\x0bb\x0cc\x85d\u2028e\u2029f\x1cg",
    "bidi": "\u202egnp.exe\u202c \u2066x\u2069 \u200e\u200f\u061c",
    "zero width": "pass\u200bword \ufeff \u2060 a\u200db",
    "fillers": "a\u3164b\u115fc\u034fd\u2800e",
    "tags": "hi\U000e0041\U000e0042",
    "selectors that carry data": "x\ufe00\U000e0101\U000e0102",
    "half a surrogate pair": "\ud800",
    "private use": "\ue000",
    "a null": "a\0b",
}  # fmt: skip


def assert_harmless(shown: str) -> None:
    for ch in shown:
        assert unicodedata.category(ch) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), ascii(shown)
        assert ch not in "\u3164\u115f\u034f\u2800\ufe00\U000e0101", ascii(shown)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_X7_text_that_commands_a_terminal_is_shown_as_escapes_in_one_line(text: str) -> None:
    assert_harmless(printable(text))
    assert json.loads(printable_json(json.dumps(text, ensure_ascii=False))) == text
    assert_harmless(printable_json(json.dumps(text, ensure_ascii=False)))


@given(st.text())
def test_X7_no_text_at_all_commands_a_terminal(text: str) -> None:
    shown = printable(text)
    assert not [ch for ch in shown if unicodedata.category(ch) in ("Cc", "Cs", "Zl", "Zp")]
    assert printable(shown) == shown
    written = json.dumps(text, ensure_ascii=False)
    assert json.loads(printable_json(written)) == text == json.loads(json_in_ascii(written))


@pytest.mark.parametrize(
    "text",
    ["Grüße aus Köln, 20 °C – 5 €", "¿Qué?", "日本語", "שלום", "مرحبا", "می\u200cخواهم", "क्\u200dष",
     "👩\u200d👧\u200d👦", "❤\ufe0f 1\ufe0f⃣", "👍🏽", "e\u0301"],
)  # fmt: skip
def test_X7_ordinary_words_of_every_language_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


# Commands


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Keep a conversation whose user, assistant and words are all hostile."""
    words = " ".join(HOSTILE.values()).replace("\ud800", "")

    async def main() -> None:
        store = await SqlStore.open(tmp_path / "data/vivavoce.db")
        await store.create_conversation(
            ConversationRow("conv_1", "charlotte\x1b[1m", "\x9b2Jmallory\nroot", "en", NOW, NOW)
        )
        item = Message(id="item_1", role="user", content=(Part(type="input_text", text=words),))
        await store.commit([Change("conv_1", items=(ItemRow(item, 1.0, NOW),))])
        await store.close()

    asyncio.run(main())
    return tmp_path / "data"


@pytest.mark.parametrize("words", [["list"], ["show", "conv_1"], ["export", "conv_1"],
                                   ["list", "--json"], ["show", "conv_1", "--json"]])  # fmt: skip
def test_X7_conversations_are_printed_without_commands(hostile: Path, words: list[str]) -> None:
    done = CliRunner().invoke(app, ["conversations", *words, "--data-dir", str(hostile)])
    assert done.exit_code == 0
    assert "mallory" in done.stdout or "Good." in done.stdout
    for line in done.stdout.splitlines():
        assert_harmless(line)
    assert not any(line.startswith(("assistant:", "root")) for line in done.stdout.splitlines())


def test_X7_an_error_with_foreign_words_is_one_harmless_line(tmp_path: Path) -> None:
    asked = ["keys", "revoke", "key_\x1b]0;x\x07\nerror: all is well", "--data-dir", str(tmp_path)]
    done = CliRunner().invoke(app, asked)
    assert_harmless(done.stderr.replace("\n", " "))
    assert not done.stderr.splitlines()[0].startswith("error: all")


def test_X7_a_log_line_with_foreign_words_is_one_harmless_line() -> None:
    record = logging.makeLogRecord(
        {"name": "vivavoce", "msg": "upstream_refused", "levelname": "INFO",
         "code": "\x1b[2J\n{\"event\": \"forged\"}\u202e\x9b"}
    )  # fmt: skip
    for formatter in (ConsoleFormatter(), JsonLines()):
        assert_harmless(formatter.format(record))


# Subtitles


def cue(text: str, speaker: str | None = None) -> Cue:
    return Cue(0, 1000, text, speaker)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_X7_line_breaks_in_a_transcript_make_no_second_cue(end: str) -> None:
    forged = end.join(["Hello.", "", "2", "00:00:02,000 --> 00:00:03,000", "Forged.", ""])
    for name, written in subtitles.FORMATS.items():
        for speaker in (None, f"A{end}{end}B"):
            one = subtitles.write(written, [cue(forged, speaker)])
            plain = subtitles.write(written, [cue("Hello.", speaker and "AB")])
            assert len(one.splitlines()) == len(plain.splitlines()), name
            if name != "text":
                assert one.count("-->") == 1, name


def test_X7_an_arrow_of_any_length_is_not_a_time() -> None:
    for arrow in ("-->", "--->", "------>"):
        assert subtitles.write(subtitles.FORMATS["srt"], [cue(f"a {arrow} b")]).count("-->") == 1


def test_X7_subtitles_carry_no_commands() -> None:
    for written in subtitles.FORMATS.values():
        for text in HOSTILE.values():
            for line in subtitles.write(written, [cue(text, text)]).splitlines():
                assert_harmless(line)
    said = subtitles.as_json([Utterance(0, 1000, "\x9b2J\u202e", done=True)], 1000)
    assert_harmless(said.replace("\n", ""))


# Streams that cannot show a character


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize(
    "words",
    [["conversations", "show", "conv_1"], ["conversations", "list"], ["conversations", "export",
     "conv_1"], ["talk", "--help"], ["conversations", "delete", "日本"]],
)  # fmt: skip
def test_O6_a_terminal_of_every_encoding_gets_what_it_can_show(
    hostile: Path, encoding: str, words: list[str]
) -> None:
    folder = [] if "--help" in words else ["--data-dir", str(hostile)]
    done = subprocess.run(
        [sys.executable, "-m", "vivavoce", *words, *folder],
        env={**os.environ, "PYTHONIOENCODING": encoding}, input=b"y\n",
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 1)
    done.stdout.decode(encoding)
    if words[1:2] == ["export"] or "--json" in words:
        assert json.loads(done.stdout.decode(encoding))


# Prints around the terminal


WRITERS = {"terminal.py", "transcript_writer.py"}  # the second writes what subtitles.py formats
STREAM = {"stdout", "stderr"}


def prints_around(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of calls that write to a terminal by themselves."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case (
                ast.Name(id="print" | "Console" | "input")
                | ast.Attribute(attr="echo" | "secho" | "confirm" | "prompt" | "writelines")
            ):
                yield node.lineno
            case ast.Attribute(attr="write", value=ast.Attribute(attr=stream)) if stream in STREAM:
                yield node.lineno


@pytest.mark.parametrize("file", sorted(CLI.glob("*.py")), ids=lambda file: file.name)
def test_X7_no_command_prints_around_the_terminal(file: Path) -> None:
    found = list(prints_around(ast.parse(file.read_text())))
    if file.name in WRITERS:
        return
    allowed = 1 if file.name == "logs.py" else 0  # a fixed line, when a record cannot be written
    assert len(found) == allowed, found


def test_X7_a_print_around_the_terminal_is_found() -> None:
    around = "print(x)\nsys.stderr.write(x)\ntyper.echo(x)\nConsole().print(x)\nout.print(x)"
    assert list(prints_around(ast.parse(around))) == [1, 2, 3, 4]
