"""A process that hears: sound in by stdin, words out by stdout. It ends when stdin does.

pocketsphinx never lets go of Python's lock, so each decoder lives in a process of its own. This
one imports nothing but pocketsphinx. A request is a header (kind, number of the utterance, length)
and its payload; an answer is a line of JSON: `[number, kind, text]`. Whoever reads them drops the
answers to utterances that are over, so nothing here waits for an acknowledgement.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import IO, Any

HEADER = struct.Struct(">cII")
LOAD, START, SOUND, END, ABORT = b"L", b"S", b"A", b"E", b"X"
READY, STABLE, FINAL, FAILED = "ready", "stable", "final", "failed"

PIECE_BYTES = 3_200  # 100 ms at 16 kHz: how often the words so far are looked at
DECODERS = 2  # of 85 MB each; the one used least recently makes room

STEADY_LOOKS = 5  # a word is stable when it was there in so many looks,
SETTLED_FRAMES = 60  # and when it was over for so long (10 ms each)

Words = Sequence[tuple[str, int]]
"""Each word, and the frame in which it ends."""


class Steady:
    """Which words can no longer change? Those that did not, and that are long enough ago.

    The decoder may in principle still change its mind about any of them. Then the final text
    keeps what has been told and goes on from where that ends: what is told is not taken back.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self._until = 0  # the frame in which the last of them ends
        self._looks: deque[Words] = deque(maxlen=STEADY_LOOKS)

    def look(self, words: Words, now: int) -> bool:
        """Are there more of them than before?"""
        self._looks.append(words)
        if len(self._looks) < STEADY_LOOKS:
            return False
        steady = 0
        for at_that_place in zip(*self._looks, strict=False):
            word, end = at_that_place[-1]
            if end + SETTLED_FRAMES > now or any(other != word for other, _ in at_that_place):
                break
            steady += 1
        sure = words[:steady]
        if steady <= len(self.told) or [word for word, _ in sure[: len(self.told)]] != self.told:
            return False
        self.told = [word for word, _ in sure]
        self._until = sure[-1][1]
        return True

    def final(self, words: Words) -> list[str]:
        spoken = [word for word, _ in words]
        if spoken[: len(self.told)] == self.told:
            return spoken
        return self.told + [word for word, end in words if end > self._until]


class Hearing:
    """One utterance after the other, each with the decoder of its language model."""

    def __init__(self, answers: IO[str]) -> None:
        self._answers = answers
        self._decoders: OrderedDict[bytes, Any] = OrderedDict()
        self._decoder: Any = None  # while an utterance is on
        self._number = 0
        self._pending = b""
        self._frames = 0
        self._steady = Steady()

    def do(self, kind: bytes, number: int, payload: bytes) -> None:
        try:
            self._do(kind, number, payload)
        except Exception as error:  # this utterance is lost, but not the process
            self._decoder = None
            self._decoders.clear()
            self._answer(number, FAILED, f"{type(error).__name__}: {error}")

    def _do(self, kind: bytes, number: int, payload: bytes) -> None:
        if kind == LOAD:
            self._load(payload)
            self._answer(number, READY)
        elif kind == START:
            self._abort()
            decoder = self._load(payload)
            decoder.start_utt()
            self._decoder, self._number = decoder, number
            self._pending, self._frames, self._steady = b"", 0, Steady()
        elif number != self._number or self._decoder is None:
            return  # of an utterance that failed
        elif kind == SOUND:
            self._hear(payload)
        elif kind == END:
            self._end()
        elif kind == ABORT:
            self._abort()

    def _load(self, model: bytes) -> Any:
        if model in self._decoders:
            self._decoders.move_to_end(model)
        else:
            while len(self._decoders) >= DECODERS:
                self._decoders.popitem(last=False)
            self._decoders[model] = new_decoder(**json.loads(model))
        return self._decoders[model]

    def _hear(self, pcm: bytes) -> None:
        self._pending += pcm
        while len(self._pending) >= PIECE_BYTES:
            piece, self._pending = self._pending[:PIECE_BYTES], self._pending[PIECE_BYTES:]
            self._decoder.process_raw(piece)
            self._frames += PIECE_BYTES // 320
            if self._steady.look(words(self._decoder.seg()), self._frames):
                self._answer(self._number, STABLE, " ".join(self._steady.told))

    def _end(self) -> None:
        if self._pending:
            self._decoder.process_raw(self._pending)
        self._decoder.end_utt()
        text = " ".join(self._steady.final(words(self._decoder.seg())))
        self._decoder = None
        self._answer(self._number, FINAL, text)

    def _abort(self) -> None:
        if self._decoder is not None:
            self._decoder.end_utt()
            self._decoder = None

    def _answer(self, number: int, kind: str, text: str = "") -> None:
        print(json.dumps([number, kind, text]), file=self._answers, flush=True)


def new_decoder(lm: str | None = None, dict: str | None = None) -> Any:
    """Without files, pocketsphinx's own general English: more words, twice the memory.

    The second pass (`fwdflat`) improves nothing here and would cost its time at the end of speech;
    `maxhmmpf` keeps noise from multiplying the work.
    """
    from pocketsphinx import Decoder

    files = {key: file for key, file in (("lm", lm), ("dict", dict)) if file}
    return Decoder(loglevel="FATAL", fwdflat=False, maxhmmpf=5_000, **files)


def words(segments: Iterable[Any] | None) -> Words:
    """The words of a hypothesis, without pauses, noises and numbers of pronunciations."""
    return [
        (segment.word.partition("(")[0], segment.end_frame)
        for segment in segments or ()
        if segment.word[0] not in "<[+"
    ]


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # whatever else is printed does not end up among the answers
        hearing = Hearing(answers)
        while len(header := sys.stdin.buffer.read(HEADER.size)) == HEADER.size:
            kind, number, length = HEADER.unpack(header)
            hearing.do(kind, number, sys.stdin.buffer.read(length))


if __name__ == "__main__":
    main()
