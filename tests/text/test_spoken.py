from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.sentences import Sentences
from vivavoce.text.spoken import SpokenText, speakable


def spoken(text: str) -> str:
    """Return all that a voice is asked to say, sentence by sentence."""
    stream, reader = Sentences("en"), SpokenText()
    read = [reader.read(each) for each in (*stream.push(text), *stream.finish())]
    return " ".join("".join(each.text for each in read if not each.silent).split())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Hello**, *you* and __you__!", "Hello, you and you!"),
        ("# Bread\n\nIt is `hot_1`.", "Bread It is hot_1."),
        ("- soup\n* [x] bread\n1. tea\n> milk\n", "soup bread 1. tea milk"),
        ("| dish | price |\n|:--|--:|\n| soup | 4 |\n", "dish, price soup, 4"),
        ("See [our page](https://example.org/x_y).", "See our page."),
        ("See https://www.example.org/a_b/c?x=1#y.", "See example.org."),
        ("(http://user@localhost:8080/x), www.example.org/long", "(localhost), example.org"),
        ("Write to <info_desk@example.org>.", "Write to info_desk@example.org."),
        ("Good 👋🏽 day 🇮🇹, 1️⃣ of 👩‍👩‍👧!", "Good day , 1 of !"),
        ("<think>Two\n\nwords. Or 3?</think>It is noon.", "It is noon."),
        ("<THINKING>Hm. Well.\n</THINKING>\n\nIt is noon.", "It is noon."),
        ("It is noon. <think>Is it", "It is noon."),
        ("```python\nx = a_b * 2\n```\nDone.", "x = a_b * 2 Done."),
        ("**Bread. Butter** and _salt. Tea_ now.", "Bread. Butter and salt. Tea now."),
        ("Tea &amp; milk<br>at the ~~old~~ new <b>desk</b>.", "Tea & milk at the new desk."),
        ("2 * 3 = 6, snake_case, 5*, a < b, 20 °C, Mr\\. Oak.", "2 * 3 = 6, snake_case, 5*, a < b, "
         "20 °C, Mr. Oak."),
        ("-5 degrees – or +5 – and 50 % #1.", "-5 degrees – or +5 – and 50 % #1."),
    ],
)  # fmt: skip
def test_S1_a_voice_says_the_words_and_not_the_marks(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize("piece", ["👋", "---", "...", "***\n", "|---|---|\n", "", " ", "?!", "“”"])
def test_S2_a_piece_without_a_letter_or_digit_is_silent(piece: str) -> None:
    assert SpokenText().read(piece).silent
    assert not speakable(piece)


def test_S1_each_spoken_word_has_its_part_of_the_transcript() -> None:
    sentence = SpokenText().read(
        "**Hello** 👋 see https://example.org/a/b or [our page](https://x.y)!"
    )
    assert sentence.text == "Hello see example.org or our page!"
    parts = [sentence.written(word) for word in re.findall(r"\S+\s*", sentence.text)]
    assert parts == [
        "**Hello** 👋 ", "see ", "https://example.org/a/b ", "or ", "[our ", "page](https://x.y)!",
    ]  # fmt: skip
    assert sentence.rest() == ""


@given(st.lists(st.text(alphabet="ab1*_`~<>/think[]()!#|-\\&;:. \n👋é", max_size=40), max_size=6))
def test_S1_the_words_of_the_transcript_are_the_written_text(pieces: list[str]) -> None:
    reader = SpokenText()
    for piece in pieces:
        sentence = reader.read(piece)
        words = re.findall(r"\s*\S+\s*", sentence.text)
        assert "".join([*map(sentence.written, words), sentence.rest()]) == piece


@given(st.text(max_size=100))
def test_any_text_can_be_spoken(text: str) -> None:
    sentence = SpokenText().read(text)
    assert sentence.written(sentence.text) == text


@pytest.mark.parametrize(
    "words", ["*", "[", "](", "<think>", "<", "`", "| ", "- ", "&", "a_", "!["]
)
def test_a_sentence_of_marks_takes_no_time(words: str) -> None:
    began = time.process_time()
    SpokenText().read(words * (400 // len(words)))
    assert time.process_time() - began < 0.1
