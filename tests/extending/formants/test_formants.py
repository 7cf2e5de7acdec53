"""Hold the voice to the contract of voices."""

import asyncio

import numpy as np
import pytest
import vivavoce_formants

from vivavoce.api import SAMPLE_RATE, EngineError, VoiceRequest
from vivavoce.testing.adapters import made
from vivavoce.testing.contracts import voice

CASE = voice.Case(opened=lambda: made(vivavoce_formants.formants), name="cedar")


@pytest.mark.parametrize("check", voice.CHECKS)
def test_the_voice_keeps_the_contract(check: voice.Check) -> None:
    check(CASE)


@pytest.mark.parametrize("name", vivavoce_formants.PITCHES_HZ)
def test_a_vowel_has_the_pitch_of_its_voice(name: str) -> None:
    pitch_hz = vivavoce_formants.PITCHES_HZ[name]
    pcm = vivavoce_formants.spoken("a", pitch_hz, speed=0.25)
    samples = np.frombuffer(pcm, "<i2").astype(float)
    similarity = np.correlate(samples, samples, "full")[len(samples) - 1 :]
    period = max(range(SAMPLE_RATE // 400, SAMPLE_RATE // 70), key=similarity.__getitem__)
    assert SAMPLE_RATE / period == pytest.approx(pitch_hz, rel=0.02)


def test_a_voice_that_does_not_exist_is_an_engine_error() -> None:
    async def story() -> None:
        async with made(vivavoce_formants.formants) as speaker:
            await anext(speaker.speak("Hello", VoiceRequest(name="alto")))

    with pytest.raises(EngineError) as caught:
        asyncio.run(story())
    assert caught.value.code == "voice_not_found"
