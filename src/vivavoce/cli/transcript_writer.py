"""Write a transcript: utterance by utterance in order, or word by word on a terminal."""

from __future__ import annotations

import os
from itertools import islice
from typing import TextIO

from . import subtitles
from .printable import printable
from .transcript_log import TranscriptLog, Utterance


class TranscriptWriter:
    """Write utterances when they are complete, and those before them too."""

    def __init__(self, file: TextIO | None, written: str) -> None:
        """`file`: written to while the session is running; None: the caller uses `whole`.

        `written`: one of `subtitles.FORMATS`, or `json`, which is only written as a whole.
        """
        self._file = None if written == "json" else file
        self._format = subtitles.FORMATS.get(written)
        self.live = written == "text" and file is not None and file.isatty()
        self._shown = 0  # utterances written
        self._cues = 0
        self._typed = ""  # text of the next utterance on the terminal
        if self._format:
            self._write(self._format.head)

    def show(self, transcript: TranscriptLog) -> None:
        """Write new text. A complete utterance waits until those before it are complete."""
        for utterance in islice(transcript, self._shown, None):
            if self.live:
                self._type(printable(utterance.text))
            if not utterance.done:
                return
            self._finish(utterance)

    def end(self, transcript: TranscriptLog) -> None:
        """Write the utterances that are left, complete or not."""
        for utterance in islice(transcript, self._shown, None):
            self._finish(utterance)

    def whole(self, transcript: TranscriptLog, duration_ms: int) -> str:
        """Return the whole transcript."""
        if self._format is None:
            return subtitles.as_json(transcript, duration_ms)
        return subtitles.write(self._format, (cue for u in transcript for cue in u.cues))

    def _type(self, text: str) -> None:
        if text.startswith(self._typed):
            self._write(text[len(self._typed) :])
        elif text:  # the final transcript differs from the words on the terminal
            self._write(f"\n{text}")
        self._typed = text or self._typed

    def _finish(self, utterance: Utterance) -> None:
        self._shown += 1
        if self.live:
            self._type(printable(utterance.text))
            self._write("\n" if self._typed else "")
            self._typed = ""
            return
        for cue in utterance.cues:
            self._cues += 1
            assert self._format is not None or self._file is None
            if self._format is not None:
                self._write(self._format.cue(self._cues, cue))

    def _write(self, text: str) -> None:
        if self._file is None or not text:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())
