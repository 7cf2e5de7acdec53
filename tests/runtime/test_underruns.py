"""Playback underruns: audio that arrives before the buffer is empty is on time."""

from __future__ import annotations

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.protocol import server
from vivavoce.runtime.underruns import UnderrunMeter


def delta(ms: int, response_id: str = "resp_1") -> server.AudioDelta:
    return server.AudioDelta(response_id=response_id, item_id="item_1", delta=audio.silence(ms))


def test_sound_made_ahead_is_in_time_however_late_it_is_made() -> None:
    listener = UnderrunMeter()
    listener.add(delta(4000), 0.0)
    assert listener.add(delta(100), 3.9)[0] == 0.0


def test_a_listener_with_nothing_left_waits() -> None:
    listener = UnderrunMeter()
    listener.add(delta(100), 1.0)
    assert listener.add(delta(100), 1.3)[0] == pytest.approx(0.2)


def test_after_a_silence_the_buffer_begins_again() -> None:
    listener = UnderrunMeter()
    listener.add(delta(100), 0.0)
    listener.add(delta(100), 5.0)
    assert listener.add(delta(100), 5.1)[0] == pytest.approx(0.0)
    assert listener.add(delta(100), 5.3)[0] == pytest.approx(0.1)


def test_the_first_audio_of_an_answer_is_timed_and_not_late() -> None:
    listener = UnderrunMeter()
    listener.stopped(1.0)
    assert listener.add(delta(100), 1.25) == (0.0, 0.25)
    assert listener.add(delta(100), 1.3)[1] is None


def test_an_answer_without_speech_before_it_has_no_first_audio_time() -> None:
    listener = UnderrunMeter()
    assert listener.add(delta(100), 1.0) == (0.0, None)


def test_speech_over_an_answer_is_answered_by_the_next() -> None:
    listener = UnderrunMeter()
    listener.add(delta(100), 0.0)
    listener.stopped(0.05)
    assert listener.add(delta(100), 0.1)[1] is None, "it was not asked for"
    assert listener.add(delta(100, "resp_2"), 0.25)[1] == pytest.approx(0.2)
