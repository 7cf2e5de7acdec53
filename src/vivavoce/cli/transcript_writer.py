"""Where notes are written: utterance by utterance in their order, or word by word for people."""

from __future__ import annotations

import os
from itertools import islice
from typing import TextIO

from . import subtitles
from .transcript_log import TranscriptLog, Utterance


class TranscriptWriter:
    def __init__(self, file: TextIO | None, written: str) -> None:
        """`file`: where it can be written while it is heard; None: only once it is whole.

        `written`: one of `subtitles.FORMATS`, or `json`, which is always written whole.
        """
        self._file = None if written == "json" else file
        self._format = subtitles.FORMATS.get(written)
        self.live = written == "text" and file is not None and file.isatty()
        self._shown = 0  # utterances
        self._cues = 0
        self._typed = ""  # of the next one
        if self._format:
            self._write(self._format.head)

    def show(self, notes: TranscriptLog) -> None:
        """What is new. An utterance waits until those before it are whole."""
        for utterance in islice(notes, self._shown, None):
            if self.live:
                self._type(utterance.text)
            if not utterance.done:
                return
            self._finish(utterance)

    def end(self, notes: TranscriptLog) -> None:
        """No more comes: what is there is all there is."""
        for utterance in islice(notes, self._shown, None):
            self._finish(utterance)

    def whole(self, notes: TranscriptLog, duration_ms: int) -> str:
        """All of it at once."""
        if self._format is None:
            return subtitles.as_json(notes, duration_ms) + "\n"
        return subtitles.write(self._format, (cue for u in notes for cue in u.cues))

    def _type(self, text: str) -> None:
        if text.startswith(self._typed):
            self._write(text[len(self._typed) :])
        elif text:  # the last word contradicts those before
            self._write(f"\n{text}")
        self._typed = text or self._typed

    def _finish(self, utterance: Utterance) -> None:
        self._shown += 1
        if self.live:
            self._type(utterance.text)
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
        except BrokenPipeError:  # whoever read it has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())
