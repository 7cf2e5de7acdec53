"""Speak one sentence with each voice of an assistant, so that people can choose by ear.

The sentence is the assistant's greeting. A sample is made when it is asked for first, one at a time
because calls need the machine too, and `KEPT` of them are kept.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from ..assistants import Assistant
from ..audio.pcm import SAMPLE_RATE
from ..core.voices import VoiceNames
from .base import TextToSpeech, VoiceRequest
from .boundary import contained

KEPT = 64
LONGEST_S = 8.0
WITHIN_S = 20.0

Key = tuple[str, str, str, str]


class VoiceSamples:
    def __init__(
        self,
        voices: Callable[[Assistant, str], VoiceNames],
        voice: Callable[[Assistant, str], Awaitable[TextToSpeech | None]],
    ) -> None:
        self._voices = voices
        self._voice = voice
        self._made: OrderedDict[Key, bytes] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    def names(self, assistant: Assistant, language: str) -> list[str]:
        """List the voices of a cascade, sorted. Of any other engine, only the assistant's own."""
        supported = self._voices(assistant, language).supported
        return [assistant.voice.name] if supported is None else sorted(supported)

    async def wav(self, assistant: Assistant, language: str, name: str) -> bytes | None:
        """Return a WAV file, or None if this machine has no such voice. Raises `EngineError`.

        Raises `TimeoutError` after 20 s.
        """
        if assistant.engine != "cascade" or name not in self.names(assistant, language):
            return None
        text = assistant.greeting(language) or assistant.title(language)
        key = (assistant.name, language, name, text)
        async with asyncio.timeout(WITHIN_S), self._one_at_a_time:
            if key not in self._made:
                made = await self._make(assistant, language, name, text)
                if made is None:
                    return None
                self._made[key] = made
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]

    async def _make(
        self, assistant: Assistant, language: str, name: str, text: str
    ) -> bytes | None:
        speaker = await self._voice(assistant, language)
        if speaker is None:
            return None
        wanted = VoiceRequest(name=name, speed=assistant.voice.speed, language=language)
        pcm = bytearray()
        with contained(speaker):
            async with aclosing(speaker.speak(text, wanted)) as pieces:
                async for piece in pieces:
                    pcm += piece.pcm
                    if len(pcm) >= LONGEST_S * SAMPLE_RATE * 2:
                        break
        return _as_wav(bytes(pcm))


def _as_wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        out.writeframes(pcm)
    return file.getvalue()
