"""Takes steady noise out of a voice: fans, hiss, hum, the murmur of a hall. 24 kHz, mono.

Frames of 20 ms, one every 10, each frequency turned down by what it seems to hold besides noise
(Ephraim and Malah's "decision-directed" estimate of that, 1984, with the square root of Wiener's
gain). The noise is what is there while nothing speech-like is (Gerkmann and Hendriks 2012): it is
learned in the first 80 ms, and followed from then on, within a second or so. Other people's voices
are not noise to it.

Gentle on purpose: gains that clean more (Wiener's own, Ephraim and Malah's logarithmic one) sound
better to people and made the embedded recogniser understand less, see docs/decisions/listening.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .pcm import SAMPLE_RATE, Floats

HOP: Final = SAMPLE_RATE // 100
FRAME: Final = 2 * HOP
DELAY_MS: Final = 20  # always: half of it to fill a hop, half until the next one overlaps

DEEPEST_DB = 30.0  # more would be heard as holes
LOUD = np.float32(10**1.5)  # speech is looked for at 15 dB above the noise
SMOOTH = np.float32(0.8)  # of the noise, from frame to frame
SURE = np.float32(0.99)  # speech that seems to last for ever is noise
KEPT = np.float32(0.96)  # of the last frame's estimate: less is quicker and rougher
LEARNING_FRAMES = 8
TALK = 0.23  # of the voice's frequencies seem to hold some: of steady noise never so many
FADE = np.float32(0.95)  # a frame: to a half in 130 ms
QUIETEST = np.float32(1.0)  # the noise of 16 bits, about: nothing is divided by less

_WINDOW: Floats = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype("f4")
_VOICE = slice(4, 81)  # 200 Hz to 4 kHz
_HERTZ = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is taken out."""

    floor_db: float  # as much at most, of any frequency, at any time
    excess: float = 1.0  # how much louder than it seems the noise is taken for
    rumble_hz: float = 80.0  # what lies below is no speech
    pauses: bool = False  # is everything turned down to the floor while nobody speaks?

    @classmethod
    def near(cls, strength: float = 1.0) -> Depth:
        """A microphone at the mouth: little noise, and a voice that must not suffer. 12 dB."""
        return cls(min(12 * strength, DEEPEST_DB), max(1.0, min(strength, 4.0)))

    @classmethod
    def far(cls, strength: float = 1.0) -> Depth:
        """A microphone across the table: more noise than voice, and the table itself. 18 dB, and
        all of that in pauses."""
        return cls(min(18 * strength, DEEPEST_DB), max(1.0, min(strength, 4.0)), 120.0, pauses=True)


class Denoiser:
    """One stream. As many samples come out as go in, `DELAY_MS` later; before them, silence."""

    def __init__(self, depth: Depth) -> None:
        self._noise = Noise(depth)
        self._sound = np.zeros(HOP, np.float32)  # the last hop, and what is no whole one yet
        self._overlap = np.zeros(HOP, np.float32)  # of the last frame, what the next one adds to
        self._ready = bytes(2 * HOP)

    def push(self, pcm: bytes) -> bytes:
        """Whole samples only. Cutting a stream in other places changes nothing in what comes out.

        About 0.2 ms of processor time for 20 ms of sound.
        """
        self._sound = np.append(self._sound, np.frombuffer(pcm, "<i2").astype(np.float32))
        hops = len(self._sound) // HOP - 1
        if hops:
            clean = self._clean(self._sound[: (hops + 1) * HOP])
            self._sound = self._sound[hops * HOP :]
            self._ready += np.clip(np.rint(clean), -32768, 32767).astype("<i2").tobytes()
        out, self._ready = self._ready[: len(pcm)], self._ready[len(pcm) :]
        return out

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
    """What a stream's noise is like, frequency by frequency, and what to do about it."""

    def __init__(self, depth: Depth) -> None:
        self._floor = np.float32(10 ** (-depth.floor_db / 20))
        self._excess = np.float32(depth.excess)
        rumble = np.clip(2 * _HERTZ / depth.rumble_hz - 1, self._floor, 1)
        self._shape = rumble.astype(np.float32)
        self._pauses = depth.pauses
        self._talk = np.float32(0)  # 1 while somebody speaks, then less and less
        self._power = np.zeros(len(_HERTZ), np.float32)
        self._speech = np.full(len(_HERTZ), 0.5, np.float32)  # how much of late was speech
        self._voice = np.zeros(len(_HERTZ), np.float32)  # the last frame's, cleaned
        self._frames = 0

    def gain(self, power: Floats) -> Floats:
        """The next frame's power, by frequency → what to multiply each with, 0 to 1."""
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
