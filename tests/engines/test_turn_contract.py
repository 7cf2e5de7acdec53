"""Run the contract suite of end-of-turn models, and the tests of smart-turn."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from vivavoce.engines.base import EndOfTurnModel
from vivavoce.engines.turn.mel import log_mel
from vivavoce.engines.turn.smart_turn import WAITING, SmartTurn
from vivavoce.errors import EngineError

from ..support.fakes import FakeJudge
from ..support.onnx import mean_model
from ..support.real_time import live
from ..support.sounds import noise, spoken

FETCHED = Path(__file__).parents[2] / ".setup" / "smart-turn" / "smart-turn-v3.2-cpu.onnx"
REAL = Path(os.environ.get("VIVAVOCE_SPEECH__SMART_TURN_MODEL", FETCHED))

QUESTION = spoken("keynote_rms") + noise(200, -60)
CUT = QUESTION[: len(spoken("keynote_rms")) // 10 * 3 & ~1] + noise(200, -60)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmartTurn]:
    """Make a network of the right shape that knows nothing."""
    path = tmp_path / "small.onnx"
    path.write_bytes(mean_model(80, 800))
    with SmartTurn(path) as judge:
        yield judge


@pytest.fixture(
    params=["fake", "smart_turn", pytest.param("smart_turn, its own model", marks=pytest.mark.long)]
)
def judge(request: pytest.FixtureRequest) -> Iterator[EndOfTurnModel]:
    if request.param == "fake":
        yield FakeJudge([0.3])
    elif request.param == "smart_turn":
        yield request.getfixturevalue("small")
    else:
        with SmartTurn(REAL) as judge:
            yield judge


@pytest.mark.parametrize("ms", [0, 10, 1_500, 8_000, 20_000])
def test_any_sound_has_a_probability(judge: EndOfTurnModel, ms: int) -> None:
    sound = (QUESTION * 10)[: ms * 48]
    assert 0 <= (live(judge.over(sound)) or 0) <= 1


def test_the_same_sound_is_judged_the_same(judge: EndOfTurnModel) -> None:
    async def twice() -> list[float | None]:
        return [await judge.over(QUESTION) for _ in range(2)]

    first, second = live(twice())
    assert first == second is not None


def test_the_loop_goes_on_meanwhile(judge: EndOfTurnModel) -> None:
    async def story() -> int:
        judging = asyncio.ensure_future(judge.over(QUESTION))
        turns = 0
        while not judging.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert live(story()) > 5


def test_a_cancelled_request_leaves_nothing_running(judge: EndOfTurnModel) -> None:
    async def story() -> float | None:
        for _ in range(3 * WAITING):
            task = asyncio.ensure_future(judge.over(QUESTION))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for _ in range(200):  # those that were being judged are, to their end
            if (over := await judge.over(QUESTION)) is not None:
                return over
            await asyncio.sleep(0.02)
        return None

    assert live(story()) is not None


# smart-turn


def test_pauses_beyond_the_limit_are_not_judged_at_all(small: SmartTurn) -> None:
    async def story() -> list[float | None]:
        return await asyncio.gather(*(small.over(QUESTION) for _ in range(5 * WAITING)))

    answers = live(story())
    assert answers.count(None) == 4 * WAITING


def test_only_the_last_eight_seconds_are_heard(small: SmartTurn) -> None:
    long = noise(8_000, -20)
    for before in (noise(5_000, -3), bytes(240_000)):
        after_more = live(small.over(before + long))
        assert after_more == pytest.approx(live(small.over(long)), abs=1e-3)


def test_a_short_utterance_had_silence_before_it(small: SmartTurn) -> None:
    assert live(small.over(bytes(48_000) + QUESTION)) == live(small.over(QUESTION))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file"),
        (lambda: b"hello", "no model that can be read"),
        (lambda: mean_model(64, 800), "not a smart-turn v3 model"),
    ],
    ids=["no file", "something else", "another model"],
)
def test_a_file_that_is_not_a_model_is_reported(
    tmp_path: Path, content: Callable[[], bytes] | None, why: str
) -> None:
    path = tmp_path / "model.onnx"
    if content:
        path.write_bytes(content())
    with pytest.raises(EngineError, match=why):
        SmartTurn(path)


def sweep() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Two seconds of nothing, then six of a tone that rises from 60 Hz to 7 kHz."""
    seconds = np.arange(6 * 16_000) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * (60 * seconds + 6_940 / 12 * seconds**2))
    return np.concatenate([np.zeros(32_000), tone]).astype(np.float32)


REFERENCE = [-0.0364, 1.5569, -0.0975, -0.2917, -0.2917, 0.5644, 1.6059, -0.1347]
REFERENCE_MEAN = -0.2074


def test_what_it_hears_is_what_whisper_hears() -> None:
    """Against numbers of the reference implementation for this sound."""
    mel = log_mel(sweep())
    assert mel.shape == (80, 800)
    assert mel.dtype == np.float32
    places = [(0, 100), (5, 210), (20, 300), (40, 450), (60, 600), (79, 799), (3, 205), (70, 700)]
    assert [round(float(mel[place]), 4) for place in places] == REFERENCE
    assert round(float(mel.mean()), 4) == REFERENCE_MEAN


@pytest.mark.long
def test_the_real_model_hears_that_a_question_is_over() -> None:
    with SmartTurn(REAL) as judge:
        whole, cut = live(judge.over(QUESTION)), live(judge.over(CUT))
    assert whole is not None
    assert cut is not None
    assert cut < 0.5 < whole


@pytest.mark.long
def test_the_real_model_answers_before_the_pause_is_over() -> None:
    with SmartTurn(REAL) as judge:
        live(judge.over(QUESTION))
        began = time.perf_counter()
        live(judge.over(QUESTION))
    assert time.perf_counter() - began < 1.0
