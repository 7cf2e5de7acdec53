"""A client of a transcription session: brings sound as fast as it is taken, collects the notes.

What bounds the pace is the server: its socket when it reads no more, and the words it still owes.
A file is through when the server can hear so fast; a microphone brings only what was spoken.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Self

from ..audio.pcm import duration_ms, silence
from ..core.types import Frame
from ..net.dial import dial
from ..protocol.close_codes import CloseCode
from .audio_file import PIECE_MS, UnsupportedAudio, pieces
from .common import TAIL_MS
from .transcript_log import TranscriptLog

SLOW_PEER_TIMEOUT_S = 60.0  # without a word from a server that owes us one
AWAITED = 8  # utterances that may wait for their words before more is sent
READ_AHEAD = 4  # pieces
LEAVE_S = 6.0


class SessionEnded(Exception):
    """It ended before everything was written down. Says why."""


class AudioSource:
    """Sound that a thread reads, because reading may wait for somebody to speak."""

    def __init__(self, file: io.BufferedReader, *, live: bool) -> None:
        """`file`: WAV, or raw PCM16 mono 24 kHz, closed at the end. `live`: reading may wait."""
        self._file = file
        self._live = live
        self._thread: threading.Thread | None = None
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(READ_AHEAD)
        self._enough = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nobody waits for a microphone that says nothing more."""
        self.stop()
        if self._thread is None:
            self._file.close()
        elif not self._live:
            while not self._queue.empty():  # whoever hands over a piece is done with it
                self._queue.get_nowait()
            await asyncio.to_thread(self._thread.join)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._read, args=[loop], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What was read so far is all."""
        self._enough = True
        with suppress(asyncio.QueueFull):  # then nobody is waiting
            self._queue.put_nowait(None)

    async def take(self) -> bytes | None:
        """The next piece; None: no more. Raises what reading raised."""
        piece = None if self._enough else await self._queue.get()
        if isinstance(piece, Exception):
            raise piece
        return None if self._enough else piece

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        def hand_over(piece: bytes | Exception | None) -> None:
            asyncio.run_coroutine_threadsafe(self._queue.put(piece), loop).result()

        with self._file, suppress(RuntimeError, CancelledError):  # the loop is gone: nobody asks
            try:
                for piece in pieces(self._file):
                    hand_over(piece)
                    if self._enough:
                        return
            except (OSError, UnsupportedAudio) as error:
                hand_over(error)
            else:
                hand_over(None)


class TranscriptionClient:
    """A `Far` end of the socket."""

    def __init__(self, session: dict[str, object]) -> None:
        """`session`: what is asked of the server first."""
        self.on_news: Callable[[], None] = lambda: None  # there is more to show
        self.notes = TranscriptLog()
        self.sent_ms = 0
        self.error: dict[str, Any] | None = None
        self.closed: tuple[int, str] | None = None
        self.unreadable: Exception | None = None  # why there is no more sound
        self._session = session
        self._news = asyncio.Event()
        self._told: set[str] = set()  # kinds of events that came
        self._updates = 0
        self._source: AudioSource

    # What the socket calls

    def frame(self, data: Frame) -> None:
        event = json.loads(bytes(data))
        self._told.add(event.get("type"))
        match event.get("type"):
            case "session.updated":
                self._updates += 1
            case "error":
                self.error = event["error"]
        self.notes.take(event, self.sent_ms)
        self.on_news()
        self._news.set()

    def writable(self) -> None:
        self._news.set()

    def lost(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self._source.stop()
        self._news.set()

    # The session

    async def hold(self, address: str, credential: str | None, source: AudioSource) -> None:
        """All of it. Raises `Over` and `Unreachable`."""
        self._source = source
        self._socket = await dial(
            address, headers={"Authorization": f"Bearer {credential}"} if credential else {}
        )
        self._socket.join(self)
        try:
            await self._until(lambda: "session.created" in self._told)
            self._say(type="session.update", session=self._session)
            await self._until(lambda: bool(self._updates or self.error))
            if not self._updates:
                raise SessionEnded("the session was refused")
            source.start()
            while (pcm := await self._next()) is not None:
                await self._bring(pcm)
                self.sent_ms += duration_ms(pcm)
                self.on_news()
            await self._finish()
        finally:
            self._socket.close(CloseCode.NORMAL, "")
            async with asyncio.timeout(LEAVE_S):
                while self.closed is None:
                    self._news.clear()
                    await self._news.wait()

    async def _next(self) -> bytes | None:
        try:
            return await self._source.take()
        except (OSError, UnsupportedAudio) as error:
            self.unreadable = error
            return None

    async def _finish(self) -> None:
        """Until the last word. The answer to an update comes when all sound before it was heard."""
        for _ in range(TAIL_MS // PIECE_MS):
            await self._bring(silence(PIECE_MS))
        updates = self._updates
        self._say(type="session.update", session={"type": "transcription"})
        await self._until(lambda: self._updates > updates)
        if self.notes.speaking:
            self._say(type="input_audio_buffer.commit")
            await self._until(lambda: not self.notes.speaking)
        await self._until(lambda: not self.notes.awaited)

    async def _bring(self, pcm: bytes) -> None:
        await self._until(lambda: self._can_take and self.notes.awaited < AWAITED)
        self._say(type="input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    @property
    def _can_take(self) -> bool:
        return self.closed is None and not self._socket.full

    def _say(self, **event: object) -> None:
        self._socket.write(json.dumps(event).encode())

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            if self.closed is not None:
                raise SessionEnded("the server closed the connection")
            self._news.clear()
            try:
                async with asyncio.timeout(SLOW_PEER_TIMEOUT_S):
                    await self._news.wait()
            except TimeoutError:
                raise SessionEnded("the server does not answer") from None
