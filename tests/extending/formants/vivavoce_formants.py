"""Speak by formants: vowels are harmonics under three resonances, consonants are noise."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator

import numpy as np

from vivavoce.api import (
    SAMPLE_RATE,
    AdapterRequest,
    AdapterSpec,
    AudioChunk,
    EngineError,
    TextToSpeech,
    VoiceRequest,
    Word,
)

LETTER_MS = 55
VOWELS = {  # the centres of three formants in Hz
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
    "y": (390, 1990, 2550),
}
NASALS = dict.fromkeys("lmnrw", (280, 1000, 2200))
HISSES = {"s": 6000.0, "z": 5000.0, "f": 4000.0, "x": 4500.0, "c": 3500.0, "h": 1500.0}
PITCHES_HZ = {"marin": 190.0, "cedar": 110.0}
PIECE = re.compile(r"\s{0,20}\S{1,40}\s{0,20}|\s{1,40}")  # a word, at most some seconds long


class Formants:
    """Speak with the pitch of the requested voice."""

    async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        """Yield one chunk of audio for each word."""
        pitch_hz = PITCHES_HZ.get(voice.name)
        if pitch_hz is None:  # a client may ask for a voice that the assistant's author did not
            raise EngineError(f"there is no voice {voice.name!r}", "voice_not_found")
        for word in PIECE.findall(text):
            # A word takes a few milliseconds of CPU: not in the event loop, which serves all calls.
            pcm = await asyncio.to_thread(spoken, word, pitch_hz, voice.speed)
            yield AudioChunk(pcm=pcm, words=(Word(word, 0),))


def spoken(word: str, pitch_hz: float, speed: float) -> bytes:
    """Return the audio of one word as PCM16 at 24 kHz."""
    samples = round(LETTER_MS / speed * SAMPLE_RATE / 1000)
    letters = [_letter(letter, samples, pitch_hz) for letter in word.lower()]
    return (np.concatenate(letters) * 9000).astype("<i2").tobytes()


def _swell(samples: int) -> np.ndarray:
    """Return the loudness of a letter over time: it begins and ends softly."""
    swell: np.ndarray = np.sin(np.pi * (np.arange(samples) + 0.5) / samples) ** 0.5
    return swell


def _letter(letter: str, samples: int, pitch_hz: float) -> np.ndarray:
    if not letter.isalnum():
        return np.zeros(samples)
    if letter in VOWELS or letter in NASALS:
        sound = _voiced(samples, pitch_hz, VOWELS.get(letter) or NASALS[letter])
    else:
        sound = _noise(samples, HISSES.get(letter, 2500.0))
    sound *= _swell(samples) / np.abs(sound).max()
    return sound


def _voiced(samples: int, pitch_hz: float, formants_hz: tuple[int, int, int]) -> np.ndarray:
    """Add the harmonics of the pitch, each as loud as the resonances make it."""
    harmonics_hz = np.arange(pitch_hz, 4000, pitch_hz)
    distances = (harmonics_hz[:, None] - np.array(formants_hz)) / 120
    amplitudes = (1 / (1 + distances**2)).sum(axis=1)
    phases = 2 * np.pi * harmonics_hz[:, None] * np.arange(samples) / SAMPLE_RATE
    sound: np.ndarray = amplitudes @ np.sin(phases)
    return sound


def _noise(samples: int, centre_hz: float) -> np.ndarray:
    """Return noise around a frequency. It is the same each time."""
    noise = np.random.default_rng(round(centre_hz)).standard_normal(samples)
    spectrum, hz = np.fft.rfft(noise), np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    return np.fft.irfft(spectrum * np.exp(-(((hz - centre_hz) / 1200) ** 2)), samples)


async def make(_: AdapterRequest) -> TextToSpeech:
    """Make the voice of one call."""
    return Formants()


formants = AdapterSpec(kind="tts", name="formants", make=make, voices=frozenset(PITCHES_HZ))
