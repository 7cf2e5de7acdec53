"""Noise reduction: removes steady noise (fans, hiss, hum, a crowd) from a voice. 24 kHz, mono.

A frame of 20 ms starts every 10 ms. Each frequency is attenuated by its estimated ratio of speech
to noise (the "decision-directed" estimate of Ephraim and Malah, 1984, with the square root of
Wiener's gain). The noise is estimated while no speech is present (Gerkmann and Hendriks, 2012):
from the first 80 ms, and then followed within about a second. Voices of other people are not noise.

The gain is gentle on purpose. Gains that remove more (Wiener's own, Ephraim and Malah's logarithmic
one) sound better to people, but the embedded recogniser understands less. See
docs/decisions/listening.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .pcm import SAMPLE_RATE, Floats, to_pcm16

HOP: Final = SAMPLE_RATE // 100
FRAME: Final = 2 * HOP
DELAY_MS: Final = 20  # constant: 10 ms to fill a hop, 10 ms until the next one overlaps

DEEPEST_DB = 30.0  # deeper attenuation is audible as holes
LOUD = np.float32(10**1.5)  # speech is expected 15 dB above the noise
SMOOTH = np.float32(0.8)  # of the noise, from frame to frame
SURE = np.float32(0.99)  # a longer "speech" is noise
KEPT = np.float32(0.96)  # of the last frame's estimate: less is quicker and rougher
LEARNING_FRAMES = 8
TALK = 0.23  # share of the voice's frequencies; steady noise stays below it
FADE = np.float32(0.95)  # a frame: to a half in 130 ms
QUIETEST = np.float32(1.0)  # about the noise of 16 bits: the smallest divisor

_WINDOW: Floats = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype("f4")
_VOICE = slice(4, 81)  # 200 Hz to 4 kHz
_HERTZ = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Depth:
    """The strength of noise reduction."""

    floor_db: float  # the most, of any frequency, at any time
    excess: float = 1.0  # factor on the estimated noise
    rumble_hz: float = 80.0  # lower frequencies are not speech
    pauses: bool = False  # attenuate all frequencies to the floor while no speech is present?

    @classmethod
    def near(cls, strength: float = 1.0) -> Depth:
        """Return a filter for a microphone near the speaker: it removes up to 12 dB of noise."""
        return cls(min(12 * strength, DEEPEST_DB), max(1.0, min(strength, 4.0)))

    @classmethod
    def far(cls, strength: float = 1.0) -> Depth:
        """Return a filter for a microphone across the table: it removes up to 18 dB of noise.

        In pauses it removes all of these 18 dB, because more noise than voice arrives.
        """
        return cls(min(18 * strength, DEEPEST_DB), max(1.0, min(strength, 4.0)), 120.0, pauses=True)


class Denoiser:
    """Noise reduction of one stream. Its output is `DELAY_MS` behind its input."""

    def __init__(self, depth: Depth) -> None:
        self._noise = Noise(depth)
        self._sound = np.zeros(
            HOP, np.float32
        )  # the last hop, and the samples of the incomplete one
        self._overlap = np.zeros(HOP, np.float32)  # of the last frame, what the next one adds to
        self._ready = bytes(2 * HOP)
        self.used = False  # was any sound pushed?

    def push(self, pcm: bytes) -> bytes:
        """Whole samples only. Cutting a stream in other places changes nothing in what comes out.

        About 0.2 ms of processor time for 20 ms of sound.
        """
        self.used = self.used or bool(pcm)
        self._sound = np.append(self._sound, np.frombuffer(pcm, "<i2").astype(np.float32))
        hops = len(self._sound) // HOP - 1
        if hops:
            clean = self._clean(self._sound[: (hops + 1) * HOP])
            self._sound = self._sound[hops * HOP :]
            self._ready += to_pcm16(clean)
        out, self._ready = self._ready[: len(pcm)], self._ready[len(pcm) :]
        return out

    def rest(self) -> bytes:
        """Return the last `DELAY_MS` of what was pushed, if there was any. The stream is over."""
        return self.push(bytes(2 * FRAME)) if self.used else b""

    def _clean(self, sound: Floats) -> Floats:
        """Of n + 1 hops in, the n that no later sound adds to."""
        frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]
        spectra = np.fft.rfft(frames * _WINDOW)
        power = spectra.real**2 + spectra.imag**2
        gains = np.stack([self._noise.gain(each) for each in power])
        frames = np.fft.irfft(spectra * gains, FRAME).astype(np.float32) * _WINDOW
        begun = np.concatenate([self._overlap[None], frames[:-1, HOP:]])
        self._overlap = frames[-1, HOP:]
        clean: Floats = (frames[:, :HOP] + begun).ravel()
        return clean


class Noise:
    """Estimates a stream's noise, frequency by frequency, and how much to attenuate."""

    def __init__(self, depth: Depth) -> None:
        self._floor = np.float32(10 ** (-depth.floor_db / 20))
        self._excess = np.float32(depth.excess)
        rumble = np.clip(2 * _HERTZ / depth.rumble_hz - 1, self._floor, 1)
        self._shape = rumble.astype(np.float32)
        self._pauses = depth.pauses
        self._talk = np.float32(0)  # 1 while a voice is present, then fading
        self._power = np.zeros(len(_HERTZ), np.float32)
        self._speech = np.full(len(_HERTZ), 0.5, np.float32)  # how much of late was speech
        self._voice = np.zeros(len(_HERTZ), np.float32)  # the last frame's, cleaned
        self._frames = 0

    def gain(self, power: Floats) -> Floats:
        """Return the gain of each frequency, 0 to 1, for a frame with this power by frequency."""
        power = power.astype(np.float32)
        speech = self._follow(power)
        noise = self._power * self._excess
        fresh = np.maximum(power / noise - 1, 0)
        ratio = KEPT * self._voice / noise + (1 - KEPT) * fresh
        gain: Floats = np.maximum(np.sqrt(ratio / (1 + ratio)), self._floor)
        self._voice = gain * gain * power
        if self._pauses:
            self._talk = np.float32(1) if speech[_VOICE].mean() > TALK else self._talk * FADE
            gain = self._floor + self._talk * (gain - self._floor)
        shaped: Floats = gain * self._shape
        return shaped

    def _follow(self, power: Floats) -> Floats:
        """Learn from a frame. How likely each frequency holds speech."""
        if self._frames < LEARNING_FRAMES:
            mean = (self._power * self._frames + power) / (self._frames + 1)
            self._power = np.maximum(mean, QUIETEST)
            self._frames += 1
        likely = np.exp(-power / self._power * (LOUD / (1 + LOUD)))
        speech: Floats = 1 / (1 + (1 + LOUD) * likely)
        self._speech = np.float32(0.9) * self._speech + np.float32(0.1) * speech
        doubtful = np.where(self._speech > SURE, np.minimum(speech, SURE), speech)
        change = (1 - SMOOTH) * (1 - doubtful) * (power - self._power)
        self._power = np.maximum(self._power + change, QUIETEST)
        return speech
