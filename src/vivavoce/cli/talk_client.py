"""Hold one turn with any Realtime server: speak or type, and collect the response."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..audio.pcm import BYTES_PER_MS, duration_ms, silence
from ..protocol.client import AudioAppend, ItemCreate, ResponseCreate, SessionUpdate
from ..protocol.items import Message, Part
from .common import TAIL_MS
from .realtime_client import ConnectionClosedError, RealtimeClient, ServerEndpoint, connected
from .server_events import (
    Delta,
    Error,
    Other,
    Response,
    ResponseDone,
    ResponseEvent,
    Sound,
    SpeechStopped,
    Transcript,
    decode,
)
from .terminal import err, escape_markup

CHUNK_MS = 20
HEARD_WITHIN_S = 3.0  # of the end of the audio: until then the server has detected speech
NOBODY_SPOKE = "Nobody spoke in this recording: the server detected no speech."
ANSWER_TIMEOUT_S = 30.0  # for the whole turn, in addition to the length of the audio and tools
TOOL_WAIT_S = 5.0  # for the output of a tool that the server runs
_HEARD = frozenset(
    [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.committed",
        "response.output_item.added",
    ]
)


@dataclass
class TalkClient:
    """The events of one turn, and what they add up to. Times are seconds since the connection.

    A turn has one response, and another one after the output of each tool that the server runs.
    """

    quiet: bool = False
    events: list[tuple[float, str]] = field(default_factory=list)
    heard: str = ""  # the transcript of the user's audio
    answer: str = ""  # the text or transcript of its responses
    pcm: bytearray = field(default_factory=bytearray)
    error: dict[str, Any] | None = None
    status: str | None = None  # of the last response; None while a response is being made
    closed: tuple[int, str] | None = None
    stopped_at: float | None = None
    first_audio_at: float | None = None
    calls: list[dict[str, str]] = field(default_factory=list)  # tool calls of all responses
    failure: str | None = None  # the response's own error message
    unheard: bool = False  # True if all audio was sent and no speech was detected in it
    asked: bool = False  # True when the turn has begun: earlier responses are greetings
    called: bool = False  # True if the last response called a tool
    _types: set[str] = field(default_factory=set)  # types of all events
    _printed: set[str] = field(default_factory=set)  # types of the current run of deltas
    _greetings: set[str | None] = field(default_factory=set)  # ids of responses

    @property
    def heard_something(self) -> bool:
        """True if the server has detected speech, or answers without saying so."""
        return self.status is not None or not self._types.isdisjoint(_HEARD)

    def received(self, type: str) -> bool:
        """Return True if an event of this type has arrived."""
        return type in self._types

    def receive(self, event: dict[str, Any], at: float) -> None:
        """Add one event of the server. Raises `UnreadableEventError`."""
        decoded = decode(event)
        kind = decoded.type
        self._types.add(kind)
        self.events.append((round(at, 4), kind))
        if not self.quiet:
            self._print(decoded, at)
        response_id = decoded.response_id
        if isinstance(decoded, ResponseEvent | ResponseDone):
            response_id = response_id or decoded.response.id
        if kind == "response.created" and not self.asked:
            self._greetings.add(response_id)
        if response_id not in self._greetings:
            self._collect(event, decoded, at)

    def _print(self, event: Other, at: float) -> None:
        """Print a line for each event, and one for each type of delta in a run of deltas."""
        kind = event.type
        if not kind.endswith(".delta"):
            self._printed.clear()
        if kind in self._printed:
            return
        self._printed.add(kind)
        err.print(f"[dim]{at:8.3f}[/dim]  {escape_markup(kind)}")
        if isinstance(event, Error):
            err.line(f"{'':10}{event.error.message}", style="yellow")

    def _collect(self, event: dict[str, Any], decoded: Other, at: float) -> None:
        match decoded:
            case Transcript(transcript=words):
                self.heard = words
            case Delta(type=kind, delta=words) if kind.startswith("response."):
                self.answer += words or ""
            case Sound(delta=pcm):
                self.first_audio_at = self.first_audio_at or at
                self.pcm += pcm
            case ResponseDone(response=response):
                self._finish(response)
            case ResponseEvent():
                self._start()
            case Error():
                self.error = event["error"]
            case SpeechStopped():
                self.stopped_at = at

    def _start(self) -> None:
        self.status = self.failure = None
        self.called = False
        if self.answer and not self.answer[-1].isspace():
            self.answer += " "

    def _finish(self, response: Response) -> None:
        self.status = response.status or "without a status"
        details = response.status_details
        self.failure = details.error.message if details and details.error else None
        calls = [
            {"name": item.name or "", "arguments": item.arguments or ""}
            for item in response.output or ()
            if item.type == "function_call"
        ]
        self.called = bool(calls)
        self.calls += calls


async def hold(
    turn: TalkClient,
    server: ServerEndpoint,
    pcm: bytes,
    text: str | None,
    *,
    aloud: bool,
    tool_wait_s: float = TOOL_WAIT_S,
) -> None:
    """Hold one turn: with `text`, or with the audio `pcm`. Raises `UnreachableError`.

    `aloud`: ask for a spoken response, which takes as long as its audio. No event says who runs a
    tool. So after a tool call, wait `tool_wait_s` for the response to its output.
    """
    async with connected(server, turn.receive) as client:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S + tool_wait_s + duration_ms(pcm) / 1000):
                with suppress(ConnectionClosedError):
                    await _hold(client, turn, pcm, text, aloud=aloud)
                    await _wait_for_tools(client, turn, tool_wait_s)
        except TimeoutError:
            turn.error = turn.error or {"code": "timeout", "message": "No answer came in time."}
    turn.closed = client.closed
    if client.unreadable is not None:
        turn.error = {"code": "unreadable_event", "message": f"{client.unreadable}."}


async def _hold(
    client: RealtimeClient, turn: TalkClient, pcm: bytes, text: str | None, *, aloud: bool
) -> None:
    await client.until(lambda: turn.received("session.created"))
    client.send(SessionUpdate(session=_session(spoken=text is None, aloud=aloud)))
    await client.until(lambda: turn.received("session.updated") or turn.error is not None)
    if not turn.received("session.updated"):
        return
    turn.asked = True
    if text is not None:
        part = Part(type="input_text", text=text)
        item = Message(id=f"item_{secrets.token_hex(12)}", role="user", content=(part,))
        client.send(ItemCreate(item=item))
        client.send(ResponseCreate())
        await client.until(lambda: turn.status is not None or turn.error is not None)
        return
    async with asyncio.TaskGroup() as tasks:
        speaking = tasks.create_task(_speak_and_be_heard(client, turn, pcm))
        try:
            await client.until(lambda: turn.status is not None or turn.unheard)
        finally:
            speaking.cancel()


async def _wait_for_tools(client: RealtimeClient, turn: TalkClient, wait_s: float) -> None:
    """Wait for the responses to the outputs of tools that the server runs."""
    while turn.status is not None and turn.called:
        try:
            async with asyncio.timeout(wait_s):
                await client.until(lambda: turn.status is None)
        except TimeoutError:
            return  # the client of this session would have to run the tool
        await client.until(lambda: turn.status is not None)


def _session(*, spoken: bool, aloud: bool) -> dict[str, Any]:
    session: dict[str, Any] = {"type": "realtime"}
    if spoken:
        session["audio"] = {"input": {"transcription": {"model": "whisper-1"}}}
    if not aloud:
        session["output_modalities"] = ["text"]
    return session


async def _speak_and_be_heard(client: RealtimeClient, turn: TalkClient, pcm: bytes) -> None:
    """Send the audio. End the turn if the server found no speech in it."""
    await _speak(client, pcm)
    with suppress(TimeoutError):
        async with asyncio.timeout(HEARD_WITHIN_S):
            await client.until(lambda: turn.heard_something)
    if not turn.heard_something:
        turn.error = turn.error or {"code": "no_speech", "message": NOBODY_SPOKE}
        turn.unheard = True
        client.wake()


async def _speak(client: RealtimeClient, pcm: bytes) -> None:
    """Send the audio in real time, as a microphone would."""
    began = time.monotonic()
    whole = pcm + silence(TAIL_MS)
    size = CHUNK_MS * BYTES_PER_MS
    for i in range(0, len(whole), size):
        client.send(AudioAppend(audio=whole[i : i + size]))
        early_s = (i + size) / BYTES_PER_MS / 1000 - (time.monotonic() - began)
        if early_s > 0:
            await asyncio.sleep(early_s)
