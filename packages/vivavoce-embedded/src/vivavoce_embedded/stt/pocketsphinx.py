"""The recogniser that needs no download: pocketsphinx, in processes of its own. English only.

An utterance leases a worker, which also gets the audio from before it was free. So the number of
workers limits the people who talk at once, and not the number of calls. If all workers are busy,
the utterance waits, and its audio waits in the call's own bounded queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from vivavoce.audio.pcm import SAMPLE_RATE, SILENT_DB, level_db
from vivavoce.audio.resample import Resampler
from vivavoce.core.types import Transcript
from vivavoce.engines.base import OnTranscript
from vivavoce.errors import EngineError

from .lm import ModelFiles
from .pool import Pool

HEARD_RATE = 16_000
LONGEST_S = 60.0  # of one stretch of sound; a decoder's memory grows with it
PARTED_S = 40.0  # of a stretch, after which it may end where it is quiet
MEASURED_S = 30.0  # of a stretch, after which its level is measured
QUIET_DB = 25.0  # below the loudest level since then
PIECE_BYTES = SAMPLE_RATE * 2 // 10
REPLAYS = 1  # of the same audio; after that, the next silence ends it


class Pocketsphinx:
    """Recognise the talker of one call (a `SpeechToText`), and adapt to their voice.

    A call has one worker at a time: its utterances wait for each other. A client that sends minutes
    of speech at once would otherwise occupy all workers, and all processors with them.
    """

    def __init__(self, pool: Pool, model: ModelFiles | None = None) -> None:
        """`model`: from `lm.prepare`. None: pocketsphinx's own, larger and without our words."""
        self._pool = pool
        self._model = model
        self._voice: str | None = None
        self._one_worker = asyncio.Lock()

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        """Recognise English. It returns no logprobs: pocketsphinx has none for words."""
        if language and not language.lower().startswith("en"):
            raise EngineError(
                "The embedded recogniser understands English only. For other languages, "
                "configure another speech-to-text adapter.",
                "language_not_supported",
            )
        said = ""
        async with aclosing(_as_heard(sound)) as pieces:
            stretches = _Stretches(pieces)
            while not stretches.over:
                said = await self._hear_stretch(stretches.next(), said, stable)
        return Transcript(said)

    async def _hear_stretch(
        self, sound: AsyncGenerator[bytes, None], said: str, stable: OnTranscript
    ) -> str:
        """Return the words `said` before this stretch, and its own."""

        async def so_far(text: str, guess: str = "", logprobs: object = (), /) -> None:
            await stable(f"{said} {text}".strip(), f"{said} {guess}".strip())

        async with aclosing(sound):
            tape = _Tape(sound)
            while not tape.over:
                try:
                    text, voice = await self._hear(tape, so_far)
                except _Quiet:
                    pass
                else:
                    said = f"{said} {text}".strip()
                    self._voice = voice or self._voice
                if not tape.over:
                    await tape.more()
        return said

    async def _hear(self, tape: _Tape, stable: OnTranscript) -> tuple[str, str | None]:
        async with (
            self._one_worker,
            self._pool.lease(self._model) as worker,
            aclosing(tape.play()) as sound,
        ):
            return await worker.hear(self._model, self._voice, sound, stable)


class _Quiet(EngineError):
    """No sound comes, and no end of it."""


class _Tape:
    """A talker's audio, which another worker can recognise again from its beginning.

    A client that sends nothing must not keep a worker that others wait for: the user may hold a
    button down in silence, or the connection may have died in the middle of a word. Such a client
    must not have the same audio recognised without a limit, either. After `REPLAYS` replays, the
    words until then are final, and only later audio is recognised next.
    """

    def __init__(self, sound: AsyncGenerator[bytes, None]) -> None:
        self._sound = sound
        self._heard: list[bytes] = []  # at most `LONGEST_S`
        self._replays = 0
        self.over = False

    async def more(self) -> None:
        """Wait until there is more of it, or the end."""
        async for piece in self._sound:
            if piece:
                self._heard.append(piece)
                return

    async def play(self) -> AsyncGenerator[bytes, None]:
        """All of it. Raises `_Quiet` where it has fallen quiet and may be heard again."""
        for piece in tuple(self._heard):
            yield piece
        async for piece in self._sound:
            if not piece:
                break
            self._heard.append(piece)
            yield piece
        else:
            self.over = True
            return
        if self._replays < REPLAYS:
            self._replays += 1
            raise _Quiet("The user is silent.")
        self._replays = 0
        self._heard.clear()


class _Stretches:
    """A long utterance in parts that a decoder can hold, parted where it is quiet if it ever is."""

    def __init__(self, sound: AsyncGenerator[bytes, None]) -> None:
        self._sound = sound
        self.over = False

    async def next(self) -> AsyncGenerator[bytes, None]:
        """One of them. `over` when it was the last."""
        seconds, loudest = 0.0, SILENT_DB
        async for pcm in self._sound:
            yield pcm
            seconds += len(pcm) / 2 / HEARD_RATE
            if seconds < MEASURED_S or not pcm:
                continue
            level = level_db(pcm)
            loudest = max(loudest, level)
            quiet = level < loudest - QUIET_DB
            if seconds >= LONGEST_S or (quiet and seconds >= PARTED_S):
                return
        self.over = True


async def _as_heard(sound: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Resample to the decoder's rate. Only the mark that no audio comes is empty."""
    resampler = Resampler(SAMPLE_RATE, HEARD_RATE)
    async for pcm in sound:
        if not pcm:
            yield b""
        for start in range(0, len(pcm), PIECE_BYTES):
            if heard := resampler.push(pcm[start : start + PIECE_BYTES]):
                yield heard
    if rest := resampler.push(b"", last=True):
        yield rest
