"""Cut audio with word times into `AudioChunk`s: every character of the text once, at its time.

A mark says which character begins to sound when. The text between two marks belongs to the first
of them: synthesisers give no time of their own for "the" in "on the ground".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ...audio.pcm import BYTES_PER_MS
from ...core.ledger import Word
from ..base import AudioChunk

FIRST_MS = 40  # soon
PIECE_MS = 100  # seldom

Mark = tuple[int, int]
"""Character of the text, millisecond of its sound."""

_BREAKS = re.compile(r".*(?:[,;:.!?…)]\s+|[。！？][’”」』）]*\s*)|.*[，、；：]\s*|.*\s|", re.DOTALL)
_WORD = re.compile(r"\S+\s*")


class SpeechChunker:
    """Takes the sound of one text and its marks as they come; gives what is ready to be played.

    Marks that are given at the beginning are all there will be.
    """

    def __init__(self, text: str, marks: Iterable[Mark] = ()) -> None:
        self._text = text
        self._given = 0  # characters
        self._at = 0  # bytes of sound
        self._sound = bytearray()
        self._marks: list[Mark] = []
        self._mark(marks)
        self._known = bool(self._marks)

    def push(self, pcm: bytes, marks: Iterable[Mark] = ()) -> list[AudioChunk]:
        """Add audio, and return the pieces that are complete.

        The end of a word is known when the next one begins, so its piece waits for that.
        """
        self._sound += pcm
        self._mark(marks)
        pieces = []
        while (size := self._size()) and (self._known or self._is_past(size)):
            pieces.append(self._cut(size))
        return pieces

    def finish(self, pcm: bytes = b"") -> list[AudioChunk]:
        pieces = self.push(pcm)
        if not self._marks and self._given < len(self._text):
            self._marks = [(self._given, self._ms(0))]
        while size := self._size():
            pieces.append(self._cut(size))
        if self._sound or self._given < len(self._text):
            words = self._words(None)
            pieces.append(AudioChunk(pcm=bytes(self._sound), words=words))
        return pieces

    def _mark(self, marks: Iterable[Mark]) -> None:
        for position, ms in marks:
            last = self._marks[-1] if self._marks else (self._given - 1, 0)
            if last[0] < position < len(self._text):
                # The text before the first word begins together with it.
                first = not self._marks and not self._given
                self._marks.append((0 if first else position, max(ms, last[1])))

    def _is_past(self, size: int) -> bool:
        """Return whether a word began after this piece."""
        return bool(self._marks) and self._marks[-1][1] >= self._ms(size)

    def _size(self) -> int:
        """Return how many bytes the next piece takes, or 0 while there are too few."""
        size = (PIECE_MS if self._at else FIRST_MS) * BYTES_PER_MS
        return size if len(self._sound) >= size else 0

    def _ms(self, more: int) -> int:
        return (self._at + more) // BYTES_PER_MS

    def _cut(self, size: int) -> AudioChunk:
        words = self._words(self._ms(size))
        pcm = bytes(self._sound[:size])
        del self._sound[:size]
        self._at += size
        return AudioChunk(pcm=pcm, words=words)

    def _words(self, before_ms: int | None) -> tuple[Word, ...]:
        """Return the words that begin before then. None: all words that are left."""
        start = self._ms(0)
        ends = [position for position, _ in self._marks[1:]] + [len(self._text)]
        words = []
        for (position, ms), end in zip(self._marks, ends, strict=False):
            if before_ms is not None and ms >= before_ms:
                break
            words.append(Word(self._text[position:end], max(ms - start, 0)))
            self._given = end
        del self._marks[: len(words)]
        return tuple(words)


def spread(text: str, ms: float) -> list[Mark]:
    """Return marks that spread a text evenly over a duration."""
    each = ms / max(len(text), 1)
    return [(match.start(), int(match.start() * each)) for match in _WORD.finditer(text)]


def portions(text: str, longest: int = 300) -> Iterator[str]:
    """Cut the text into portions for one request each, where a speaker would draw breath.

    Each is cut when it is asked for: a text may have megabytes.
    """
    start = 0
    while len(text) - start > longest:
        window = text[start : start + longest]
        match = _BREAKS.match(window)
        piece = window[: (match.end() if match else 0) or longest]
        yield piece
        start += len(piece)
    if start < len(text):
        yield text[start:]
