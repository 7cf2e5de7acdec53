"""Packets of Opus as different clients make them."""

from __future__ import annotations

import ctypes

import numpy as np

from vivavoce.audio.pcm import SAMPLE_RATE, to_pcm16
from vivavoce.transports.webrtc import libopus
from vivavoce.transports.webrtc.opus import OpusEncoder
from vivavoce.transports.webrtc.rtp import RtpPacket

FRAME = SAMPLE_RATE // 50  # samples of 20 ms
TICKS = 960  # of the RTP clock in 20 ms
OPUS = 111


def tone(ms: int, hz: float = 300, loud: float = 8000) -> bytes:
    times = np.arange(ms * SAMPLE_RATE // 1000) / SAMPLE_RATE
    return to_pcm16((loud * np.sin(2 * np.pi * hz * times)).astype(np.float32))


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[start : start + 2 * FRAME] for start in range(0, len(pcm), 2 * FRAME)]


def sweep(ms: int) -> bytes:
    """Return a sound that rises from 200 to 3,000 Hz."""
    times = np.arange(ms * SAMPLE_RATE // 1000) / SAMPLE_RATE
    phase = 2 * np.pi * (200 * times + 2800 / (2 * ms / 1000) * times**2)
    return to_pcm16((8000 * np.sin(phase)).astype(np.float32))


def stream(
    count: int, *, fec: bool = True, first: int = 0, ssrc: int = 1, changes: bool = False
) -> list[RtpPacket]:
    """Encode a tone into numbered packets of 20 ms. `changes`: a sweep instead."""
    encoder = OpusEncoder(32_000, fec=fec)
    sound = sweep(20 * count) if changes else tone(20 * count)
    return [
        packet(first + n, encoder.encode(frame), ssrc=ssrc) for n, frame in enumerate(frames(sound))
    ]


def packet(number: int, payload: bytes, *, ssrc: int = 1, ticks: int = TICKS) -> RtpPacket:
    return RtpPacket(number % 65536, number * ticks % 2**32, ssrc, OPUS, payload)


def encode(samples: np.ndarray, rate: int, channels: int, bitrate: int = 64_000) -> bytes:
    """Encode one packet of interleaved samples at any rate, as a client might."""
    opus = libopus.load()
    error = ctypes.c_int()
    state = opus.opus_encoder_create(rate, channels, 2049, ctypes.byref(error))
    opus.opus_encoder_ctl(state, 4002, ctypes.c_int32(bitrate))
    out = ctypes.create_string_buffer(4000)
    pcm = samples.astype("<i2").tobytes()
    size = opus.opus_encode(state, pcm, len(samples) // channels, out, len(out))
    opus.opus_encoder_destroy(state)
    assert size > 0
    return out.raw[:size]


def level(pcm: bytes) -> float:
    """Return the root mean square of PCM16."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
