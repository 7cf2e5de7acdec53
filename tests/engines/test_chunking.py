from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vivavoce.audio import pcm as audio
from vivavoce.core.ledger import Word
from vivavoce.engines.tts.chunking import FIRST_MS, PIECE_MS, SpeechChunker, portions, spread


def test_a_word_without_a_time_comes_with_the_one_before() -> None:
    pieces = SpeechChunker("on the ground")
    assert pieces.push(audio.silence(50), [(0, 0)]) == [], "where the first word ends is not known"
    (first,) = pieces.push(audio.silence(50), [(7, 90)])
    assert first.words == (Word("on the ", 0),)
    (rest,) = pieces.finish(audio.silence(20))
    assert rest.words == (Word("ground", 90 - FIRST_MS),)
    assert audio.duration_ms(first.pcm + rest.pcm) == 120


def test_text_that_makes_no_sound_is_not_lost() -> None:
    (piece,) = SpeechChunker(" … ").finish()
    assert piece.words == (Word(" … ", 0),)
    assert piece.pcm == b""


def test_what_stands_before_the_first_word_belongs_to_it() -> None:
    (piece,) = SpeechChunker("  «Ciao»", [(3, 5)]).finish(audio.silence(10))
    assert piece.words == (Word("  «Ciao»", 5),)


def test_words_estimated_after_the_end_come_with_the_end_of_the_sound() -> None:
    pieces = SpeechChunker("one two three", spread("one two three", 10_000))
    spoken = pieces.push(audio.silence(500)) + pieces.finish()
    assert "".join(w.text for s in spoken for w in s.words) == "one two three"


def test_sound_that_outlasts_the_estimate_is_not_held_back() -> None:
    pieces = SpeechChunker("one two", spread("one two", 100))
    spoken = pieces.push(audio.silence(1000))
    assert sum(audio.duration_ms(s.pcm) for s in spoken) > 1000 - PIECE_MS


def test_a_breath_is_drawn_after_a_comma_rather_than_anywhere() -> None:
    assert [*portions("to be, or not to be", 10)] == ["to be, ", "or not to ", "be"]
    assert [*portions("x" * 25, 10)] == ["x" * 10, "x" * 10, "x" * 5]


def test_portions_of_chinese_end_with_a_sentence() -> None:
    sentence = "今天天气很好，我们去公园玩。"
    cut = [*portions(sentence * 40)]
    assert [piece[-1] for piece in cut] == ["。", "。"]
    assert "".join(cut) == sentence * 40
    assert [*portions("我们去，公园玩吧", 6)] == ["我们去，", "公园玩吧"]


MARKS = st.lists(st.tuples(st.integers(-2, 60), st.integers(-50, 3000)))


@given(st.text(min_size=1, max_size=50), st.lists(st.tuples(st.integers(0, 300), MARKS)))
def test_whatever_a_synthesiser_reports_nothing_is_lost_or_said_twice(
    text: str, pushes: list[tuple[int, list[tuple[int, int]]]]
) -> None:
    pieces = SpeechChunker(text)
    spoken = [s for ms, marks in pushes for s in pieces.push(audio.silence(ms), marks)]
    spoken += pieces.finish()
    assert "".join(w.text for s in spoken for w in s.words) == text
    assert sum(len(s.pcm) for s in spoken) == sum(len(audio.silence(ms)) for ms, _ in pushes)
    assert all(audio.duration_ms(s.pcm) <= PIECE_MS for s in spoken)
    assert all(w.at_ms >= 0 for s in spoken for w in s.words)


@given(st.text(max_size=200), st.integers(1, 40))
def test_portions_are_the_text(text: str, longest: int) -> None:
    cut = [*portions(text, longest)]
    assert "".join(cut) == text
    assert all(0 < len(p) <= longest for p in cut)
