"""The words of what the user said: expected, told as they become certain, known at last.

Words are always wanted, because the brain and the store live on them; whether the client is told,
and what besides (how sure each word is, who said what), is the session's choice. Until it is known
what was said, or that nobody could understand it, who thinks in words waits.
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

SOMEBODY = "A"  # says what nobody can tell apart


@dataclass(frozen=True, slots=True)
class TranscriptOptions:
    """What a session asks to be told of the user's words."""

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
        self._expected: dict[str, int] = {}  # committed item → its sound, ms
        self._stable: dict[str, str] = {}  # item → its words that can no longer change
        self._tokens: dict[str, int] = {}  # item → how many tokens those are, if anybody knows
        self._latest: dict[str, str] = {}  # item → those, and a guess at the rest
        self._uncounted: dict[str, int] = {}  # item → its sound, ms, until a response counts it
        self._part: dict[str, int] = {}  # item → which of its parts is the sound, if not the first
        self._given: dict[str, str] = {}  # item that no conversation has → its words

    def __bool__(self) -> bool:
        """Are there words we do not know yet?"""
        return bool(self._expected)

    def latest(self, item_id: str) -> str:
        """The words so far, the uncertain ones too."""
        return self._latest.get(item_id, "")

    def expect(self, item_id: str, ms: int, part: int = 0) -> None:
        """`part`: which of the item's parts is the sound."""
        self._expected[item_id] = self._uncounted[item_id] = ms
        if part:
            self._part[item_id] = part

    def expect_given(self, item_id: str, ms: int) -> None:
        """Of an item that one response is given to read: nobody is told of its words."""
        self.expect(item_id, ms)
        self._given[item_id] = ""

    def with_words(self, item: Item) -> Item:
        """An item that one response was given, with what is known by now of its sound."""
        if not isinstance(item, Message) or not (words := self._given.get(item.id)):
            return item
        heard = unheard(item)
        content = tuple(
            msgspec.structs.replace(part, transcript=words) if index == heard else part
            for index, part in enumerate(item.content)
        )
        return msgspec.structs.replace(item, content=content)

    def forget_given(self, item_id: str) -> bool:
        """The response that was given it is over. Were its words still expected?"""
        return self._given.pop(item_id, None) is not None and self.forget(item_id)

    def count(self, history: Iterable[Item]) -> int:
        """How much sound a response with this history is the first to know of, in ms."""
        return sum(self._uncounted.pop(item.id, 0) for item in history)

    def forget(self, item_id: str) -> bool:
        """Nobody wants its words any more. Were they still expected?"""
        self._uncounted.pop(item_id, None)
        return self._settle(item_id)

    def _settle(self, item_id: str) -> bool:
        self._stable.pop(item_id, None)
        self._tokens.pop(item_id, None)
        self._latest.pop(item_id, None)
        self._part.pop(item_id, None)
        return self._expected.pop(item_id, None) is not None

    def add(self, partial: PartialTranscript, *, current: str | None) -> None:
        """`current`: the item being spoken right now, not yet committed."""
        item_id = partial.item_id
        if (item_id not in self._expected and item_id != current) or item_id in self._given:
            return
        self._latest[item_id] = partial.guess or partial.stable_text
        self._tell(item_id, partial.stable_text, partial.logprobs)

    def finish(self, event: Transcribed | NotTranscribed) -> bool:
        """False if they were not expected: deleted, or thrown away, while being listened to."""
        item_id, ms = event.item_id, self._expected.get(event.item_id)
        if ms is None:
            return False
        if item_id in self._given:
            self._given[item_id] = event.text if isinstance(event, Transcribed) else ""
            return self._settle(item_id)
        outcome: server.TranscriptionCompleted | server.TranscriptionFailed
        if isinstance(event, Transcribed):
            self._tell(item_id, event.text, event.logprobs)
            self._tell_segments(event, ms)
            outcome = server.TranscriptionCompleted(
                item_id=item_id,
                content_index=self._part.get(item_id, 0),
                transcript=event.text,
                usage=server.Duration(seconds=ms / 1000),
                languages=tuple(map(_heard, event.languages)) or UNSET,
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

    def _tell(self, item_id: str, text: str, logprobs: tuple[server.Logprob, ...]) -> None:
        """Deltas only ever append (protocol §4.13): what contradicts them waits for the end."""
        told = self._stable.get(item_id, "")
        if not self.wanted.words or len(text) <= len(told) or not text.startswith(told):
            return
        new = logprobs[self._tokens.get(item_id, 0) :] if self.wanted.logprobs else ()
        self._stable[item_id], self._tokens[item_id] = text, len(logprobs)
        self._effects.send(
            server.TranscriptionDelta(
                item_id=item_id,
                content_index=self._part.get(item_id, 0),
                delta=text[len(told) :],
                logprobs=new or UNSET,
            )
        )

    def _tell_segments(self, event: Transcribed, ms: int) -> None:
        """Whose ears cannot tell voices apart heard one: it said everything."""
        if not self.wanted.segments or not event.text:
            return
        whole = Segment(text=event.text, speaker=SOMEBODY, start_ms=0, end_ms=ms)
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


def _heard(code: str) -> server.DetectedLanguage:
    return server.DetectedLanguage(code=code)


def unheard(item: Message) -> int:
    """Its first part of sound whose words nobody wrote down; the first of all if there is none."""
    parts = enumerate(item.content)
    audio_cache = (i for i, part in parts if part.type == "input_audio" and not part.transcript)
    return next(audio_cache, 0)
