"""Transcripts of the user's items: expected, sent as words become stable, completed.

Every item is transcribed, because the brain and the store need its words. The session decides
whether clients receive them, and whether with log probabilities and speakers. An engine that reads
text waits until each transcript is completed or has failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Never

import msgspec
from msgspec import UNSET

from ..protocol import server
from ..protocol.config import Include, Transcription
from ..protocol.items import Item, Message
from .effect_queue import EffectSink
from .inputs import NotTranscribed, PartialTranscript, Transcribed
from .types import DIARIZES, Segment

ONLY_SPEAKER = "A"  # without diarization


@dataclass(frozen=True, slots=True)
class TranscriptOptions:
    """The events about transcripts that a session requests."""

    words: bool = False
    logprobs: bool = False
    segments: bool = False

    @classmethod
    def by(
        cls, transcription: Transcription | None, include: tuple[Include, ...] | None = None
    ) -> TranscriptOptions:
        if transcription is None:
            return cls()
        segments = (transcription.model or "").endswith(DIARIZES)
        return cls(True, "item.input_audio_transcription.logprobs" in (include or ()), segments)


class TranscriptTracker:
    def __init__(self, out: EffectSink[Never]) -> None:
        self.wanted = TranscriptOptions()
        self._effects = out
        self._expected: dict[str, int] = {}  # committed item → ms of its audio
        self._stable: dict[str, str] = {}  # item → its stable words
        self._tokens: dict[
            str, int
        ] = {}  # item → the number of their tokens, if the recogniser reports it
        self._latest: dict[str, str] = {}  # item → its stable words and a guess at the rest
        self._uncounted: dict[str, int] = {}  # item → ms of its audio that no response has counted
        self._part: dict[str, int] = {}  # item → index of its audio part, if not 0
        self._given: dict[str, str] = {}  # item of a response's own input → its words

    def __bool__(self) -> bool:
        """Return True if a transcript is still to come."""
        return bool(self._expected)

    def latest(self, item_id: str) -> str:
        """Return the latest words, including the uncertain ones."""
        return self._latest.get(item_id, "")

    def expect(self, item_id: str, ms: int, part: int = 0) -> None:
        """Expect the transcript of an item. `part`: the index of its audio part."""
        self._expected[item_id] = self._uncounted[item_id] = ms
        if part:
            self._part[item_id] = part

    def expect_given(self, item_id: str, ms: int) -> None:
        """Expect the transcript of an item in a response's own input, without any events."""
        self.expect(item_id, ms)
        self._given[item_id] = ""

    def with_words(self, item: Item) -> Item:
        """Return an item of a response's own input with its transcript, if that is known."""
        if not isinstance(item, Message) or not (words := self._given.get(item.id)):
            return item
        index_of_audio = untranscribed_part(item)
        content = tuple(
            msgspec.structs.replace(part, transcript=words) if index == index_of_audio else part
            for index, part in enumerate(item.content)
        )
        return msgspec.structs.replace(item, content=content)

    def forget_given(self, item_id: str) -> bool:
        """Forget an item of an ended response. Return True if its transcript was still expected."""
        return self._given.pop(item_id, None) is not None and self.forget(item_id)

    def count(self, history: Iterable[Item]) -> int:
        """Return the ms of audio in this history that no earlier response has counted."""
        return sum(self._uncounted.pop(item.id, 0) for item in history)

    def forget(self, item_id: str) -> bool:
        """Forget an item. Return True if its transcript was still expected."""
        self._uncounted.pop(item_id, None)
        return self._settle(item_id)

    def _settle(self, item_id: str) -> bool:
        self._stable.pop(item_id, None)
        self._tokens.pop(item_id, None)
        self._latest.pop(item_id, None)
        self._part.pop(item_id, None)
        return self._expected.pop(item_id, None) is not None

    def add(self, partial: PartialTranscript, *, current: str | None) -> None:
        """Take a partial transcript. `current`: the item of the turn in progress."""
        item_id = partial.item_id
        if (item_id not in self._expected and item_id != current) or item_id in self._given:
            return
        self._latest[item_id] = partial.guess or partial.stable_text
        self._send_words(item_id, partial.stable_text, partial.logprobs)

    def finish(self, event: Transcribed | NotTranscribed) -> bool:
        """Complete a transcript. Return False if it was not expected: its item was deleted."""
        item_id, ms = event.item_id, self._expected.get(event.item_id)
        if ms is None:
            return False
        if item_id in self._given:
            self._given[item_id] = event.text if isinstance(event, Transcribed) else ""
            return self._settle(item_id)
        outcome: server.TranscriptionCompleted | server.TranscriptionFailed
        if isinstance(event, Transcribed):
            self._send_words(item_id, event.text, event.logprobs)
            self._send_segments(event, ms)
            outcome = server.TranscriptionCompleted(
                item_id=item_id,
                content_index=self._part.get(item_id, 0),
                transcript=event.text,
                usage=server.Duration(seconds=ms / 1000),
                languages=tuple(map(_language, event.languages)) or UNSET,
                logprobs=(self.wanted.logprobs and event.logprobs) or UNSET,
            )
        else:
            failure = server.TranscriptionError(code="transcription_failed", message=event.message)
            index = self._part.get(item_id, 0)
            outcome = server.TranscriptionFailed(
                item_id=item_id, content_index=index, error=failure
            )
        self._settle(item_id)
        (self._effects.send if self.wanted.words else self._effects.record)(outcome)
        return True

    def _send_words(self, item_id: str, text: str, logprobs: tuple[server.Logprob, ...]) -> None:
        """Send the new words as a delta.

        Deltas only append (protocol §4.13). Words that contradict earlier deltas wait for the
        complete transcript.
        """
        sent = self._stable.get(item_id, "")
        if not self.wanted.words or len(text) <= len(sent) or not text.startswith(sent):
            return
        new = logprobs[self._tokens.get(item_id, 0) :] if self.wanted.logprobs else ()
        self._stable[item_id], self._tokens[item_id] = text, len(logprobs)
        self._effects.send(
            server.TranscriptionDelta(
                item_id=item_id,
                content_index=self._part.get(item_id, 0),
                delta=text[len(sent) :],
                logprobs=new or UNSET,
            )
        )

    def _send_segments(self, event: Transcribed, ms: int) -> None:
        """Send segments. Without diarization, send one segment with one speaker."""
        if not self.wanted.segments or not event.text:
            return
        whole = Segment(text=event.text, speaker=ONLY_SPEAKER, start_ms=0, end_ms=ms)
        for segment in event.segments or (whole,):
            self._effects.send(
                server.TranscriptionSegment(
                    item_id=event.item_id,
                    content_index=self._part.get(event.item_id, 0),
                    id=self._effects.new_id("seg"),
                    text=segment.text,
                    speaker=segment.speaker,
                    start=segment.start_ms / 1000,
                    end=segment.end_ms / 1000,
                )
            )


def _language(code: str) -> server.DetectedLanguage:
    return server.DetectedLanguage(code=code)


def untranscribed_part(item: Message) -> int:
    """Return the index of the first audio part without a transcript. 0: no part is one."""
    parts = enumerate(item.content)
    indices = (i for i, part in parts if part.type == "input_audio" and not part.transcript)
    return next(indices, 0)
