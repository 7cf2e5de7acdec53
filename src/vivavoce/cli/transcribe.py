"""`vivavoce transcribe`: a recording or a live microphone, written down by any Realtime server."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import wave
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ..protocol.close_codes import REFUSALS
from .common import (
    FAILED,
    RAW,
    REFUSED,
    USAGE,
    DataDir,
    JsonOption,
    err,
    escape_markup,
    fail,
    pluralise,
)
from .target import target

if TYPE_CHECKING:
    from .transcript_writer import TranscriptWriter
    from .transcription_client import AudioSource, TranscriptionClient

MODEL = "gpt-4o-mini-transcribe"


class OutputFormat(StrEnum):
    text = "text"
    srt = "srt"
    vtt = "vtt"
    json = "json"


def _known(written: str) -> str:
    """As a type of its own, another one would be told in the words of whatever judges types."""
    if written not in list(OutputFormat):
        raise typer.BadParameter(f"'{written}' is none of {', '.join(OutputFormat)}.")
    return written


def transcribe(
    file: Annotated[str, typer.Argument(help="A WAV, .pcm or .raw file, or - for standard input")],
    format: Annotated[
        str,
        typer.Option(callback=_known, metavar="|".join(OutputFormat), help="How words are written"),
    ] = OutputFormat.text.value,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write into this file instead of standard output")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="http(s):// or ws(s):// base URL (default: the server here)")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="VIVAVOCE_API_KEY", help="API key of that server")
    ] = None,
    assistant: Annotated[
        str | None, typer.Option(help="Whose ears and words (Vivavoce only)")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help=f"What another server hears with (default: {MODEL}). Vivavoce hears with the "
            "assistant's own recogniser; a name that ends in -diarize asks it who spoke",
            show_default=False,
        ),
    ] = MODEL,
    language: Annotated[str | None, typer.Option(help="What is spoken, such as it")] = None,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Write down what is said, as fast as the server hears: text, subtitles or JSON."""
    written = OutputFormat.json if as_json else OutputFormat(format)
    if out_file is not None and not out_file.absolute().parent.is_dir():
        fail(f"{out_file} cannot be written: there is no such folder.", USAGE)

    from .transcript_writer import TranscriptWriter
    from .transcription_client import AudioSource, TranscriptionClient

    server = target(url, key, data_dir=data_dir, assistant=assistant,
                    session={"type": "transcription"})  # fmt: skip
    address = server.address(intent="transcription", assistant=assistant, language=language)
    opened = _open(file)
    page = TranscriptWriter(None if out_file else sys.stdout, written)
    dictating = TranscriptionClient(_session(model, language))

    async def work() -> str | None:
        async with AudioSource(opened, live=file == "-") as source:
            _stop_by_hand(source)
            length_ms = _length_ms(file)
            return await _follow(dictating, address, server.credential, source, page, length_ms)

    why = server.visit(work())
    page.end(dictating.notes)
    _write(page, dictating, out_file, written)
    if why is not None:
        why = _reason(dictating, why) + server.hint(dictating.error)
    _report(dictating, file, why)


def _session(model: str, language: str | None) -> dict[str, object]:
    hearing = {"model": model} | ({"language": language} if language else {})
    sound = {"transcription": hearing, "turn_detection": {"type": "server_vad"}}
    return {"type": "transcription", "audio": {"input": sound}}


async def _follow(
    dictating: TranscriptionClient,
    address: str,
    credential: str | None,
    source: AudioSource,
    page: TranscriptWriter,
    length_ms: int | None,
) -> str | None:
    """Show what is heard while it is heard. Returns why it ended early, if it did."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from .transcription_client import SessionEnded

    seconds = TextColumn("{task.completed:.0f} s of sound, {task.fields[words]} words")
    columns = (BarColumn(), seconds, TimeElapsedColumn())
    shown = err.is_terminal and not page.live  # words themselves are progress enough
    with Progress(*columns, console=err, transient=True, disable=not shown) as progress:
        bar = progress.add_task("", total=length_ms and length_ms / 1000, words=0)

        def show() -> None:
            page.show(dictating.notes)
            done = dictating.sent_ms / 1000
            progress.update(bar, completed=done, words=dictating.notes.words)

        dictating.on_news = show
        try:
            await dictating.hold(address, credential, source)
        except SessionEnded as over:
            return str(over)
    return None


def _write(
    page: TranscriptWriter,
    dictating: TranscriptionClient,
    out_file: Path | None,
    written: OutputFormat,
) -> None:
    whole = page.whole(dictating.notes, dictating.sent_ms)
    if out_file is not None:
        try:
            out_file.write_text(whole, "utf-8")
        except OSError as error:
            fail(f"{out_file} cannot be written: {error.strerror}.")
    elif written is OutputFormat.json:
        sys.stdout.write(whole)


def _report(dictating: TranscriptionClient, file: str, why: str | None) -> None:
    failures = dictating.notes.failures
    for failed in failures:
        at = f"{failed.start_ms / 1000:.1f} s"
        err.print(f"[yellow]at {at}:[/yellow] {escape_markup(failed.failure or '')}")
    if why is not None and not dictating.sent_ms:
        _fail_because(dictating, why)
    if file == "-" and not dictating.sent_ms and dictating.unreadable is None:
        fail("Nothing came in from standard input.")
    err.print(f"[dim]{dictating.sent_ms / 1000:.1f} s of sound, "
              f"{pluralise(dictating.notes.words, 'word')}[/dim]")  # fmt: skip
    if dictating.unreadable is not None:
        fail(f"{file}: {dictating.unreadable}.", USAGE)
    if why is not None:
        _fail_because(dictating, why, "Not everything is written down: ")
    if failures:
        fail(f"{pluralise(len(failures), 'utterance')} could not be understood.")


def _reason(dictating: TranscriptionClient, why: str) -> str:
    """In the server's words, if it said any."""
    return (dictating.error or {}).get("message") or why


def _fail_because(dictating: TranscriptionClient, why: str, what: str = "") -> NoReturn:
    refused = dictating.closed is not None and dictating.closed[0] in REFUSALS
    fail(f"{what}{why}", REFUSED if refused else FAILED)


def _open(file: str) -> io.BufferedReader:
    """A reader of our own for standard input: a thread may still wait for it when we leave."""
    if file == "-":
        try:
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        except io.UnsupportedOperation:
            return io.BufferedReader(sys.stdin.buffer)  # type: ignore[arg-type]
    try:
        opened = Path(file).open("rb")  # noqa: SIM115  # until the process ends
        begins = opened.peek(4)[:4]
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", USAGE)
    if Path(file).suffix.lower() not in RAW and begins != b"RIFF":
        opened.close()
        fail(f"{file}: this is no WAV file; raw PCM16 mono 24 kHz is named .pcm or .raw. Of other "
             "files ffmpeg makes it: ffmpeg -i FILE -ar 24000 -ac 1 -f s16le - | vivavoce "
             "transcribe -", USAGE)  # fmt: skip
    return opened


def _length_ms(file: str) -> int | None:
    """How long it is, if that can be known before it is read."""
    if file == "-":
        return None
    with suppress(wave.Error, EOFError, OSError), wave.open(file) as reader:
        return int(reader.getnframes() * 1000 / reader.getframerate())
    return Path(file).stat().st_size // 48


def _stop_by_hand(source: AudioSource) -> None:
    """Ctrl+C ends the sound, and what was said is still written down; a second one ends us."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        source.stop()

    with suppress(NotImplementedError):  # Windows: the first one ends us
        loop.add_signal_handler(signal.SIGINT, stop)
