"""Text with halves of surrogate pairs, as adapters and tools return it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vivavoce.engines import checked
from vivavoce.protocol.surrogates import whole_text

SMILE = "\U0001f600"


class Word(str):
    __slots__ = ()


REPAIRS = {
    "the first half": ("\ud83d", "\ufffd"),
    "the second half": ("a\ude00b", "a\ufffdb"),
    "both halves": ("a\ud83d\ude00b", f"a{SMILE}b"),
    "a half before a pair": ("\ud83d\ud83d\ude00é", f"\ufffd{SMILE}é"),
    "both in the wrong order": ("\ude00\ud83d", "\ufffd\ufffd"),
    "a half before a letter": ("\ud83dé", "\ufffdé"),
}


@pytest.mark.parametrize("repair", [whole_text, checked.text])
@pytest.mark.parametrize("name", REPAIRS)
def test_a_pair_becomes_its_character_and_half_of_it_a_mark(
    repair: Callable[[str], str], name: str
) -> None:
    odd, even = REPAIRS[name]
    assert repair(odd) == even
    even.encode()


@pytest.mark.parametrize("text", ["", "plain", "naïve", SMILE, "\x00"])
def test_text_that_needs_no_repair_is_the_same_object(text: str) -> None:
    assert whole_text(text) is text


def test_a_subclass_of_str_becomes_a_plain_str() -> None:
    assert type(whole_text(Word("wörd"))) is str
    assert type(whole_text(Word("word"))) is str
