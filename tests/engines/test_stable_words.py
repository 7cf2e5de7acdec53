"""Words that can no longer change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vivavoce_embedded.stt.sphinx_worker import SETTLED_FRAMES, STEADY_LOOKS, StableWords, Words


def said(text: str) -> Words:
    """Make a word every 300 ms."""
    return [(word, 30 * (i + 1)) for i, word in enumerate(text.split())]


def look(steady: StableWords, text: str, *, now: int, times: int) -> list[str]:
    for _ in range(times):
        steady.look(said(text), now)
    return steady.told


def test_a_word_is_reported_when_it_has_stayed_for_a_while() -> None:
    steady = StableWords()
    assert look(steady, "where is", now=500, times=STEADY_LOOKS - 1) == []
    assert look(steady, "where is", now=500, times=1) == ["where", "is"]


def test_the_latest_word_is_not_reported() -> None:
    assert look(StableWords(), "where is", now=60 + SETTLED_FRAMES - 1, times=20) == ["where"]


def test_a_word_that_flickers_holds_back_those_after_it() -> None:
    steady = StableWords()
    for text in ["where is the desk", "where was the desk"] * STEADY_LOOKS:
        steady.look(said(text), 500)
    assert steady.told == ["where"]


def test_a_reported_word_is_not_taken_back() -> None:
    steady = StableWords()
    look(steady, "where is", now=500, times=STEADY_LOOKS)
    assert look(steady, "wear his desk", now=600, times=20) == ["where", "is"]
    assert steady.final(said("wear his desk today")) == ["where", "is", "desk", "today"]


words = st.lists(st.sampled_from(["a", "b"]), max_size=6).map(" ".join).map(said)


@given(looks=st.lists(st.tuples(words, st.integers(0, 40)), max_size=60), last=words)
def test_it_only_grows_and_the_whole_begins_with_it(
    looks: list[tuple[Words, int]], last: Words
) -> None:
    steady, now = StableWords(), 0
    told: list[str] = []
    for hypothesis, passed in looks:
        now += passed
        grown = steady.look(hypothesis, now)
        assert steady.told[: len(told)] == told
        assert grown == (len(steady.told) > len(told))
        told = list(steady.told)
    assert steady.final(last)[: len(told)] == told
