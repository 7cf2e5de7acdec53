"""The telephone's codec, ITU-T G.711: one byte per sample, mu-law or A-law, by table lookup.

It says nothing about rates: on a telephone line the samples are 8 kHz, and who has another rate
resamples before encoding and after decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Law = Literal["ulaw", "alaw"]

_BIAS = 33  # mu-law, on 14-bit samples


def decode(data: bytes | bytearray | memoryview, law: Law) -> bytes:
    """G.711 bytes to PCM16 little-endian, at the same rate."""
    samples: npt.NDArray[np.int16] = _decoder(law)[np.frombuffer(data, dtype=np.uint8)]
    return samples.tobytes()


def encode(pcm: bytes | bytearray | memoryview, law: Law) -> bytes:
    """PCM16 little-endian to G.711 bytes, at the same rate."""
    codes: npt.NDArray[np.uint8] = _encoder(law)[np.frombuffer(pcm, dtype="<u2")]
    return codes.tobytes()


@cache
def _decoder(law: Law) -> npt.NDArray[np.int16]:
    codes = np.arange(256)
    return (_expand_ulaw if law == "ulaw" else _expand_alaw)(codes).astype("<i2")


@cache
def _encoder(law: Law) -> npt.NDArray[np.uint8]:
    """The code of every sample, indexed by its 16 bits read as an unsigned number."""
    samples = np.arange(65_536).astype(np.uint16).view(np.int16).astype(np.int32)
    compress: Callable[[npt.NDArray[np.int32]], npt.NDArray[np.int32]]
    compress = _compress_ulaw if law == "ulaw" else _compress_alaw
    return compress(samples).astype(np.uint8)


def _expand_ulaw(codes: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    inverted = codes ^ 0xFF
    segment, step = inverted >> 4 & 7, inverted & 15
    magnitude = ((2 * step + _BIAS << segment) - _BIAS) << 2
    return np.where(inverted & 0x80, -magnitude, magnitude)


def _expand_alaw(codes: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    toggled = codes ^ 0x55
    segment, step = toggled >> 4 & 7, toggled & 15
    linear, curved = 2 * step + 1, 2 * step + 33 << np.maximum(segment - 1, 0)
    magnitude = np.where(segment > 0, curved, linear) << 3
    return np.where(toggled & 0x80, magnitude, -magnitude)


def _compress_ulaw(samples: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    value = samples >> 2
    magnitude: npt.NDArray[np.int32] = np.minimum(np.abs(value), 8191 - _BIAS) + _BIAS
    segment = _highest_bit(magnitude) - 5
    code = segment << 4 | magnitude >> segment + 1 & 15
    return np.where(value < 0, code ^ 0x7F, code ^ 0xFF)


def _compress_alaw(samples: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    value = samples >> 3
    magnitude = np.where(value < 0, -value - 1, value)
    segment = np.maximum(_highest_bit(np.maximum(magnitude, 1)) - 4, 0)
    code = segment << 4 | magnitude >> np.maximum(segment, 1) & 15
    return np.where(value < 0, code ^ 0x55, code ^ 0xD5)


def _highest_bit(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    bits: npt.NDArray[np.int32] = np.log2(values).astype(np.int32)
    return bits
