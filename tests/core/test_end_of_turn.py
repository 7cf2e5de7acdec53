"""A model of pauses: when it is asked, what it hears, and which verdicts are ignored."""

from __future__ import annotations

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.core.effects import ScoreEndOfTurn
from vivavoce.core.input_audio import SCORED_AFTER_MS, SCORED_MS
from vivavoce.core.inputs import EndOfTurnScored, PartialTranscript
from vivavoce.core.turns import WAITS
from vivavoce.protocol import client
from vivavoce.protocol.config import SemanticVad, ServerVad, TurnDetection

from ..support.scenario import Scenario, config, update

STOPPED = "input_audio_buffer.speech_stopped"
AUTO = WAITS["auto"]


def listened_to(vad: TurnDetection | None = None, *, judged: bool = True) -> Scenario:
    return Scenario(config(vad or SemanticVad()), scores_end_of_turn=judged)


def asked(s: Scenario) -> list[ScoreEndOfTurn]:
    return [effect for effect in s.log if isinstance(effect, ScoreEndOfTurn)]


def answer(s: Scenario, over: float) -> None:
    question = asked(s)[-1]
    s.tell(EndOfTurnScored(question.item_id, question.pause, over))


def test_each_pause_is_asked_about_once_and_only_when_it_is_one() -> None:
    s = listened_to()
    s.hear(speech_ms=640, silence_ms=SCORED_AFTER_MS - 32)
    assert asked(s) == []
    s.hear(speech_ms=320, silence_ms=SCORED_AFTER_MS)
    assert len(asked(s)) == 1
    s.hear(silence_ms=192)
    assert len(asked(s)) == 1
    s.hear(speech_ms=320, silence_ms=SCORED_AFTER_MS)
    first, second = asked(s)
    assert (first.item_id, second.item_id) == ("item_1", "item_1")
    assert first.pause != second.pause
    s.check()


def test_it_hears_the_turn_from_just_before_its_beginning() -> None:
    s = listened_to()
    s.hear(silence_ms=960, speech_ms=0)
    s.hear(speech_ms=640, silence_ms=SCORED_AFTER_MS)
    (question,) = asked(s)
    assert audio.duration_ms(question.sound) == 300 + 640 + SCORED_AFTER_MS


def test_of_a_long_turn_it_hears_the_last_seconds() -> None:
    s = listened_to()
    s.hear(speech_ms=12_000, silence_ms=SCORED_AFTER_MS)
    (question,) = asked(s)
    assert audio.duration_ms(question.sound) == SCORED_MS
    answer(s, 1.0)
    s.hear(silence_ms=AUTO.quick)
    s.hear(speech_ms=640, silence_ms=SCORED_AFTER_MS)
    assert audio.duration_ms(asked(s)[-1].sound) < 1_500, "nothing of the turn before"


@pytest.mark.parametrize(
    ("over", "wait_ms"), [(0.9, AUTO.quick), (None, AUTO.plain), (0.1, AUTO.doubt)]
)
def test_its_answer_makes_the_turn_end_sooner_or_later(over: float | None, wait_ms: int) -> None:
    s = listened_to()
    s.hear(speech_ms=640, silence_ms=SCORED_AFTER_MS)
    if over is not None:
        answer(s, over)
    s.hear(silence_ms=wait_ms - SCORED_AFTER_MS - 32)
    assert STOPPED not in s.story
    s.hear(silence_ms=32)
    assert STOPPED in s.story
    s.check()


def test_a_late_score_is_ignored() -> None:
    s = listened_to()
    s.hear(speech_ms=640, silence_ms=SCORED_AFTER_MS)
    s.hear(speech_ms=320, silence_ms=64)
    answer(s, 0.0)  # about the pause before
    s.hear(silence_ms=AUTO.plain - 64)
    assert s.story.count(STOPPED) == 1
    s.forget()
    s.tell(EndOfTurnScored("item_1", 2, 0.0), EndOfTurnScored("item_9", 1, 1.0))
    assert s.log == []
    s.hear(speech_ms=320, silence_ms=AUTO.plain)
    assert s.story.count(STOPPED) == 1


def test_a_score_after_a_clear_or_a_commit_is_ignored() -> None:
    for end in (client.AudioClear(), client.AudioCommit()):
        s = listened_to()
        s.hear(speech_ms=640, silence_ms=SCORED_AFTER_MS)
        s.tell(end)
        answer(s, 0.0)
        s.hear(speech_ms=640, silence_ms=AUTO.plain)
        assert STOPPED in s.story
        s.check()


def test_words_still_count_beside_it() -> None:
    s = Scenario(config(SemanticVad()), scores_end_of_turn=True, language="en")
    s.hear(speech_ms=640)
    s.tell(PartialTranscript("item_1", "", "i would like to"))
    s.hear(silence_ms=SCORED_AFTER_MS)
    answer(s, 0.1)
    s.hear(silence_ms=AUTO.patience - SCORED_AFTER_MS - 32)
    assert STOPPED not in s.story
    s.tell(PartialTranscript("item_1", "", "i would like two tickets please"))
    s.hear(silence_ms=32)
    assert STOPPED in s.story


@pytest.mark.parametrize("vad", [ServerVad(silence_duration_ms=992), None])
def test_no_score_is_requested_under_server_vad_or_push_to_talk(vad: TurnDetection | None) -> None:
    s = Scenario(config(vad), scores_end_of_turn=True)
    s.hear(speech_ms=640, silence_ms=960)
    assert asked(s) == []


def test_no_score_is_requested_without_a_model() -> None:
    s = listened_to(judged=False)
    s.hear(speech_ms=640, silence_ms=AUTO.plain)
    assert asked(s) == []
    assert STOPPED in s.story


def test_it_may_be_switched_on_in_the_middle_of_a_sentence() -> None:
    s = listened_to(ServerVad(prefix_padding_ms=0))
    s.hear(speech_ms=640)
    s.tell(update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}}))
    s.hear(speech_ms=320, silence_ms=SCORED_AFTER_MS)
    (question,) = asked(s)
    assert audio.duration_ms(question.sound) == 320 + SCORED_AFTER_MS
