"""G.711: sixteen bits of a sample in eight, the telephone's way. One table look-up per sample.

The tables follow ITU-T G.711 as its reference software (G.191) computes it: a sign, three bits
for the segment and four for the step in it. Both laws are 8 kHz by definition.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

Codes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]
Samples: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int16]]
Integers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int32]]

RATE = 8_000
PCM16: np.dtype[np.int16] = np.dtype("<i2")

Law = Literal["ulaw", "alaw"]

_ULAW_BIAS = 132  # makes the segments begin at powers of two (33 in 14 bits)
_ALAW_INVERT = 0x55  # even bits are sent inverted, so that silence has edges to lock on


def _ulaw_decoding() -> Samples:
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code.astype(np.int32) >> 4) & 7, code.astype(np.int32) & 15
    magnitude = ((step * 8 + _ULAW_BIAS) << segment) - _ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(PCM16)


def _ulaw_encoding() -> Codes:
    sample = _every_sample()
    magnitude = (_magnitude(sample) >> 2) + 33  # µ-law keeps 14 bits
    magnitude = np.where(magnitude > 0x1FFF, 0x1FFF, magnitude)
    segment = _bit_length(magnitude) - 6
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 15)
    return (np.where(sample < 0, code | 0x80, code) ^ 0xFF).astype(np.uint8)


def _alaw_decoding() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ _ALAW_INVERT
    segment, step = (code >> 4) & 7, code & 15
    linear, companded = step * 16 + 8, (step * 16 + 264) << np.maximum(segment - 1, 0)
    magnitude = np.where(segment == 0, linear, companded)
    return np.where(code & 0x80, magnitude, -magnitude).astype(PCM16)


def _alaw_encoding() -> Codes:
    sample = _every_sample()
    magnitude = _magnitude(sample) >> 3  # A-law keeps 13 bits
    segment = np.maximum(_bit_length(magnitude) - 5, 0)
    step = (magnitude >> np.maximum(segment, 1)) & 15
    code = (segment << 4) | step
    return (np.where(sample < 0, code, code | 0x80) ^ _ALAW_INVERT).astype(np.uint8)


def _every_sample() -> Integers:
    """In the order of the sixteen bits taken as an unsigned number: how the tables are indexed."""
    return np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _magnitude(sample: Integers) -> Integers:
    return np.where(sample < 0, ~sample, sample)


def _bit_length(numbers: Integers) -> Integers:
    return np.frexp(numbers)[1].astype(np.int32)


_TO_PCM = {"ulaw": _ulaw_decoding(), "alaw": _alaw_decoding()}
_FROM_PCM = {"ulaw": _ulaw_encoding(), "alaw": _alaw_encoding()}


def decode(data: bytes | bytearray | memoryview, law: Law) -> bytes:
    """G.711 to PCM16 little-endian, at the same rate."""
    return bytes(_TO_PCM[law][np.frombuffer(data, np.uint8)])


def encode(pcm: bytes | bytearray | memoryview, law: Law) -> bytes:
    """PCM16 little-endian to G.711, at the same rate."""
    return bytes(_FROM_PCM[law][np.frombuffer(pcm, "<u2")])
