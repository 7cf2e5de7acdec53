"""Opus for one call: 20 ms of PCM16 at 24 kHz become a packet, and packets become PCM16 at 24 kHz.

libopus takes and gives 24 kHz itself, so no resampler is needed, although RTP counts Opus at 48 kHz
(RFC 7587 §4.1). Encoding takes about 40 µs by CELT and 150 µs by SILK with FEC, decoding 20 µs.
That is too little for a thread: changing to one and back would take longer.
"""

from __future__ import annotations

import ctypes
import weakref

from ...audio.pcm import BYTES_PER_MS, SAMPLE_RATE
from ...errors import VivavoceError
from . import libopus

FRAME_MS = 20
LARGEST_MS = 120  # of one packet (RFC 6716 §3.1)
LARGEST_PACKET = 1275  # bytes of a frame; an answer has one frame per packet
_FRAME = FRAME_MS * SAMPLE_RATE // 1000  # samples
_LARGEST = LARGEST_MS * SAMPLE_RATE // 1000
_STEP = SAMPLE_RATE // 400  # samples: libopus conceals whole multiples of 2.5 ms

# opus_defines.h
_VOIP, _AUDIO = 2048, 2049
_VOICE, _MUSIC = 3001, 3002
_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS, _SET_SIGNAL = 4002, 4010, 4012, 4014, 4024
_RESET_STATE = 4028

CLEAN_BITRATE = 48_000  # CELT, a third of SILK's processor time
LOSSY_BITRATE = 32_000  # SILK, which carries a copy of the packet before (FEC)
COMPLEXITY = 5


class OpusError(VivavoceError):
    """libopus refused: a packet that is not Opus, or a state that must not occur."""


class OpusEncoder:
    """Encodes one stream of mono sound.

    Without FEC it uses CELT, which costs little. With FEC it uses SILK: only that mode can carry a
    copy of the packet before, for a receiver that lost it.
    """

    def __init__(self, bitrate: int = CLEAN_BITRATE, *, fec: bool = False) -> None:
        """`bitrate`: bits per second. Raises `OpusMissingError`."""
        self._opus = opus = libopus.load()
        error = ctypes.c_int()
        self._state = opus.opus_encoder_create(SAMPLE_RATE, 1, _AUDIO, ctypes.byref(error))
        _require(error.value)
        weakref.finalize(self, opus.opus_encoder_destroy, self._state)
        self._out = ctypes.create_string_buffer(LARGEST_PACKET)
        self._set(_SET_COMPLEXITY, COMPLEXITY)
        self.tune(bitrate, fec=fec)

    def tune(self, bitrate: int, *, fec: bool, loss_percent: int = 10) -> None:
        """Change the mode, from the next packet on. The decoder hears no break.

        `loss_percent`: of packets, in the receiver's report. It sets how much FEC may take.
        """
        self._set(_SET_BITRATE, bitrate)
        self._set(_SET_FEC, int(fec))
        self._set(_SET_LOSS, max(1, min(100, loss_percent)) if fec else 0)
        self._set(_SET_SIGNAL, _VOICE if fec else _MUSIC)

    def encode(self, pcm: bytes) -> bytes:
        """Return the packet of exactly 20 ms of PCM16 at 24 kHz."""
        if len(pcm) != 2 * _FRAME:
            raise ValueError(f"a frame has {2 * _FRAME} bytes, not {len(pcm)}")
        size = self._opus.opus_encode(self._state, pcm, _FRAME, self._out, LARGEST_PACKET)
        return self._out.raw[: _require(size)]

    def _set(self, request: int, value: int) -> None:
        _require(self._opus.opus_encoder_ctl(self._state, request, ctypes.c_int32(value)))


class OpusDecoder:
    """Decodes one stream into mono sound: any mode, rate, length and number of channels."""

    def __init__(self) -> None:
        """Make a decoder that has heard nothing. Raises `OpusMissingError`."""
        self._opus = opus = libopus.load()
        error = ctypes.c_int()
        self._state = opus.opus_decoder_create(SAMPLE_RATE, 1, ctypes.byref(error))
        _require(error.value)
        weakref.finalize(self, opus.opus_decoder_destroy, self._state)
        self._out = ctypes.create_string_buffer(2 * _LARGEST)

    def decode(self, packet: bytes) -> bytes:
        """Return the sound of a packet as PCM16: 2.5 to 120 ms. Raises `OpusError`."""
        if not packet:  # libopus would take that for a lost packet
            raise OpusError("a packet is empty")
        return self._decode(packet, _LARGEST, fec=False)

    def conceal(self, ms: float) -> bytes:
        """Return a continuation of what was heard, for sound that was lost: 2.5 to 120 ms."""
        return self._decode(None, _samples(ms), fec=False)

    def recover(self, next_packet: bytes, ms: float = FRAME_MS) -> bytes:
        """Return `ms` of lost sound from the copy in the packet after it.

        A packet without a copy gives concealed sound. Decode that packet itself afterwards. Raises
        `OpusError`.
        """
        if not next_packet:
            raise OpusError("a packet is empty")
        return self._decode(next_packet, _samples(ms), fec=True)

    def reset(self) -> None:
        """Forget what was heard, because another stream begins."""
        _require(self._opus.opus_decoder_ctl(self._state, _RESET_STATE))

    def _decode(self, packet: bytes | None, samples: int, *, fec: bool) -> bytes:
        size = len(packet) if packet else 0
        got = self._opus.opus_decode(self._state, packet, size, self._out, samples, fec)
        return self._out.raw[: 2 * _require(got)]


def packet_ms(packet: bytes) -> float:
    """Return the length of a packet's sound in milliseconds; 0 if it is not Opus."""
    samples: int = libopus.load().opus_packet_get_nb_samples(packet, len(packet), SAMPLE_RATE)
    return max(0, samples) * 1000 / SAMPLE_RATE


def _samples(ms: float) -> int:
    """Return whole steps of libopus within what it can conceal at once."""
    steps = round(ms * SAMPLE_RATE / 1000 / _STEP)
    return max(1, min(_LARGEST // _STEP, steps)) * _STEP


def _require(result: int) -> int:
    if result < 0:
        raise OpusError(f"libopus answered {result}")
    return result


assert 2 * _FRAME == FRAME_MS * BYTES_PER_MS
