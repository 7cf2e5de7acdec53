"""Turns a client's audio into inputs of the machine: short pieces of PCM, with VAD scores.

    bytes ─► decode G.711 ─► 24 kHz ─► denoise ─┬─► AudioReceived(pcm, scores, levels)
                                                └─► 16 kHz ─► frames of 32 ms ─► VAD

PCM at 24 kHz passes sample for sample; G.711 is resampled to it. Noise reduction delays the audio
by 20 ms, and everything behind it gets the same audio (protocol §7.3). The score of a frame comes
with the piece that completes it, 1 ms after the end of the frame. The VAD runs only while the
session detects turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from msgspec import UNSET

from ..audio import g711
from ..audio.denoise import DELAY_MS, Denoiser, Depth
from ..audio.pcm import BYTES_PER_MS, FRAME_MS, SAMPLE_RATE, level_db
from ..audio.resample import Resampler
from ..core.inputs import AudioReceived
from ..engines import checked
from ..engines.base import SpeechDetector
from ..engines.boundary import contained
from ..errors import EngineError
from ..protocol.config import AudioInput, Format, NoiseReduction, Pcm

PIECE_MS = 96  # three frames: one call's backlog delays other calls only a little
PIECE_BYTES = PIECE_MS * BYTES_PER_MS
G711_PIECE_BYTES = PIECE_MS * g711.RATE // 1000

VAD_RATE = 16_000
FRAME_BYTES = FRAME_MS * VAD_RATE // 1000 * 2
DETECTOR = "voice detector"  # its name in the log

NewDetector: TypeAlias = Callable[[], SpeechDetector]


class InputPipeline:
    """The audio input of one client."""

    def __init__(
        self,
        new_detector: NewDetector,
        wanted: Callable[[], AudioInput],
        takes: Callable[[], int] = lambda: 0,
    ) -> None:
        """`wanted` returns the session's current input settings.

        `takes` returns how many takes the client has ended, by `commit` or `clear`.
        """
        self._new_detector = new_detector
        self._wanted = wanted
        self._takes = takes
        self._ended_takes = takes()
        self._scorer: VadScorer | None = None
        self._format: Format = Pcm()
        self._half_sample = b""  # the first byte of a sample whose second byte is still to come
        self._upwards: Resampler | None = None  # for G.711: 8 to 24 kHz
        self._reduction: NoiseReduction | None = None
        self._denoiser: Denoiser | None = None
        self._warm_up_bytes = 0  # at the start of a new denoiser's output, to be dropped

    def decode(self, data: bytes) -> Iterator[AudioReceived]:
        """Yield the audio in short pieces, so that the caller can do other work in between.

        The VAD restarts when the session detects turns again. The denoiser restarts when its
        settings change; the 20 ms that it held back are lost.
        """
        wanted = self._wanted()
        if (takes := self._takes()) != self._ended_takes:
            self._ended_takes = takes
            self._half_sample = b""
            self._restart_filters()
        if wanted.noise_reduction != self._reduction:
            self._reduction = wanted.noise_reduction
            self._denoiser = _denoiser(wanted.noise_reduction)
            self._warm_up_bytes = 0
        if wanted.turn_detection is None:
            self._scorer = None
        elif self._scorer is None:
            self._scorer = VadScorer(self._new_detector)
        for pcm in self._decode(data, wanted.format):
            if pcm := self._reduce_noise(pcm):
                yield self._score(pcm)

    def held_back(self) -> Iterator[AudioReceived]:
        """Yield the audio that the filters hold back, and restart them.

        The reader feeds it before a `commit` or `clear`, because the client appended it before.
        """
        rest = b""
        if self._upwards:
            rest = self._upwards.push(b"", last=True)
        if rest:
            rest = self._reduce_noise(rest)
        if self._denoiser:
            rest += self._denoiser.rest()
        self._restart_filters()
        for pcm in _cut(rest, PIECE_BYTES):
            yield self._score(pcm)

    def _restart_filters(self) -> None:
        """Restart the resampler and the denoiser. The VAD goes on: its clock is the stream's."""
        if self._upwards:
            self._upwards = Resampler(g711.RATE, SAMPLE_RATE)
        if self._denoiser and self._denoiser.used:
            self._denoiser = _denoiser(self._reduction)
            self._warm_up_bytes = DELAY_MS * BYTES_PER_MS

    def _reduce_noise(self, pcm: bytes) -> bytes:
        """Return the audio without noise.

        The first denoiser starts with 20 ms of silence. A later one does not, because `held_back`
        made up for the delay of the one before: the clock of the audio stays right.
        """
        if self._denoiser is None:
            return pcm
        pcm = self._denoiser.push(pcm)
        if self._warm_up_bytes:
            dropped = min(self._warm_up_bytes, len(pcm))
            self._warm_up_bytes -= dropped
            pcm = pcm[dropped:]
        return pcm

    def _score(self, pcm: bytes) -> AudioReceived:
        return self._scorer.score(pcm) if self._scorer else AudioReceived(pcm)

    def _decode(self, data: bytes, format: Format) -> Iterator[bytes]:
        if format != self._format:
            yield from self._change_format(format)
        if self._upwards and not isinstance(format, Pcm):
            for piece in _cut(data, G711_PIECE_BYTES):
                if pcm := self._upwards.push(g711.decode(piece, format.law)):
                    yield pcm
        else:
            data = self._half_sample + data
            whole = len(data) & ~1
            self._half_sample = data[whole:]
            if whole <= PIECE_BYTES:  # as almost every append: live audio comes in short frames
                yield data[:whole]
            else:
                yield from _cut(data[:whole], PIECE_BYTES)

    def _change_format(self, format: Format) -> Iterator[bytes]:
        """Switch to another format. Yield first what the old resampler still holds back."""
        if self._upwards and (rest := self._upwards.push(b"", last=True)):
            yield rest
        self._format = format
        self._half_sample = b""
        self._upwards = None if isinstance(format, Pcm) else Resampler(g711.RATE, SAMPLE_RATE)


class VadScorer:
    """Scores each frame of 32 ms with the speech model, and measures its level.

    If the model fails, the frame scores 0 and the next frame gets a new model. The first of
    consecutive failures is logged. The call goes on, and push-to-talk still works.
    """

    def __init__(self, new_detector: NewDetector) -> None:
        self._new_detector = new_detector
        self._detector: SpeechDetector | None = None
        self._failing = False
        self._make_detector()
        self._downwards = Resampler(SAMPLE_RATE, VAD_RATE)
        self._waiting = b""

    def score(self, pcm: bytes) -> AudioReceived:
        self._waiting += self._downwards.push(pcm)
        whole = len(self._waiting) // FRAME_BYTES * FRAME_BYTES
        frames = [self._waiting[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES)]
        self._waiting = self._waiting[whole:]
        return AudioReceived(
            pcm, tuple(map(self._score_frame, frames)), tuple(map(level_db, frames))
        )

    def _make_detector(self) -> None:
        try:
            with contained(DETECTOR, quiet=self._failing):
                self._detector = self._new_detector()
        except EngineError:
            self._failing = True

    def _score_frame(self, frame: bytes) -> float:
        if self._detector is None:
            self._make_detector()
        if self._detector is None:
            return 0.0
        try:
            with contained(DETECTOR, quiet=self._failing):
                probability = checked.probability(self._detector.step(frame))
        except EngineError:
            self._detector, self._failing = None, True
            return 0.0
        self._failing = False
        return probability


def _denoiser(reduction: NoiseReduction | None) -> Denoiser | None:
    """Return the denoiser for the session's settings, or None if there is nothing to do."""
    strength = 1.0 if reduction is None or reduction.strength is UNSET else reduction.strength
    if reduction is None or not strength:
        return None
    return Denoiser((Depth.near if reduction.type == "near_field" else Depth.far)(strength))


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
