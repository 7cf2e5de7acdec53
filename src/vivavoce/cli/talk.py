"""`vivavoce talk`: hold one turn with any Realtime server, from a file, a pipe or text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ..protocol.close_codes import REFUSALS
from .common import (
    FAILED,
    RAW,
    REFUSED,
    DataDir,
    JsonOption,
    ServerKey,
    ServerUrl,
    fail,
    print_json,
)
from .target import target
from .terminal import err, escape_markup, out

if TYPE_CHECKING:
    from io import BufferedReader

    from .talk_client import TalkClient


def talk(
    file: Annotated[
        str | None, typer.Argument(help="A recording to send, or - for standard input")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(help="Send this text instead of audio; without --out, the answer is text too"),
    ] = None,
    url: ServerUrl = None,
    key: ServerKey = None,
    assistant: Annotated[str | None, typer.Option(help="Assistant, or model elsewhere")] = None,
    language: Annotated[
        str | None,
        typer.Option(help="Language of the call, such as it for Italian (Vivavoce only)"),
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Save the spoken answer as WAV")
    ] = None,
    tool_wait: Annotated[
        float,
        typer.Option(
            min=0.0, max=60.0, help="Seconds to wait for the output of a tool that the server runs"
        ),
    ] = 5.0,
    data_dir: DataDir = None,
    as_json: JsonOption = False,
) -> None:
    """Hold one turn: print the events with their times and the answer, save it as WAV."""
    if (file is None) == (text is None):
        fail("Give either a FILE or --text.", 2)

    from .talk_client import TalkClient, hold

    pcm = b"" if file is None else _sound(file)
    server = target(url, key, data_dir=data_dir, assistant=assistant)
    turn = TalkClient(quiet=as_json)
    # Another server takes it as a model. Vivavoce checks it only as an assistant.
    endpoint = server.endpoint(
        model=assistant, assistant=assistant, language=language, client_tools=""
    )
    aloud = text is None or out_file is not None
    server.visit(hold(turn, endpoint, pcm, text, aloud=aloud, tool_wait_s=tool_wait))
    _report(turn, out_file, as_json, server.hint(turn.error))


def _report(turn: TalkClient, out_file: Path | None, as_json: bool, hint: str) -> None:
    from ..audio.pcm import duration_ms
    from . import audio_file

    if out_file is not None and turn.pcm:
        try:
            audio_file.write(out_file, bytes(turn.pcm))
        except OSError as error:
            fail(f"{out_file} cannot be written: {error.strerror}.")
    delay = None
    if turn.first_audio_at is not None and turn.stopped_at is not None:
        delay = round((turn.first_audio_at - turn.stopped_at) * 1000)
    why = _missing(turn)
    if as_json:
        print_json({
            "status": turn.status,
            "heard": turn.heard,
            "answer": turn.answer,
            "calls": turn.calls,
            "audio_ms": duration_ms(turn.pcm),
            "first_audio_after_speech_ms": delay,
            "error": turn.error,
            "close": turn.closed,
            "events": [{"at": at, "type": kind} for at, kind in turn.events],
        })  # fmt: skip
    else:
        if turn.heard:
            out.print(f"[bold]you:[/bold] {escape_markup(turn.heard)}")
        if turn.answer:
            out.print(f"[bold]answer:[/bold] {escape_markup(turn.answer)}")
        for call in turn.calls:
            name, arguments = escape_markup(call["name"]), escape_markup(call["arguments"])
            out.print(f"[bold]tool call:[/bold] {name}({arguments})")
        if delay is not None:
            out.print(f"[dim]first audio {delay} ms after the end of speech was detected[/dim]")
        if out_file is not None and turn.pcm:
            seconds = duration_ms(turn.pcm) / 1000
            out.print(f"[dim]{seconds:.1f} s of speech in {escape_markup(str(out_file))}[/dim]")
    if why is None:
        return
    if not as_json:
        err.print(f"[red]error:[/red] {escape_markup(why + hint)}")
    refused = turn.closed is not None and turn.closed[0] in REFUSALS
    raise typer.Exit(REFUSED if refused else FAILED)


def _missing(turn: TalkClient) -> str | None:
    """Say why the answer is missing or incomplete; None: it is complete."""
    if turn.status == "completed":
        some = turn.answer or turn.pcm or turn.calls
        return None if some else "No answer: the response is empty."
    if turn.status is not None:
        reason = turn.failure or (turn.error or {}).get("message")
        return f"Incomplete answer: the response is {turn.status}" + (
            f": {reason}" if reason else "."
        )
    if turn.error is not None:
        return f"No answer: {turn.error.get('message')}"
    code, reason = turn.closed or (None, "")
    return f"No answer: the server closed the connection ({code} {reason})".replace(" )", ")") + "."


def _sound(file: str) -> bytes:
    from . import audio_file
    from .wav import UnsupportedAudioError

    raw = file == "-" or Path(file).suffix.lower() in RAW
    try:
        if file == "-":
            return audio_file.one_turn(cast("BufferedReader", sys.stdin.buffer), raw=raw)
        with Path(file).open("rb") as opened:
            return audio_file.one_turn(opened, raw=raw)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", 2)
    except UnsupportedAudioError as error:
        fail(f"{file}: {error}.", 2)
