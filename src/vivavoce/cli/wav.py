"""Read WAV from a file or a pipe, in order and without seeking.

A recorder that was killed leaves a data size of 0, and one that writes into a pipe cannot know it.
Then the audio extends to the end. `soundfile` cannot read a pipe, and it believes the size. So this
module reads the header, and the encodings that need only a table or a scale.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..audio import g711
from ..audio.mono import Frames
from .common import warn

BLOCK_MS = 100
SKIPPED = 64 * 1024  # bytes of a chunk that is skipped, at a time
LEAST_HZ, MOST_HZ = 4_000, 768_000
MOST_CHANNELS = 32
OPEN_END = 0x7FFF_0000  # recorders write a size near 2 or 4 GiB into a pipe

Read = Callable[[int], bytes]  # waits for all of these bytes, and returns fewer only at the end

PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # of a subformat, behind its number
_BEHIND_AUDIO = (b"LIST", b"id3 ", b"ID3 ", b"cue ", b"JUNK", b"bext", b"PAD ", b"fact")


class UnsupportedAudioError(Exception):
    """The input is not audio that this program reads. The message says why."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """The `fmt ` chunk."""

    encoding: int
    channels: int
    rate: int
    width: int  # bytes of one sample

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.width

    @property
    def supported(self) -> bool:
        return (self.encoding, self.width) in _DECODERS


@dataclass(frozen=True, slots=True)
class WavHeader:
    """Describe the audio that follows the header."""

    format: WavFormat
    data_bytes: int | None  # None: to the end of the file


def read_header(read: Read) -> WavHeader:
    """Read until the audio begins. Raises `UnsupportedAudioError`."""
    head = _exactly(read, 12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise UnsupportedAudioError("this is a RIFF file and no WAV file")
    format: WavFormat | None = None
    long_bytes: int | None = None
    while True:
        name, size = struct.unpack("<4sI", _exactly(read, 8))
        if name == b"data":
            if format is None:
                raise UnsupportedAudioError("this WAV file has no format before its audio")
            if size == 0xFFFF_FFFF and long_bytes is not None:
                size = long_bytes
            return WavHeader(format, None if size in (0, 0xFFFF_FFFF) else size)
        if name == b"fmt ":
            format = _format(_exactly(read, min(size, 40)))
            _skip(read, size - min(size, 40) + size % 2)
        elif name == b"ds64" and size >= 16:
            long_bytes = struct.unpack("<8xQ", _exactly(read, 16))[0]
            _skip(read, size - 16 + size % 2)
        else:
            _skip(read, size + size % 2)


def check(rate: int, channels: int) -> None:
    """Raise `UnsupportedAudioError` for numbers that no recorder writes."""
    if not LEAST_HZ <= rate <= MOST_HZ:
        raise UnsupportedAudioError(
            f"its header names {rate} samples per second; {LEAST_HZ} to {MOST_HZ} are supported"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise UnsupportedAudioError(
            f"its header names {channels} channels; 1 to {MOST_CHANNELS} are supported"
        )


def frames(read: Read, header: WavHeader) -> Iterator[Frames]:
    """Yield the audio behind a header in blocks of 100 ms. Warn if some of it is missing."""
    format = header.format
    decode = _DECODERS[format.encoding, format.width]
    block = format.rate * BLOCK_MS // 1000 * format.frame_bytes
    left = header.data_bytes
    taken = 0
    while (wanted := block if left is None else min(block, left)) and (data := read(wanted)):
        if header.data_bytes is None and not taken and data.startswith(_BEHIND_AUDIO):
            break
        taken += len(data)
        left = None if left is None else left - len(data)
        whole = len(data) - len(data) % format.frame_bytes
        if whole:
            yield decode(data[:whole]).reshape(-1, format.channels)
    if taken < format.frame_bytes:
        raise UnsupportedAudioError("this WAV file has a header and no audio")
    if left and (header.data_bytes or 0) < OPEN_END:
        warn_of_missing(
            taken / format.frame_bytes, (taken + left) / format.frame_bytes, format.rate
        )


def warn_of_missing(had: float, promised: float, rate: int) -> None:
    """Warn that a recording is shorter than its header says."""
    warn(f"this recording has {had / rate:.1f} s of audio, and its header promises "
         f"{promised / rate:.1f} s. The rest is missing.")  # fmt: skip


def _format(chunk: bytes) -> WavFormat:
    if len(chunk) < 16:
        raise UnsupportedAudioError("the format in this WAV file's header is too short")
    encoding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if encoding == EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _GUID:
        (encoding,) = struct.unpack_from("<H", chunk, 24)
    check(rate, channels)
    return WavFormat(encoding, channels, rate, (bits + 7) // 8)


def _exactly(read: Read, size: int) -> bytes:
    data = read(size)
    if len(data) < size:
        raise UnsupportedAudioError("this WAV file ends within its header")
    return data


def _skip(read: Read, size: int) -> None:
    while size > 0:
        size -= len(_exactly(read, min(size, SKIPPED)))


Decoder = Callable[[bytes], np.ndarray[tuple[int], np.dtype[np.float32]]]


def _scaled(type: str, full: float, zero: float = 0.0) -> Decoder:
    def decode(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        with np.errstate(over="ignore", invalid="ignore"):  # floats of any content
            wide = np.frombuffer(data, type).astype(np.float64)
            return ((wide - zero) / full).astype(np.float32)

    return decode


def _of_24_bits(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)


def _of_g711(law: g711.Law) -> Decoder:
    pcm = _scaled("<i2", 2.0**15)
    return lambda data: pcm(g711.decode(data, law))


_DECODERS: dict[tuple[int, int], Decoder] = {
    (PCM, 1): _scaled("u1", 2.0**7, 2.0**7),
    (PCM, 2): _scaled("<i2", 2.0**15),
    (PCM, 3): _of_24_bits,
    (PCM, 4): _scaled("<i4", 2.0**31),
    (FLOAT, 4): _scaled("<f4", 1.0),
    (FLOAT, 8): _scaled("<f8", 1.0),
    (ALAW, 1): _of_g711("alaw"),
    (ULAW, 1): _of_g711("ulaw"),
}
