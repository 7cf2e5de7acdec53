"""Collect the events of a transcription session: utterances with times, text and speakers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .server_events import Delta, NotHeard, Other, Segment, SpeechStarted, SpeechStopped, Transcript


@dataclass(frozen=True, slots=True)
class Cue:
    """A piece of text with its time, counted from the beginning of the audio."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str | None = None


@dataclass(slots=True)
class Utterance:
    """One turn of the input audio buffer, and its transcript."""

    start_ms: int
    end_ms: int | None = None  # None: the speech has not ended
    text: str = ""  # the words received until now
    done: bool = False  # completed or failed
    failure: str | None = None
    voices: list[Cue] = field(
        default_factory=list
    )  # segments with speakers, if the server diarizes

    @property
    def cues(self) -> list[Cue]:
        if self.voices:
            return self.voices
        end_ms = self.start_ms if self.end_ms is None else self.end_ms
        return [Cue(self.start_ms, end_ms, self.text)] if self.text else []


class TranscriptLog:
    """A fold over the session's events. Iterate over it for the utterances."""

    def __init__(self) -> None:
        self._utterances: dict[str, Utterance] = {}

    def __iter__(self) -> Iterator[Utterance]:
        """Iterate in the order of their beginnings."""
        return iter(self._utterances.values())

    @property
    def awaited(self) -> int:
        """The number of utterances that have ended and have no transcript yet."""
        return sum(not (u.done or u.end_ms is None) for u in self._utterances.values())

    @property
    def speaking(self) -> bool:
        return any(u.end_ms is None for u in self._utterances.values())

    @property
    def words(self) -> int:
        return sum(len(u.text.split()) for u in self._utterances.values())

    @property
    def failures(self) -> list[Utterance]:
        return [u for u in self._utterances.values() if u.failure is not None]

    def take(self, event: Other, sent_ms: int) -> None:
        """Add an event. `sent_ms`: the audio sent until now, so no utterance ends later."""
        item_id = str(event.item_id)
        match event:
            case SpeechStarted(audio_start_ms=ms):
                self._utterances[item_id] = Utterance(int(ms))
            case SpeechStopped(audio_end_ms=ms) if item_id in self._utterances:
                self._utterances[item_id].end_ms = min(int(ms), sent_ms)
            case Other(type="input_audio_buffer.committed"):
                utterance = self._utterances.setdefault(item_id, Utterance(self._ended_ms))
                if utterance.end_ms is None:
                    utterance.end_ms = sent_ms
            case Other(type="input_audio_buffer.cleared"):
                self._utterances = {
                    i: u for i, u in self._utterances.items() if u.end_ms is not None
                }
            case _ if item_id in self._utterances:
                _hear(self._utterances[item_id], event)

    @property
    def _ended_ms(self) -> int:
        return max((u.end_ms or 0 for u in self._utterances.values()), default=0)


def _hear(utterance: Utterance, event: Other) -> None:
    match event:
        case Delta(type=kind, delta=words) if kind.startswith("conversation.item."):
            utterance.text += words or ""
        case Segment(start=start, end=end, text=text, speaker=speaker):
            begin = utterance.start_ms
            edges = (begin + round(start * 1000), begin + round(end * 1000))
            utterance.voices.append(Cue(*edges, text, speaker))
        case Transcript(transcript=words):
            utterance.text, utterance.done = words, True
        case NotHeard(error=error):
            reason = error.message if error else None
            utterance.failure, utterance.done = reason or "It was not understood.", True
