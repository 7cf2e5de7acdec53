"""One whole turn with any Realtime server, as its client: what was said, heard, and when."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from ..audio.pcm import BYTES_PER_MS, duration_ms
from ..core.types import Frame
from ..net.dial import dial
from ..protocol.close_codes import CloseCode
from .common import TAIL_MS, err, escape_markup

CHUNK_MS = 20
SLOW_PEER_TIMEOUT_S = 30.0


@dataclass
class TalkClient:
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
    calls: list[dict[str, str]] = field(default_factory=list)  # functions it wants called
    failure: str | None = None  # what the response says of its own failure
    asked: bool = False  # have we begun to say something?
    _shown: set[str] = field(default_factory=set)  # a line for each kind of delta in a row
    _greetings: set[str] = field(default_factory=set)  # responses that nobody asked for
    _queue: asyncio.Queue[dict[str, Any] | None] = field(default_factory=asyncio.Queue)

    def frame(self, data: Frame) -> None:
        self._queue.put_nowait(json.loads(bytes(data)))

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self._queue.put_nowait(None)

    async def incoming(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            if (event := await self._queue.get()) is None:
                return
            self._take(event)
            yield event

    def _take(self, event: dict[str, Any]) -> None:
        at = time.monotonic() - self.began
        kind = str(event.get("type"))
        if not kind.endswith(".delta"):
            self._shown.clear()
        if not self.quiet and kind not in self._shown:
            err.print(f"[dim]{at:8.3f}[/dim]  {escape_markup(kind)}")
            self._shown.add(kind)
            if kind == "error":
                err.print(
                    f"{'':10}{escape_markup(str(event['error'].get('message')))}", style="yellow"
                )
        self.events.append((round(at, 4), kind))
        response_id = str(event.get("response_id") or (event.get("response") or {}).get("id"))
        if kind == "response.created" and not self.asked:
            self._greetings.add(response_id)
        if response_id in self._greetings:
            return
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
                self._done(event["response"])
            case "error":
                self.error = event["error"]

    def _done(self, response: dict[str, Any]) -> None:
        self.status = response["status"]
        self.failure = ((response.get("status_details") or {}).get("error") or {}).get("message")
        self.calls = [
            {"name": item["name"], "arguments": item["arguments"]}
            for item in response.get("output") or ()
            if item.get("type") == "function_call"
        ]


async def hold(
    turn: TalkClient,
    address: str,
    credential: str | None,
    pcm: bytes,
    text: str | None,
    *,
    aloud: bool,
) -> None:
    """`aloud`: the answer shall be spoken, so that it takes as long as its sound."""
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
        async with asyncio.timeout(SLOW_PEER_TIMEOUT_S + duration_ms(pcm) / 1000):
            async with asyncio.TaskGroup() as tasks:
                talking: asyncio.Task[None] | None = None
                opened = False
                async for event in turn.incoming():
                    if event["type"] == "session.created":
                        opened = True
                        session: dict[str, object] = {"type": "realtime"}
                        if text is None:
                            input_audio = {"transcription": {"model": "whisper-1"}}
                            session["audio"] = {"input": input_audio}
                        if not aloud:
                            session["output_modalities"] = ["text"]
                        say(type="session.update", session=session)
                    elif event["type"] == "session.updated" and talking is None:
                        turn.asked = True
                        if text is None:
                            talking = tasks.create_task(speak())
                            continue
                        talking = tasks.create_task(asyncio.sleep(0))
                        part = {"type": "input_text", "text": text}
                        item = {"type": "message", "role": "user", "content": [part]}
                        say(type="conversation.item.create", item=item)
                        say(type="response.create")
                    elif turn.status is not None:
                        break
                    elif event["type"] == "error" and opened and (text or talking is None):
                        break  # what we asked for was refused: nothing will come of it
                if talking is not None:
                    talking.cancel()
    except TimeoutError:
        turn.error = turn.error or {"code": "timeout", "message": "No answer came in time."}
    finally:
        socket.close(CloseCode.NORMAL, "")
        async with asyncio.timeout(6):
            while turn.closed is None:  # noqa: ASYNC110  # a few turns of the loop
                await asyncio.sleep(0.01)
