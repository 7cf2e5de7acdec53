"""`vivavoce transcribe`: transcribe a file or a microphone with any Realtime server."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
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
    ServerKey,
    ServerUrl,
    fail,
    pluralise,
)
from .target import target
from .terminal import err, escape_markup, out

if TYPE_CHECKING:
    from .audio_source import AudioSource
    from .realtime_client import ServerEndpoint
    from .transcript_writer import TranscriptWriter
    from .transcription_client import TranscriptionClient

MODEL = "gpt-4o-mini-transcribe"


class OutputFormat(StrEnum):
    text = "text"
    srt = "srt"
    vtt = "vtt"
    json = "json"


def _known(written: str) -> str:
    """Validate here instead of with an Enum type, so that the error message is ours."""
    if written not in list(OutputFormat):
        raise typer.BadParameter(f"'{written}' is not one of {', '.join(OutputFormat)}.")
    return written


def transcribe(
    file: Annotated[
        str, typer.Argument(help="A recording (WAV, MP3, FLAC, Ogg, .pcm), or - for standard input")
    ],
    format: Annotated[
        str,
        typer.Option(
            callback=_known, metavar="|".join(OutputFormat), help="The format of the transcript"
        ),
    ] = OutputFormat.text.value,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write into this file instead of standard output")
    ] = None,
    url: ServerUrl = None,
    key: ServerKey = None,
    assistant: Annotated[
        str | None,
        typer.Option(help="Use this assistant's recogniser and vocabulary (Vivavoce only)"),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help=f"The model of another server (default: {MODEL}). Vivavoce uses the "
            "assistant's recogniser; a name that ends in -diarize asks for speakers",
            show_default=False,
        ),
    ] = MODEL,
    language: Annotated[
        str | None, typer.Option(help="The spoken language, such as it for Italian")
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Transcribe audio as fast as the server can: text, subtitles or JSON."""
    written = OutputFormat.json if as_json else OutputFormat(format)
    if out_file is not None and not out_file.absolute().parent.is_dir():
        fail(f"{out_file} cannot be written: there is no such folder.", USAGE)

    from . import audio_file
    from .audio_source import AudioSource
    from .transcript_writer import TranscriptWriter
    from .transcription_client import TranscriptionClient

    server = target(url, key, data_dir=data_dir, assistant=assistant,
                    session={"type": "transcription"})  # fmt: skip
    endpoint = server.endpoint(intent="transcription", assistant=assistant, language=language)
    opened = _open(file)
    writer = TranscriptWriter(None if out_file else sys.stdout, written)
    client = TranscriptionClient(_session(model, language))

    async def work() -> str | None:
        async with AudioSource(opened, live=file == "-") as source:
            _stop_by_hand(source)
            length_ms = None if file == "-" else audio_file.length_ms(Path(file))
            return await _follow(client, endpoint, source, writer, length_ms)

    why = server.visit(work())
    writer.end(client.transcript)
    _write(writer, client, out_file, written)
    if why is not None:
        why = _reason(client, why) + server.hint(client.error)
    _report(client, file, why)


def _session(model: str, language: str | None) -> dict[str, object]:
    hearing = {"model": model} | ({"language": language} if language else {})
    sound = {"transcription": hearing, "turn_detection": {"type": "server_vad"}}
    return {"type": "transcription", "audio": {"input": sound}}


async def _follow(
    client: TranscriptionClient,
    endpoint: ServerEndpoint,
    source: AudioSource,
    writer: TranscriptWriter,
    length_ms: int | None,
) -> str | None:
    """Show the transcript while it arrives. Return why the session ended early, or None."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from .transcription_client import SessionEndedError

    seconds = TextColumn("{task.completed:.0f} s of audio, {task.fields[words]} words")
    columns = (BarColumn(), seconds, TimeElapsedColumn())
    shown = err.is_terminal and not writer.live  # the words themselves show the progress
    with Progress(*columns, console=err.console, transient=True, disable=not shown) as progress:
        bar = progress.add_task("", total=length_ms and length_ms / 1000, words=0)

        def show() -> None:
            writer.show(client.transcript)
            done = client.sent_ms / 1000
            progress.update(bar, completed=done, words=client.transcript.words)

        client.on_news = show
        try:
            await client.hold(endpoint, source)
        except SessionEndedError as over:
            return str(over)
    return None


def _write(
    writer: TranscriptWriter,
    client: TranscriptionClient,
    out_file: Path | None,
    written: OutputFormat,
) -> None:
    whole = writer.whole(client.transcript, client.sent_ms)
    if out_file is not None:
        try:
            out_file.write_text(whole if whole.endswith("\n") else whole + "\n", "utf-8")
        except OSError as error:
            fail(f"{out_file} cannot be written: {error.strerror}.")
    elif written is OutputFormat.json:
        out.json(whole)


def _report(client: TranscriptionClient, file: str, why: str | None) -> None:
    failures = client.transcript.failures
    for failed in failures:
        at = f"{failed.start_ms / 1000:.1f} s"
        err.print(f"[yellow]at {at}:[/yellow] {escape_markup(failed.failure or '')}")
    if why is not None and not client.sent_ms:
        _fail_because(client, why)
    if file == "-" and not client.sent_ms and client.unreadable is None:
        fail("Standard input was empty.")
    err.print(f"[dim]{client.sent_ms / 1000:.1f} s of audio, "
              f"{pluralise(client.transcript.words, 'word')}[/dim]")  # fmt: skip
    if client.unreadable is not None:
        fail(f"{file}: {client.unreadable}.", USAGE)
    if why is not None:
        _fail_because(client, why, "The transcript is incomplete: ")
    if failures:
        fail(f"{pluralise(len(failures), 'utterance')} could not be transcribed.")


def _reason(client: TranscriptionClient, why: str) -> str:
    """Return the server's error message, or `why` if it sent none."""
    return (client.error or {}).get("message") or why


def _fail_because(client: TranscriptionClient, why: str, what: str = "") -> NoReturn:
    refused = client.closed is not None and client.closed[0] in REFUSALS
    fail(f"{what}{why}", REFUSED if refused else FAILED)


def _open(file: str) -> io.BufferedReader:
    """Open the input. A duplicate of standard input may stay open in a waiting thread."""
    from . import audio_file

    if file == "-":
        try:
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        except io.UnsupportedOperation:
            return io.BufferedReader(sys.stdin.buffer)  # type: ignore[arg-type]
    try:
        opened = Path(file).open("rb")  # noqa: SIM115  # stays open until the process ends
        head = opened.peek()[: audio_file.HEAD_BYTES]
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", USAGE)
    if refusal := audio_file.refusal(head, raw=Path(file).suffix.lower() in RAW):
        opened.close()
        fail(f"{file}: {refusal}.", USAGE)
    return opened


def _stop_by_hand(source: AudioSource) -> None:
    """End the audio at Ctrl+C, and finish the transcript. A second Ctrl+C ends the process."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        source.stop()

    with suppress(NotImplementedError):  # Windows: the first Ctrl+C ends the process
        loop.add_signal_handler(signal.SIGINT, stop)
