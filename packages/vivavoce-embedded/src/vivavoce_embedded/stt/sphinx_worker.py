"""Recognise speech: audio in by stdin, words out by stdout. It ends when stdin does.

pocketsphinx never lets go of Python's lock, so each decoder lives in a process of its own. This
one imports nothing but pocketsphinx. A request is a header (kind, number of the utterance, length)
and its payload; an answer is a line of JSON: `[number, kind, text, more]`. The server
drops answers to utterances that are over, so the worker waits for no acknowledgement.

During an utterance, the worker sends the stable words and its guess at all words. The final
text comes with the voice: cepstral means that the decoder has learnt of the talker and their
microphone. The server sends it again with the talker's next utterance. So a decoder carries nothing
from one caller to another.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import IO, TypeAlias

HEADER = struct.Struct(">cII")
LOAD, START, SOUND, END, ABORT = b"L", b"S", b"A", b"E", b"X"
READY, HEARD, FINAL, FAILED = "ready", "heard", "final", "failed"

LOOK_BYTES = 3_200  # 100 ms at 16 kHz: between two looks at the words
DECODERS = 2  # of 85 MB each; the one used least recently makes room

STEADY_LOOKS = 8  # looks in which a stable word was there,
SETTLED_FRAMES = 80  # and frames since its end (10 ms each)

FRAME_BYTES = 320  # 10 ms

Files: TypeAlias = tuple[str | None, str | None]
Words: TypeAlias = Sequence[tuple[str, int]]
"""Each word, and the frame in which it ends."""


class StableWords:
    """Find the words that can no longer change: they did not, and ended some time ago.

    The decoder may in principle still change its mind about any of them, and does so in one of
    70 sentences. Then the final text keeps the reported words and continues from their end.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self._until = 0  # the frame in which the last of them ends
        self._looks: deque[Words] = deque(maxlen=STEADY_LOOKS)

    def look(self, words: Words, now: int) -> bool:
        """Return whether more words are stable than before."""
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


class DecoderLoop:
    """One utterance after the other, each with the decoder of its language model."""

    def __init__(self, answers: IO[str]) -> None:
        self._answers = answers
        self._decoders: OrderedDict[Files, Decoder] = OrderedDict()
        self._decoder: Decoder | None = None  # while an utterance is on
        self._number = 0
        self._heard = 0  # bytes of this utterance
        self._steady = StableWords()
        self._guess = ""

    def do(self, kind: bytes, number: int, payload: bytes) -> None:
        try:
            self._do(kind, number, payload)
        except Exception as error:  # this utterance is lost, but not the process
            self._decoder = None
            self._decoders.clear()
            print(f"{__name__}: {type(error).__name__}", file=sys.stderr)  # no words
            self._answer(number, FAILED)

    def _do(self, kind: bytes, number: int, payload: bytes) -> None:
        if kind == LOAD:
            self._load(json.loads(payload))
            self._answer(number, READY)
        elif kind == START:
            self._start(number, json.loads(payload))
        elif number != self._number or self._decoder is None:
            return  # of an utterance that failed
        elif kind == SOUND:
            self._hear(self._decoder, payload)
        elif kind == END:
            self._end(self._decoder)
        elif kind == ABORT:
            self._abort()

    def _load(self, model: dict[str, str | None]) -> Decoder:
        files = (model["lm"], model["dict"])
        if files not in self._decoders:
            while len(self._decoders) >= DECODERS:
                self._decoders.popitem(last=False)
            self._decoders[files] = Decoder(*files)
        self._decoders.move_to_end(files)
        return self._decoders[files]

    def _start(self, number: int, model: dict[str, str | None]) -> None:
        self._abort()  # a cancelled client could not say so in the middle of a request
        decoder = self._load(model)
        decoder.start_utt(model["voice"])
        self._decoder, self._number = decoder, number
        self._heard = 0
        self._steady, self._guess = StableWords(), ""

    def _hear(self, decoder: Decoder, pcm: bytes) -> None:
        """At once, however short it is: what waits here is work for when speech has ended."""
        while pcm:
            until = LOOK_BYTES - self._heard % LOOK_BYTES
            piece, pcm = pcm[:until], pcm[until:]
            decoder.process(piece)
            self._heard += len(piece)
            if self._heard % LOOK_BYTES == 0:
                self._look(decoder)

    def _look(self, decoder: Decoder) -> None:
        words = decoder.words()
        guess = " ".join(word for word, _ in words)
        if self._steady.look(words, self._heard // FRAME_BYTES) or guess != self._guess:
            self._guess = guess
            self._answer(self._number, HEARD, " ".join(self._steady.told), guess)

    def _end(self, decoder: Decoder) -> None:
        decoder.end_utt()
        self._decoder = None
        text = " ".join(self._steady.final(decoder.words()))
        self._answer(self._number, FINAL, text, decoder.voice() if text else None)

    def _abort(self) -> None:
        if self._decoder:
            self._decoder.end_utt()
            self._decoder = None

    def _answer(self, number: int, kind: str, text: str = "", more: str | None = None) -> None:
        print(json.dumps([number, kind, text, more]), file=self._answers, flush=True)


class Decoder:
    """pocketsphinx, with the options that we measured to be best for this.

    Its later passes (`fwdflat`, `bestpath`) improve nothing here, take time when speech has ended
    and change words that were stable; `maxhmmpf` keeps noise from multiplying the work.
    """

    def __init__(self, lm: str | None, dict: str | None) -> None:
        """Without files: its own general English, of more words and twice the memory."""
        import pocketsphinx

        files = {key: file for key, file in (("lm", lm), ("dict", dict)) if file}
        self._sphinx = pocketsphinx.Decoder(
            loglevel="FATAL", fwdflat=False, bestpath=False, maxhmmpf=5_000, **files
        )
        self._nobody = self.voice()

    def start_utt(self, voice: str | None) -> None:
        self._sphinx.set_cmn(voice or self._nobody)
        self._sphinx.start_utt()

    def process(self, pcm: bytes) -> None:
        if pcm:
            self._sphinx.process_raw(pcm)

    def end_utt(self) -> None:
        self._sphinx.end_utt()

    def voice(self) -> str:
        means: str = self._sphinx.get_cmn(False)
        return means

    def words(self) -> Words:
        """Without pauses, noises and the numbers of pronunciations."""
        return [
            (segment.word.partition("(")[0], segment.end_frame)
            for segment in self._sphinx.seg() or ()
            if segment.word[0] not in "<[+"
        ]


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no reader is left
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # printed text does not end up among the answers
        hearing = DecoderLoop(answers)
        while len(header := sys.stdin.buffer.read(HEADER.size)) == HEADER.size:
            kind, number, length = HEADER.unpack(header)
            hearing.do(kind, number, sys.stdin.buffer.read(length))


if __name__ == "__main__":
    main()
