"""Recognise the keys of a telephone by their DTMF tones."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
from pydantic import BaseModel, ConfigDict

from vivavoce.api import (
    SAMPLE_RATE,
    AdapterRequest,
    AdapterSpec,
    OnTranscript,
    SpeechToText,
    Transcript,
)

LOW_HZ = (697, 770, 852, 941)
HIGH_HZ = (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")  # one row for each low tone
BLOCK = SAMPLE_RATE // 50  # 20 ms: a key is pressed for at least 40 ms
SHARE = 0.7  # of the block's energy that the two tones have; speech has much less


class Options(BaseModel):
    """The table `[adapters.dtmf]` in vivavoce.toml."""

    model_config = ConfigDict(extra="forbid")
    level_db: float = -45.0  # quieter blocks are silence


class Dtmf:
    """Find keys in the audio of one call."""

    def __init__(self, options: Options) -> None:
        self._least_power = 2**30 * 10 ** (options.level_db / 10)

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        """Return the pressed keys as one word."""
        text, rest, last = "", b"", ["", ""]  # the keys of the last two blocks
        async for pcm in sound:
            rest, known = rest + pcm, text
            while len(rest) >= 2 * BLOCK:
                block, rest = rest[: 2 * BLOCK], rest[2 * BLOCK :]
                key = self._key(np.frombuffer(block, "<i2").astype(float))
                if key and key == last[1] != last[0]:
                    text += key
                last = [last[1], key]
            if text != known:
                await stable(text)
        return Transcript(text)

    def _key(self, samples: np.ndarray) -> str:
        """Return the key that sounds in this block, or an empty text."""
        energy = float(samples @ samples)
        if energy < self._least_power * BLOCK:
            return ""
        low, high = (np.array([_energy(samples, hz) for hz in row]) for row in (LOW_HZ, HIGH_HZ))
        if low.max() + high.max() < SHARE * energy:
            return ""
        return KEYS[low.argmax()][high.argmax()]


def _energy(samples: np.ndarray, hz: int) -> float:
    """Return the energy of one frequency (the Goertzel filter, as a product)."""
    turns = np.exp(-2j * np.pi * hz / SAMPLE_RATE * np.arange(BLOCK))
    return float(abs(samples @ turns) ** 2 * 2 / BLOCK)


async def make(request: AdapterRequest) -> SpeechToText:
    """Make the recogniser of one call."""
    return Dtmf(request.options)


dtmf = AdapterSpec(
    kind="stt",
    name="dtmf",
    make=make,
    settings_model=Options,
    notices=({"en": "This assistant understands telephone keys, and no speech."},),
)
