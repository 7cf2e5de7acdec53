"""`vivavoce talk`: hold one whole turn with any Realtime server, from a file, a pipe or by text."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import typer

from ..access import client_secrets
from ..audio.pcm import BYTES_PER_MS, duration_ms
from ..core.values import Caller
from ..net.dial import Unreachable, dial
from ..net.websocket import Frame
from ..runtime.reception import now
from ..store.base import Grant
from . import sound
from .common import (
    FAILED,
    REFUSED,
    UNREACHABLE,
    DataDir,
    Json,
    err,
    fail,
    find,
    out,
    run,
    store,
    told,
)

CHUNK_MS = 20
PATIENCE_S = 30.0
TAIL_MS = 1500  # of silence after the file, so that the server hears the end of speech


def talk(
    file: Annotated[
        str | None, typer.Argument(help="A WAV file to say, or - for standard input")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Type this instead of speaking")] = None,
    url: Annotated[
        str | None, typer.Option(help="http(s):// or ws(s):// base URL (default: the server here)")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="VIVAVOCE_API_KEY", help="API key of that server")
    ] = None,
    assistant: Annotated[str | None, typer.Option(help="Assistant, or model elsewhere")] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Save the spoken answer as WAV")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say something, and hear what is answered: events with their times, the answer as WAV."""
    if (file is None) == (text is None):
        fail("Say either a FILE or --text.", 2)
    pcm = b"" if file is None else _sound(file)
    target = url or _here(data_dir)
    credential = key or (None if url else run(_secret(data_dir, assistant)))
    turn = Turn(quiet=as_json)
    try:
        run(_hold(turn, _address(target, assistant), credential, pcm, text))
    except Unreachable as error:
        fail(f"{target} cannot be reached: {error}. Is the server running?", UNREACHABLE)
    _report(turn, out_file, as_json)


@dataclass
class Turn:
    """What came of it. A `Far` end of the socket: frames go into a queue."""

    quiet: bool = False
    began: float = field(default_factory=time.monotonic)
    events: list[tuple[float, str]] = field(default_factory=list)
    heard: str = ""
    answer: str = ""
    pcm: bytearray = field(default_factory=bytearray)
    error: dict[str, Any] | None = None
    status: str | None = None
    closed: tuple[int, str] | None = None
    stopped_at: float | None = None
    first_audio_at: float | None = None
    _queue: asyncio.Queue[dict[str, Any] | None] = field(default_factory=asyncio.Queue)

    def frame(self, data: Frame) -> None:
        self._queue.put_nowait(json.loads(bytes(data)))

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self._queue.put_nowait(None)

    async def incoming(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            async with asyncio.timeout(PATIENCE_S):
                event = await self._queue.get()
            if event is None:
                return
            self._take(event)
            yield event

    def _take(self, event: dict[str, Any]) -> None:
        at = time.monotonic() - self.began
        kind = str(event.get("type"))
        if not self.quiet and (not self.events or self.events[-1][1] != kind):
            err.print(f"[dim]{at:8.3f}[/dim]  {kind}")
        self.events.append((round(at, 4), kind))
        match kind:
            case "input_audio_buffer.speech_stopped":
                self.stopped_at = at
            case "conversation.item.input_audio_transcription.completed":
                self.heard = event["transcript"]
            case "response.output_text.delta" | "response.output_audio_transcript.delta":
                self.answer += event["delta"]
            case "response.output_audio.delta":
                self.first_audio_at = self.first_audio_at or at
                self.pcm += base64.b64decode(event["delta"])
            case "response.done":
                self.status = event["response"]["status"]
            case "error":
                self.error = event["error"]


async def _hold(
    turn: Turn, address: str, credential: str | None, pcm: bytes, text: str | None
) -> None:
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    socket = await dial(address, headers=headers)
    socket.join(turn)
    turn.began = time.monotonic()

    def say(**event: object) -> None:
        socket.write(json.dumps(event).encode())

    async def speak() -> None:
        """In real time, as a microphone would."""
        began = time.monotonic()
        whole = pcm + bytes(TAIL_MS * BYTES_PER_MS)
        size = CHUNK_MS * BYTES_PER_MS
        for i in range(0, len(whole), size):
            chunk = base64.b64encode(whole[i : i + size]).decode()
            say(type="input_audio_buffer.append", audio=chunk)
            early = (i + size) / BYTES_PER_MS / 1000 - (time.monotonic() - began)
            if early > 0:
                await asyncio.sleep(early)

    try:
        async with asyncio.timeout(PATIENCE_S + duration_ms(pcm) / 1000):
            async with asyncio.TaskGroup() as tasks:
                talking: asyncio.Task[None] | None = None
                async for event in turn.incoming():
                    if event["type"] == "session.created":
                        session: dict[str, object] = {"type": "realtime"}
                        if text is None:
                            input_audio = {"transcription": {"model": "whisper-1"}}
                            session["audio"] = {"input": input_audio}
                        say(type="session.update", session=session)
                    elif event["type"] == "session.updated" and talking is None:
                        if text is None:
                            talking = tasks.create_task(speak())
                            continue
                        talking = tasks.create_task(asyncio.sleep(0))
                        part = {"type": "input_text", "text": text}
                        item = {"type": "message", "role": "user", "content": [part]}
                        say(type="conversation.item.create", item=item)
                        say(type="response.create")
                    elif event["type"] == "response.done" and talking is not None:
                        break
                if talking is not None:
                    talking.cancel()
    except TimeoutError:
        turn.error = turn.error or {"code": "timeout", "message": "No answer came in time."}
    finally:
        socket.close(1000, "")
        async with asyncio.timeout(6):
            while turn.closed is None:  # noqa: ASYNC110  # a few turns of the loop
                await asyncio.sleep(0.01)


def _report(turn: Turn, out_file: Path | None, as_json: bool) -> None:
    if out_file is not None and turn.pcm:
        sound.write(out_file, bytes(turn.pcm))
    delay = None
    if turn.first_audio_at is not None and turn.stopped_at is not None:
        delay = round((turn.first_audio_at - turn.stopped_at) * 1000)
    good = turn.status == "completed"
    if as_json:
        told({
            "status": turn.status,
            "heard": turn.heard,
            "answer": turn.answer,
            "audio_ms": duration_ms(turn.pcm),
            "first_audio_after_speech_ms": delay,
            "error": turn.error,
            "close": turn.closed,
            "events": [{"at": at, "type": kind} for at, kind in turn.events],
        })  # fmt: skip
    else:
        if turn.heard:
            out.print(f"[bold]you:[/bold] {turn.heard}")
        if turn.answer:
            out.print(f"[bold]answer:[/bold] {turn.answer}")
        if delay is not None:
            out.print(f"[dim]first sound {delay} ms after the end of speech was decided[/dim]")
        if out_file is not None and turn.pcm:
            out.print(f"[dim]{duration_ms(turn.pcm) / 1000:.1f} s of speech in {out_file}[/dim]")
    if good:
        return
    if turn.error is not None and not as_json:
        err.print(f"[red]error:[/red] {turn.error.get('message')}")
    refused = turn.closed is not None and turn.closed[0] in (3000, 4000)
    raise typer.Exit(REFUSED if refused else FAILED)


def _sound(file: str) -> bytes:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return sound.read(data)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", 2)
    except sound.NoSound as error:
        fail(f"{file}: {error}.", 2)


def _here(data_dir: Path | None) -> str:
    data = find(data_dir)
    if not data.address.is_file():
        fail(f"No server runs on {data.root}. Start one with `vivavoce serve`, or give --url.",
             UNREACHABLE)  # fmt: skip
    return data.address.read_text("utf-8")


async def _secret(data_dir: Path | None, assistant: str | None) -> str:
    """Whoever can read the data folder may talk with its server."""
    kept = await store(find(data_dir))
    try:
        caller = Caller(credential="key", subject=os.environ.get("USER"))
        minted = await client_secrets.mint(kept, caller, Grant(assistant=assistant), now(), 60)
        assert isinstance(minted, client_secrets.ClientSecret)
        return minted.value
    finally:
        await kept.close()


def _address(target: str, assistant: str | None) -> str:
    """The socket's URL: `…/v1/realtime` is added where it is missing."""
    url = urlsplit(target)
    scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
    if scheme not in ("ws", "wss"):
        fail(f"{target} is no http(s):// or ws(s):// URL.", 2)
    path = url.path.rstrip("/")
    if not path.endswith("/realtime"):
        path += "/realtime" if path else "/v1/realtime"
    query = "&".join(
        filter(None, [url.query, urlencode({"model": assistant} if assistant else {})])
    )
    return urlunsplit((scheme, url.netloc, path, query, ""))
