"""Cuts a long recording into pieces, so that minutes of audio do not block the loop."""

from __future__ import annotations

from collections.abc import Iterator

from ..audio import g711
from ..audio.pcm import BYTES_PER_MS, SAMPLE_RATE
from ..audio.resample import Resampler

PIECE_MS = 500  # of audio; resampling it from G.711 takes about 2 ms


def pieces(sound: bytes, law: g711.Law | None) -> Iterator[bytes]:
    """Yield audio as PCM16 at 24 kHz, half a second at a time.

    `law` is set if `sound` is G.711. It is then complete, so the last piece includes the samples
    that the resampler holds back.
    """
    if law is None:
        yield from _cut(sound, PIECE_MS * BYTES_PER_MS)
        return
    upwards = Resampler(g711.RATE, SAMPLE_RATE)
    for piece in _cut(sound, PIECE_MS * g711.RATE // 1000):
        if pcm := upwards.push(g711.decode(piece, law)):
            yield pcm
    if rest := upwards.push(b"", last=True):
        yield rest


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    """Yield pieces of `size` bytes. Yield empty audio too: it means that the user is silent."""
    if len(data) <= size:
        yield data
        return
    for start in range(0, len(data), size):
        yield data[start : start + size]
