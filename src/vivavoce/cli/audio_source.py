"""Read audio in a thread, because reading a pipe may wait for a microphone."""

from __future__ import annotations

import asyncio
import io
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Self

from .audio_file import pieces
from .wav import UnsupportedAudioError

READ_AHEAD = 4  # chunks


class AudioSource:
    """A file or pipe as a queue of chunks. `async with`."""

    def __init__(self, file: io.BufferedReader, *, live: bool) -> None:
        """`file`: a recording, closed at the end. `live`: reading may wait."""
        self._file = file
        self._live = live
        self._thread: threading.Thread | None = None
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(READ_AHEAD)
        self._stopped = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the thread. A microphone's thread may wait for audio, so it is not joined."""
        self.stop()
        if self._thread is None:
            self._file.close()
        elif not self._live:
            while not self._queue.empty():  # so that the thread's put succeeds and it can end
                self._queue.get_nowait()
            await asyncio.to_thread(self._thread.join)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._read, args=[loop], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the source: audio that was not taken yet is dropped."""
        self._stopped = True
        with suppress(asyncio.QueueFull):  # then `take` does not wait
            self._queue.put_nowait(None)

    async def take(self) -> bytes | None:
        """Return the next chunk, or None at the end. Raises the exception of the reading thread."""
        piece = None if self._stopped else await self._queue.get()
        if isinstance(piece, Exception):
            raise piece
        return None if self._stopped else piece

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        def hand_over(piece: bytes | Exception | None) -> None:
            asyncio.run_coroutine_threadsafe(self._queue.put(piece), loop).result()

        with self._file, suppress(RuntimeError, CancelledError):  # the loop has ended
            try:
                for piece in pieces(self._file):
                    hand_over(piece)
                    if self._stopped:
                        return
            except (OSError, UnsupportedAudioError) as error:
                hand_over(error)
            else:
                hand_over(None)
