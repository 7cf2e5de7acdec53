from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.engines.sentences import LONGEST, Sentences


def cut(*pieces: str) -> list[str]:
    sentences = Sentences()
    return [s for piece in pieces for s in sentences.push(piece)] + sentences.finish()


@pytest.mark.parametrize(
    "sentences",
    [
        ["It is noon. ", "Time for lunch!\n", "Shall we?"],
        ["Dr. Rossi speaks first. ", "Prof. Bianchi follows."],
        ["It starts at 9.30 a.m. in room 2. ", "Doors open at 9 a.m. ", "Be there."],
        ["Bring something, e.g. a pen, i.e. anything. ", "It costs 3.50 euros."],
        ["J. R. Smith chairs it. ", "He is late."],
        ["Bring pens, paper, etc. and a badge. ", "Pens, paper, etc. ", "Then come."],
        ["1. Open the door. ", "2. Go in."],
        ["It was in 2026. ", "Then it ended."],
        ["La Sig.ra Verdi e il Dott. Neri. ", "Alle 9.30 in sala."],
        ["El Sr. Pérez llega a las 9 a.m. al salón. ", "¿A qué hora? ", "¡Pronto!"],
        ['He said "yes." ', "She left (early.) ", "So did I…"],
        ["Wait... ", "What?! ", "Yes."],
    ],
)
def test_sentences_end_where_people_end_them(sentences: list[str]) -> None:
    assert cut("".join(sentences)) == sentences
    assert cut(*"".join(sentences)) == sentences  # letter by letter


def test_a_sentence_leaves_as_soon_as_it_is_whole() -> None:
    sentences = Sentences()
    assert sentences.push("It is noon. ") == ["It is noon. "]
    assert sentences.push("At 9 a.m. ") == []  # "in room 2", or "Then"?
    assert sentences.push("T") == ["At 9 a.m. "]


def test_what_never_ends_is_cut_where_one_may_breathe() -> None:
    pieces = cut("so it goes, " * 100)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert all(piece.endswith(", ") for piece in pieces)


@given(st.lists(st.text(alphabet="abDr. !?\n1e.g")))
def test_cutting_sentences_loses_nothing(pieces: list[str]) -> None:
    assert "".join(cut(*pieces)).rstrip() == "".join(pieces).rstrip()


@given(st.text(alphabet="abAB. !?\n1,"), st.integers(1, 9))
def test_it_does_not_matter_how_the_text_arrives(text: str, size: int) -> None:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert [s.strip() for s in cut(*pieces) if s.strip()] == [
        s.strip() for s in cut(text) if s.strip()
    ]


@pytest.mark.parametrize(
    "words",
    [
        "?!",
        "a. ",
        "Dr. ",
        "J. ",
        "1. ",
        ".)",
        "\n",
        "\n ",
        "x",
        "...x",
        '"',
        " ",
        "?\n",
        "e.g",
        "…」",
    ],
)
def test_a_hundred_kilobytes_of_anything_are_cut_in_no_time(words: str) -> None:
    """Split in one piece and in many: some texts took minutes and blocked all calls."""
    text = words * (100_000 // len(words))
    tokens = [words * 20] * (len(text) // len(words) // 20)
    for pieces in ([text], tokens):
        began = time.process_time()
        said = cut(*pieces)
        assert time.process_time() - began < 2.0  # a tenth of that on a quiet machine
        assert "".join(pieces).startswith("".join(said))
        assert max(map(len, said), default=0) <= LONGEST


def test_a_long_sentence_that_ends_is_cut_too() -> None:
    said = cut("word " * 200 + "end. And more.")
    assert max(map(len, said)) <= LONGEST
    assert "".join(said) == "word " * 200 + "end. And more."
