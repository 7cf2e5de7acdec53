"""A model scores pauses while the call goes on: in time, late or never, in virtual time."""

from __future__ import annotations

import pytest

from vivavoce.core.turns import WAITS
from vivavoce.protocol import server
from vivavoce.protocol.client import AudioAppend, ClientEvent
from vivavoce.protocol.config import SemanticVad

from ..support.fakes import BROKEN, FRAME_S, LOUD, QUIET, FakeJudge
from ..support.scenario import config
from .test_driver import Call

AUTO = WAITS["auto"]


def spoken(*runs: tuple[bytes, float]) -> list[tuple[float, ClientEvent]]:
    """Return alternating loud and quiet audio in packets of 32 ms. Lengths are in seconds."""
    frames = [pcm for pcm, seconds in runs for _ in range(round(seconds / FRAME_S))]
    return [(FRAME_S * i, AudioAppend(audio=pcm)) for i, pcm in enumerate(frames)]


def said(judge: FakeJudge, *runs: tuple[bytes, float]) -> Call:
    sound = [*runs, (QUIET, 5.0)]
    settings = config(SemanticVad())
    return Call(spoken(*sound), hang_up_at=12.0, settings=settings, judge=judge).live()


def pauses_ms(call: Call, spoken_s: float = 0.96) -> list[float]:
    """Return the time from the first sound of each turn to its end."""
    return [(at - spoken_s) * 1000 for at, _ in call.wire.all(server.SpeechStopped)]


@pytest.mark.parametrize(
    ("judge", "wait_ms"),
    [
        (FakeJudge([0.9]), AUTO.quick),
        (FakeJudge([0.1]), AUTO.doubt),
        (FakeJudge([None]), AUTO.plain),
        (FakeJudge([0.1], broken=BROKEN), AUTO.plain),
        (FakeJudge([0.1], takes_s=0.5), AUTO.plain),
        (FakeJudge([0.9], takes_s=0.3), 6 * 32 + 300),
    ],
    ids=["done", "not done", "no time", "broken", "too late", "just in time"],
)
def test_the_turn_ends_by_the_answer_or_without_it(judge: FakeJudge, wait_ms: int) -> None:
    call = said(judge, (LOUD, 0.96))
    (pause,) = pauses_ms(call)
    assert wait_ms - 32 <= pause <= wait_ms + 32
    assert call.statuses == ["completed"]


def test_the_score_of_a_pause_is_ignored_after_the_user_speaks_on() -> None:
    judge = FakeJudge([0.0, 1.0], takes_s=0.3)
    call = said(judge, (LOUD, 0.96), (QUIET, 0.256), (LOUD, 0.96))
    (pause,) = pauses_ms(call, 0.96 + 0.256 + 0.96)
    assert len(judge.heard_ms) == 2
    assert 6 * 32 + 300 - 32 <= pause <= 6 * 32 + 300 + 32


def test_one_pause_is_judged_at_a_time() -> None:
    judge = FakeJudge([0.0], takes_s=3.0)
    call = said(judge, (LOUD, 0.96), (QUIET, 0.256), (LOUD, 0.96), (QUIET, 0.256), (LOUD, 0.96))
    assert len(judge.heard_ms) == 3
    assert judge.stopped == 2
    assert len(call.wire.all(server.SpeechStopped)) == 1


def test_a_call_that_ends_cancels_the_scoring_of_its_pause() -> None:
    judge = FakeJudge([0.0], takes_s=60.0)
    call = Call(
        spoken((LOUD, 0.96), (QUIET, 0.256)), 1.3, settings=config(SemanticVad()), judge=judge
    )
    call.live()
    assert judge.stopped == 1
