from __future__ import annotations

import os
from pathlib import Path

import pytest

from vivavoce.file_reading import UnreadableFileError
from vivavoce.toml import parse_json, read_toml


def test_read_toml_returns_the_tables_and_their_text(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[a]\nb = 1\n")
    read = read_toml(file, 100)
    assert (read.data, read.text) == ({"a": {"b": 1}}, "[a]\nb = 1\n")


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        (b"a\n", "Expected '=' after a key in a key/value pair", 1),
        (b"\n\na = ", "Invalid value", None),  # the parser names the end of the document only
        (b"a = " + b"9" * 5000, "has a number of more than 4300 digits", None),
        (b"a = " + b"[" * 5000, "is nested too deeply", None),
        (b"a = 1\n\xff", "is not UTF-8 (invalid start byte)", 2),
        (b"#" * 20_001, "has 20001 bytes; at most 20000 are read", None),
    ],
)
def test_read_toml_reports_a_file_that_cannot_be_parsed_with_reason_and_line(
    tmp_path: Path, text: bytes, reason: str, line: int | None
) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(text)
    with pytest.raises(UnreadableFileError) as caught:
        read_toml(file, 20_000)
    assert (caught.value.reason, caught.value.line) == (reason, line)


def test_read_toml_reports_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="there is no such file"):
        read_toml(tmp_path / "none", 100)
    with pytest.raises(UnreadableFileError, match="is a directory"):
        read_toml(tmp_path, 100)


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_read_toml_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableFileError, match="is a pipe"):
        read_toml(tmp_path / "pipe", 100)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ('{\n"a": }', "is not JSON: Expecting value", 2),
        ("[" * 100_000, "is nested too deeply", None),
        ("9" * 5000, "has a number of more than 4300 digits", None),
    ],
)
def test_parse_json_reports_an_invalid_text_with_reason_and_line(
    text: str, reason: str, line: int | None
) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        parse_json(text)
    assert (caught.value.reason, caught.value.line) == (reason, line)
