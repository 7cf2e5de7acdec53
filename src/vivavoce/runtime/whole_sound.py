"""Cuts long audio into pieces: minutes of it would block the loop, and fit into no frame."""

from __future__ import annotations

from collections.abc import Iterator

from ..audio import g711
from ..audio.pcm import BYTES_PER_MS, SAMPLE_RATE
from ..audio.resample import Resampler
from ..core.inputs import OutputChunk
from ..core.ledger import Word

PIECE_MS = 500  # of audio; resampling it from G.711 takes about 2 ms
CHUNK_MS = 1000  # of an answer, which runs ahead of its listener by at most one chunk too much


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


def short_chunks(chunk: OutputChunk) -> Iterator[OutputChunk]:
    """Yield a chunk of an answer one second at a time, each with the words that begin in it."""
    if len(chunk.pcm) <= CHUNK_MS * BYTES_PER_MS:
        yield chunk
        return
    words = list(chunk.words)
    if "".join(word.text for word in words) != chunk.text:  # its words have no times
        words = [Word(chunk.text, 0)] if chunk.text else []
    pieces = list(_cut(chunk.pcm, CHUNK_MS * BYTES_PER_MS))
    for number, pcm in enumerate(pieces):
        begun_ms = number * CHUNK_MS
        last = number == len(pieces) - 1
        here = [word for word in words if last or word.at_ms < begun_ms + CHUNK_MS]
        words = [] if last else [word for word in words if word.at_ms >= begun_ms + CHUNK_MS]
        told = tuple(Word(word.text, word.at_ms - begun_ms) for word in here)
        yield OutputChunk(chunk.response_id, "".join(word.text for word in told), pcm, told)


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    """Yield pieces of `size` bytes. Yield empty audio too: it means that the user is silent."""
    if len(data) <= size:
        yield data
        return
    for start in range(0, len(data), size):
        yield data[start : start + size]
