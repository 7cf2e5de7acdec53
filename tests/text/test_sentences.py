from __future__ import annotations

import re
import time
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.sentences import LONGEST, Sentences, sentences


def cut(*pieces: str, language: str | None = None) -> list[str]:
    stream = Sentences(language)
    return [s for piece in pieces for s in stream.push(piece)] + stream.finish()


def tokens(text: str) -> list[str]:
    """Return a text as language models send it: each word with the blank before it."""
    return re.findall(r"\s*\S+|\s+$", text)


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
    text = "".join(sentences)
    assert cut(text) == sentences
    assert cut(*text) == sentences  # letter by letter
    assert cut(*tokens(text)) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["今天天气很好。", "我们去公园玩。"],
        ["真的吗？！", "好。", "走吧！"],
        ["他说：“好。”", "然后他走了。"],
        ["「おはよう。」", "彼女は笑った。"],
        ["「はい。」と言った。", "『いいえ。』って。"],
        ["会議は九時です。\n", "朝食は七時です。 ", "どうぞ。"],
        ["Python 3.13 很快。", "It is fast. ", "好。"],
    ],
)
def test_chinese_and_japanese_sentences_end_without_a_space(sentences: list[str]) -> None:
    text = "".join(sentences)
    assert cut(text) == sentences
    assert cut(*text) == sentences


def test_chinese_sentence_leaves_when_the_next_one_begins() -> None:
    stream = Sentences("zh")
    assert stream.push("今天天气很好。我们去公园玩。") == ["今天天气很好。"]
    assert stream.push("再见") == ["我们去公园玩。"]
    assert stream.finish() == ["再见"]


def test_marks_of_chinese_in_a_row_take_no_time() -> None:
    began = time.process_time()
    assert "".join(cut("。" * 100_000 + "」" * 100_000, language="zh"))
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("de", ["Am 3. Mai ist z. B. der 2. Stock zu. ", "Es kostet ca. a Euro, d. h. nichts."]),
        (None, ["Am 3. Mai ist z. B. der Saal zu. ", "Es kostet ca. a Euro, d. h. nichts."]),
        ("en", ["Am 3. Mai it is ca. a mile. ", "It is No. 5, approx. two miles."]),
        ("en", ["Take bus No. 5. ", "It leaves in room 2. ", "Then go on."]),
        ("en", ["The Univ. of Turin, dept. of physics, is at Fifth Ave. and so on. ", "Go."]),
        ("en", ["It is on Jan. 5 or Sept. 3 at 9 a.m. sharp. ", "Come."]),
        ("en", ["Ask for **Mr. Oak** at the desk. ", "**He** knows."]),
        ("en", ["Bring pens (paper, etc.) and a badge. ", "(That is all.) ", "“Thanks.”"]),
        ("de", ["Hr. Weiß wohnt in der Str. Nr. 5 bzw. Nr. 7, inkl. Frühstück. ", "Gut."]),
        ("it", ["Vedi pag. 12, art. 5, cfr. Rossi. ", "Il n. 3 è qui, ecc. e basta."]),
        ("es", ["Véase la pág. 12 y el núm. 5 de la Av. Libertad. ", "Son aprox. dos horas."]),
        ("de", ["Das ist usw. und so fort. ", "Das ist usw. ", "Dann Schluss."]),
    ],
)
def test_S3_the_letter_after_a_full_stop_decides(
    language: str | None, sentences: list[str]
) -> None:
    text = "".join(sentences)
    assert cut(text, language=language) == sentences
    assert cut(*tokens(text), language=language) == sentences


def test_K1_whole_texts_are_cut_by_the_same_rules() -> None:
    text = "Ask for Mr. Oak at the desk. Doors open at 9.30 a.m. in St. Mary's hall.\n\nCome in!"
    assert sentences(text, "en") == (
        "Ask for Mr. Oak at the desk.",
        "Doors open at 9.30 a.m. in St. Mary's hall.",
        "Come in!",
    )


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


@given(st.text(alphabet="abAB. !?\n1,("))
def test_a_language_model_may_send_any_tokens(text: str) -> None:
    assert [s.strip() for s in cut(*tokens(text)) if s.strip()] == [
        s.strip() for s in cut(text) if s.strip()
    ]


@given(st.text(alphabet="abAB. !?\n1,"), st.integers(1, 9))
def test_pieces_of_any_size_never_join_what_a_whole_text_separates(text: str, size: int) -> None:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert _ends(cut(text)) <= _ends(cut(*pieces))


def _ends(said: list[str]) -> set[int]:
    """Return after how many letters each sentence ends."""
    sizes = (len("".join(each.split())) for each in said)
    return set(accumulate(sizes))


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
