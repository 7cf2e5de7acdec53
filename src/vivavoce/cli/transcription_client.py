"""Transcribe audio with any Realtime server: send as fast as it reads, collect the transcript.

Two limits set the pace: the socket's send buffer, which fills when the server stops reading, and
the number of utterances without a transcript.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..audio.pcm import duration_ms, silence
from ..protocol.client import AudioAppend, AudioCommit, SessionUpdate
from .audio_file import PIECE_MS
from .audio_source import AudioSource
from .common import TAIL_MS
from .realtime_client import ConnectionClosedError, RealtimeClient, ServerEndpoint, connected
from .server_events import Error, decode
from .transcript_log import TranscriptLog
from .wav import UnsupportedAudioError

ANSWER_TIMEOUT_S = 60.0  # without an event from a server that owes us one
AWAITED = 8  # utterances that may wait for their transcript before more audio is sent


class SessionEndedError(Exception):  # an outcome that the command reports
    """The session ended before everything was transcribed. The message says why."""


class TranscriptionClient:
    """One transcription session."""

    def __init__(self, session: dict[str, object]) -> None:
        """`session`: the fields of the first `session.update`."""
        self.on_news: Callable[[], None] = lambda: None  # called when there is more to show
        self.transcript = TranscriptLog()
        self.sent_ms = 0
        self.error: dict[str, Any] | None = None
        self.closed: tuple[int, str] | None = None  # close code and reason
        self.unreadable: Exception | None = None  # why reading the audio failed
        self._session = session
        self._types: set[str] = set()  # types of all events
        self._updates = 0  # `session.updated` events
        self._client: RealtimeClient
        self._source: AudioSource

    def _receive(self, event: dict[str, Any], _at: float) -> None:
        """Add an event of the server. Raises `UnreadableEventError`."""
        decoded = decode(event)
        self._types.add(decoded.type)
        if decoded.type == "session.updated":
            self._updates += 1
        if isinstance(decoded, Error):
            self.error = event["error"]
        self.transcript.take(decoded, self.sent_ms)
        self.on_news()

    async def hold(self, server: ServerEndpoint, source: AudioSource) -> None:
        """Transcribe the whole source. Raises `SessionEndedError` and `UnreachableError`."""
        self._source = source
        async with connected(server, self._receive) as self._client:
            self._client.on_closed = self._on_closed
            try:
                await self._transcribe()
            except ConnectionClosedError:
                why = self._client.unreadable or "the server closed the connection"
                raise SessionEndedError(why) from None
            except TimeoutError:
                raise SessionEndedError("the server does not answer") from None

    def _on_closed(self) -> None:
        self.closed = self._client.closed
        self._source.stop()

    async def _transcribe(self) -> None:
        await self._until(lambda: "session.created" in self._types)
        self._client.send(SessionUpdate(session=self._session))
        await self._until(lambda: bool(self._updates or self.error))
        if not self._updates:
            raise SessionEndedError("the session was refused")
        self._source.start()
        while (pcm := await self._next()) is not None:
            await self._send(pcm)
            self.sent_ms += duration_ms(pcm)
            self.on_news()
        await self._finish()

    async def _next(self) -> bytes | None:
        try:
            return await self._source.take()
        except (OSError, UnsupportedAudioError) as error:
            self.unreadable = error
            return None

    async def _finish(self) -> None:
        """Wait for the last transcript. A server confirms a second update after all audio."""
        for _ in range(TAIL_MS // PIECE_MS):
            await self._send(silence(PIECE_MS))
        updates = self._updates
        self._client.send(SessionUpdate(session={"type": "transcription"}))
        await self._until(lambda: self._updates > updates)
        if self.transcript.speaking:
            self._client.send(AudioCommit())
            await self._until(lambda: not self.transcript.speaking)
        await self._until(lambda: not self.transcript.awaited)

    async def _send(self, pcm: bytes) -> None:
        await self._until(lambda: self._client.can_write and self.transcript.awaited < AWAITED)
        self._client.send(AudioAppend(audio=pcm))

    async def _until(self, condition: Callable[[], bool]) -> None:
        await self._client.until(condition, ANSWER_TIMEOUT_S)
