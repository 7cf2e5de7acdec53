from __future__ import annotations

import asyncio
import io
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.errors import EngineError
from vivavoce_embedded.stt import lm
from vivavoce_embedded.stt.corpus import MAX_WORDS, corpus, normal, noun_phrases, number
from vivavoce_embedded.stt.g2p import dictionary, sounds
from vivavoce_embedded.stt.lm import ModelFiles, prepare
from vivavoce_embedded.stt.ngrams import BEGIN, END, NGrams, count, mix, read_arpa, write_arpa

from ..support.congress import CORPUS
from ..support.real_time import live

# Words


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("The keynote starts at 9:30.", "the keynote starts at nine thirty"),
        ("Open 10:00–18:05", "open ten o'clock eighteen oh five"),
        ("the 1st, 12th, 20th and 33rd", "the first twelfth twentieth and thirty third"),
        ("since 1999, in 2026", "since nineteen ninety nine in twenty twenty six"),
        ("2,500 people", "two five hundred people"),
        ("room 007", "room zero zero seven"),
        ("Niccolò’s café", "niccolo's cafe"),
        ("'quoted'", "quoted"),
        ("日本", ""),
    ],
)
def test_text_is_written_as_it_is_spoken(written: str, spoken: str) -> None:
    assert normal(written) == spoken


@given(st.text())
def test_whatever_is_written_has_a_normal_form_that_stays(text: str) -> None:
    once = normal(text)
    assert normal(once) == once
    assert set(once) <= set("abcdefghijklmnopqrstuvwxyz' ")


@given(st.integers(0, 10**9 - 1))
def test_every_number_has_words(n: int) -> None:
    assert normal(number(n)) == number(n)


def test_things_are_asked_about() -> None:
    assert list(noun_phrases("the registration desk is on the ground floor")) == [
        "registration desk",
        "ground floor",
    ]
    weights = {text: weight for weight, text in CORPUS}
    assert weights["show me the way to room b"] > weights["where is the registration desk"]


def test_a_library_is_not_read_to_its_end() -> None:
    long = corpus([("A book", "knowledge about things. " * MAX_WORDS), ("B", "never read")])
    assert not any("never read" in text for _, text in long)


# Arithmetic

VOCABULARY = ["a", "b", "c"]
sentences = st.lists(
    st.tuples(
        st.floats(0.1, 5),
        st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=5).map(" ".join),
    ),
    min_size=1,
    max_size=8,
)


def assert_sums_to_one(model: NGrams) -> None:
    words = [word for (word,) in model.seen[0]]
    histories = [(), *product([BEGIN, *words]), *product([BEGIN, *words], words)]
    for history in histories:
        total = sum(model.probability((*history, word)) for word in words)
        assert total == pytest.approx(1, abs=0.01), history


@given(sentences)
def test_after_every_history_something_follows(of: list[tuple[float, str]]) -> None:
    assert_sums_to_one(count(of))


@given(sentences, sentences)
def test_so_it_does_in_a_mixture(
    one: list[tuple[float, str]], other: list[tuple[float, str]]
) -> None:
    assert_sums_to_one(mix(count(one), count(other)))


def test_seen_words_are_likely_and_unseen_ones_are_possible() -> None:
    model = count([(10, "where is the keynote"), (1, "where was the lunch")])
    assert model.probability(("where", "is")) > 0.5
    assert (
        model.probability(("is", "the", "keynote")) > model.probability(("is", "the", "lunch")) > 0
    )
    assert model.probability((BEGIN, "where")) > model.probability((BEGIN, "lunch")) > 0


def test_a_mixture_knows_the_words_of_both() -> None:
    model = mix(count([(1, "where is kubernetes")]), count([(1, "where is the house")]))
    assert model.vocabulary == {"where", "is", "kubernetes", "the", "house"}
    assert model.probability(("is", "kubernetes")) > 0.1
    assert model.probability(("is", "the")) > 0.1


@given(sentences)
def test_what_is_written_can_be_read(of: list[tuple[float, str]]) -> None:
    model, file = count(of), io.StringIO()
    write_arpa(model, file)
    again = read_arpa(file.getvalue().splitlines(keepends=True))
    for length in range(3):
        for gram, probability in model.seen[length].items():
            assert again.seen[length][gram] == pytest.approx(probability, rel=0.001)
    assert again.probability(("a", END)) == pytest.approx(model.probability(("a", END)), rel=0.01)


# Pronunciation


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("rossi", "R AA S IY"),
        ("bianchi", "B IY AH NG K IY"),
        ("realtime", "R IY L T AY M"),
        ("pdf", "P IY D IY EH F"),
        ("shuttle", "SH AH T AH L"),
    ],
)
def test_unknown_words_are_read_by_their_letters(word: str, said: str) -> None:
    assert " ".join(sounds(word)) == said


def test_the_dictionary_is_asked_first() -> None:
    known = ["keynote K IY N OW T", "read R EH D", "read(2) R IY D", "zoo Z UW"]
    assert list(dictionary({"read", "niccolai"}, known)) == [
        "read R EH D",
        "read(2) R IY D",
        "niccolai N IH K AA L EY",
    ]


PHONES = set(
    """AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V
    W Y Z ZH""".split()  # noqa: SIM905
)


@given(st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1).filter(lambda word: word.strip("'")))
def test_every_word_has_sounds_that_the_recogniser_knows(word: str) -> None:
    said = sounds(word)
    assert said
    assert set(said) <= PHONES


# Files


def test_a_model_is_made_once(congress: ModelFiles, cache: Path) -> None:
    made = congress.lm.stat()
    assert live(prepare(CORPUS, cache)) == congress
    assert congress.lm.stat().st_ino == made.st_ino
    assert "\nniccolai " in congress.dict.read_text("utf-8")


def test_other_texts_are_another_model(tmp_path: Path, congress: ModelFiles) -> None:
    general = live(prepare((), tmp_path))
    assert general.lm.parent.name != congress.lm.parent.name
    assert "kubernetes" not in general.dict.read_text("utf-8")


def test_two_processes_can_make_the_same_model_at_once(tmp_path: Path) -> None:
    async def story() -> list[ModelFiles]:
        return list(await asyncio.gather(prepare((), tmp_path), prepare((), tmp_path)))

    one, other = live(story())
    assert one == other
    assert one.lm.exists()
    assert [path.name for path in tmp_path.iterdir()] == [one.lm.parent.name]


def test_a_cancelled_preparation_leaves_no_half_model(tmp_path: Path) -> None:
    async def story() -> None:
        making = asyncio.create_task(prepare((), tmp_path))
        await asyncio.sleep(0.3)  # while its child is at work, or before: it does not matter
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

    live(story())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(EngineError, match="cannot be stored"):
        live(prepare((), tmp_path / "cache"))


def test_the_background_is_there() -> None:
    assert lm.BACKGROUND.stat().st_size > 500_000
    assert lm.BACKGROUND.with_name("background.LICENSE").exists()
