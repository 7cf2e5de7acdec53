"""Transcripts: folded from events, shown while they grow, written in four formats."""

from __future__ import annotations

import io
import json

import pytest

from vivavoce.cli import subtitles
from vivavoce.cli.server_events import decode
from vivavoce.cli.transcript_log import Cue, TranscriptLog
from vivavoce.cli.transcript_writer import TranscriptWriter

_HEARD = "conversation.item.input_audio_transcription"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Story:
    """A session, event by event, with a writer that follows it."""

    def __init__(self, written: str = "text", file: io.StringIO | None = None) -> None:
        self.notes = TranscriptLog()
        self.file = file or io.StringIO()
        self.page = TranscriptWriter(self.file, written)

    def tell(self, kind: str, item: str = "item_1", **fields: object) -> None:
        event = decode({"type": kind, "item_id": item} | fields)
        self.notes.take(event, sent_ms=100_000)
        self.page.show(self.notes)

    def begin(self, item: str, at_ms: int) -> None:
        self.tell("input_audio_buffer.speech_started", item, audio_start_ms=at_ms)

    def stop(self, item: str, at_ms: int) -> None:
        self.tell("input_audio_buffer.speech_stopped", item, audio_end_ms=at_ms)
        self.tell("input_audio_buffer.committed", item, previous_item_id=None)

    def delta(self, item: str, text: str) -> None:
        self.tell(f"{_HEARD}.delta", item, delta=text)

    def complete(self, item: str, text: str) -> None:
        self.tell(f"{_HEARD}.completed", item, transcript=text)

    def utter(self, item: str, start_ms: int, end_ms: int, text: str) -> None:
        self.begin(item, start_ms)
        self.stop(item, end_ms)
        self.complete(item, text)

    @property
    def shown(self) -> str:
        return self.file.getvalue()


def test_terminal_shows_words_as_they_arrive() -> None:
    s = Story(file=Terminal())
    s.begin("a", 0)
    s.delta("a", "good")
    assert s.shown == "good"
    s.delta("a", " morning")
    s.stop("a", 1_000)
    s.complete("a", "good morning all")
    assert s.shown == "good morning all\n"


def test_next_utterance_waits_until_the_previous_line_is_complete() -> None:
    s = Story(file=Terminal())
    s.begin("a", 0)
    s.stop("a", 1_000)
    s.begin("b", 1_500)
    s.delta("b", "second")
    assert s.shown == ""
    s.complete("a", "first")
    assert s.shown == "first\nsecond"


def test_a_last_word_that_contradicts_is_written_again() -> None:
    s = Story(file=Terminal())
    s.begin("a", 0)
    s.delta("a", "what tie")
    s.stop("a", 1_000)
    s.complete("a", "what time")
    assert s.shown == "what tie\nwhat time\n"


def test_pipe_gets_complete_lines_only() -> None:
    s = Story()
    s.begin("a", 0)
    s.delta("a", "good")
    assert s.shown == ""
    s.stop("a", 1_000)
    s.complete("a", "good morning")
    assert s.shown == "good morning\n"


def test_incomplete_utterance_is_written_at_the_end() -> None:
    s = Story()
    s.begin("a", 0)
    s.delta("a", "good mor")
    s.page.end(s.notes)
    assert s.shown == "good mor\n"


def test_empty_and_failed_utterances_leave_no_line() -> None:
    s = Story(file=Terminal())
    s.utter("a", 0, 500, "")
    s.begin("b", 600)
    s.stop("b", 900)
    s.tell(f"{_HEARD}.failed", "b", error={"message": "too noisy"})
    s.utter("c", 1_000, 2_000, "hello")
    assert s.shown == "hello\n"
    assert [u.failure for u in s.notes.failures] == ["too noisy"]


def test_subtitles_are_numbered_and_timed() -> None:
    s = Story("srt")
    s.utter("a", 0, 1_500, "one")
    s.utter("b", 61_001, 62_000, "two")
    assert s.shown == (
        "1\n00:00:00,000 --> 00:00:01,500\none\n\n2\n00:01:01,001 --> 00:01:02,000\ntwo\n\n"
    )


def test_webvtt_names_speakers_and_escapes_markup() -> None:
    s = Story("vtt")
    s.begin("a", 1_000)
    s.stop("a", 9_000)
    s.tell(f"{_HEARD}.segment", "a", text="a < b & c", speaker="A", start=0.5, end=2)
    s.tell(f"{_HEARD}.segment", "a", text="no", speaker="<B>", start=2.0, end=3.25)
    s.complete("a", "a < b & c no")
    assert s.shown == (
        "WEBVTT\n\n"
        "00:00:01.500 --> 00:00:03.000\n<v A>a &lt; b &amp; c\n\n"
        "00:00:03.000 --> 00:00:04.250\n<v &lt;B&gt;>no\n\n"
    )


def test_json_has_everything() -> None:
    s = Story("json")
    s.utter("a", 250, 1_500, "città")
    s.begin("b", 2_000)
    s.stop("b", 3_000)
    s.tell(f"{_HEARD}.failed", "b", error={})
    assert s.shown == ""
    assert json.loads(s.page.whole(s.notes, 4_000)) == {
        "text": "città",
        "duration": 4.0,
        "segments": [{"id": 0, "start": 0.25, "end": 1.5, "text": "città"}],
        "failed": [{"start": 2.0, "end": 3.0, "message": "It was not understood."}],
    }


@pytest.mark.parametrize("written", ["text", "srt", "vtt"])
def test_complete_and_incremental_output_are_equal(written: str) -> None:
    s = Story(written)
    s.utter("a", 0, 1_500, "one")
    s.utter("b", 3_600_000, 3_601_000, "two")
    assert s.page.whole(s.notes, 4_000_000) == s.shown
    assert ("01:00:00" in s.shown) == (written != "text")


def test_manual_commit_begins_at_the_end_of_the_previous_utterance() -> None:
    notes = TranscriptLog()
    for sent_ms, item in ((1_000, "a"), (2_500, "b")):
        notes.take(decode({"type": "input_audio_buffer.committed", "item_id": item}), sent_ms)
    assert [(u.start_ms, u.end_ms) for u in notes] == [(0, 1_000), (1_000, 2_500)]
    assert notes.awaited == 2


def test_cleared_audio_makes_no_utterance() -> None:
    s = Story()
    s.begin("a", 0)
    assert s.notes.speaking
    s.tell("input_audio_buffer.cleared")
    assert not s.notes.speaking
    s.complete("a", "ghost")
    assert list(s.notes) == []


def test_a_speaker_is_named_in_lines_too() -> None:
    assert subtitles.write(subtitles.FORMATS["text"], [Cue(0, 1, "yes", "B")]) == "B: yes\n"
