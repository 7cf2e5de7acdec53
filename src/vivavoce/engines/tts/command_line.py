"""The command lines of `espeak-ng` and `flite`: a process for each sentence, no word times.

For machines without the package `vivavoce-espeak`. The text goes in by a pipe or a file, never as
an argument; `flite` wants files at both ends, and speaks English only.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import tempfile
import wave
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from ...audio.pcm import SAMPLE_RATE, duration_ms
from ...audio.resample import Resampler
from ...core.ledger import Word
from ...errors import EngineError
from ...text.spoken import speakable
from ..base import AudioChunk, VoiceRequest
from ..program import output_of
from .chunking import SpeechChunker, portions, spread

PROGRAMS = ("espeak-ng", "flite")
DEADLINE_S = 20.0
WORDS_PER_MINUTE = 170
HEADER = 44  # bytes of a WAV file; what `espeak-ng` writes there about its length is not true

_ESPEAK = {"ash": "m3", "ballad": "m7", "cedar": "m1", "echo": "m1", "verse": "m2"}
_ESPEAK |= {"coral": "f2", "marin": "f3", "sage": "f5", "shimmer": "f4"}
_FLITE = dict.fromkeys(("coral", "marin", "sage", "shimmer"), "slt")
_FLITE |= {"alloy": "rms", "cedar": "rms", "verse": "awb", "ballad": "awb"}


def find() -> str | None:
    """Return the path of the best program that is installed, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class _ProgramError(EngineError):
    """The program ran, and did not speak: perhaps it does not know the language."""


class CommandLineTts:
    def __init__(self, program: str, *, deadline_s: float = DEADLINE_S) -> None:
        """`program` is a path that `find` gave, or another of the two."""
        self._program = program
        self._is_flite = Path(program).name.startswith("flite")
        self._deadline_s = deadline_s

    async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        for portion in portions(text):
            if not speakable(portion):
                yield AudioChunk(pcm=b"", words=(Word(portion, 0),))
                continue
            pcm = await self._sound(_plain(portion), voice)
            pieces = SpeechChunker(portion, spread(portion, duration_ms(pcm)))
            for piece in pieces.finish(pcm):
                yield piece

    async def _sound(self, text: bytes, voice: VoiceRequest) -> bytes:
        try:
            async with asyncio.timeout(self._deadline_s):
                speak = self._flite if self._is_flite else self._espeak
                return await speak(text, voice)
        except TimeoutError:
            raise EngineError(f"{self._name} did not finish in time", "engine_timeout") from None

    async def _espeak(self, text: bytes, voice: VoiceRequest) -> bytes:
        variant = _ESPEAK.get(voice.name)
        manner = f"+{variant}" if variant else ""
        rate = max(80, round(WORDS_PER_MINUTE * voice.speed))
        *before, last = _languages(voice.language)
        for language in before:
            with suppress(_ProgramError):
                return await self._ask_espeak(text, f"-v{language}{manner}", f"-s{rate}")
        return await self._ask_espeak(text, f"-v{last}{manner}", f"-s{rate}")

    async def _ask_espeak(self, text: bytes, *manner: str) -> bytes:
        spoken = await self._run("--stdin", "--stdout", *manner, text=text)
        rate = int.from_bytes(spoken[24:28], "little") if len(spoken) >= HEADER else 0
        if not rate:
            raise _ProgramError(f"{self._name} made no sound")
        return Resampler(rate, SAMPLE_RATE).push(spoken[HEADER:], last=True)

    async def _flite(self, text: bytes, voice: VoiceRequest) -> bytes:
        with tempfile.TemporaryDirectory(prefix="vivavoce-") as folder:
            written, spoken = Path(folder, "text"), Path(folder, "sound.wav")
            await asyncio.to_thread(written.write_bytes, text)
            await self._run(
                "-voice",
                _FLITE.get(voice.name, "kal16"),
                "--setf",
                f"duration_stretch={1 / voice.speed:.3f}",
                "-f",
                str(written),
                "-o",
                str(spoken),
            )
            return await asyncio.to_thread(self._read, spoken)

    def _read(self, path: Path) -> bytes:
        try:
            with wave.open(io.BytesIO(path.read_bytes())) as reader:
                pcm = reader.readframes(reader.getnframes())
                return Resampler(reader.getframerate(), SAMPLE_RATE).push(pcm, last=True)
        except (OSError, EOFError, wave.Error):
            raise EngineError(f"{self._name} made no sound") from None

    async def _run(self, *arguments: str, text: bytes = b"") -> bytes:
        """Return the output of the program. Raises `EngineError`."""
        code, spoken = await output_of(self._program, *arguments, given=text)
        if code:
            raise _ProgramError(f"{self._name} failed ({code})")
        return spoken

    @property
    def _name(self) -> str:
        return Path(self._program).name


def _languages(language: str | None) -> list[str]:
    """Names to try: what was asked for, without its region, English."""
    exact = re.sub(r"[^a-z0-9-]", "", (language or "en").lower().replace("_", "-"))
    return list(dict.fromkeys(filter(None, (exact, exact.partition("-")[0], "en"))))


def _plain(text: str) -> bytes:
    """Without control characters, of which some are commands."""
    plain = "".join(ch if ch.isprintable() else " " for ch in text)
    return plain.encode("utf-8", "replace")
