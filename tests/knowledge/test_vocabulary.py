"""The same words are found by every index, also if a recogniser has misheard them."""

from __future__ import annotations

import pytest

from vivavoce.knowledge.chunks import Chunk, markdown
from vivavoce.knowledge.full_text import FullTextIndex
from vivavoce.knowledge.vocabulary import HOMOPHONE, Vocabulary

FAIR = markdown(
    "# Parking\nParking costs three euros.\n\n# Restaurant\nIt is on the second floor.",
    "en",
    "a.md",
)


def titles(index: FullTextIndex, question: str) -> list[str]:
    return [each.title for each in index.find(question, "en", 4)]


def index_of(*chunks: Chunk) -> FullTextIndex:
    index = FullTextIndex()
    index.update(chunks)
    return index


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("the resturant", "Restaurant"),  # spelled almost alike
        ("a place for barking", "Parking"),  # sounds alike
        ("the restaurantguide", "Restaurant"),  # begins alike
        ("where is the submarine", ""),
    ],
)
def test_the_full_text_index_finds_words_that_were_misheard(question: str, title: str) -> None:
    assert titles(index_of(*FAIR), question) == [title][: bool(title)]


def test_a_misheard_word_counts_less_than_the_word() -> None:
    index = index_of(*FAIR)
    (heard,) = index.find("parking", "en", 4)
    (misheard,) = index.find("parcing", "en", 4)
    assert 0.5 < misheard.score < heard.score == 1.0


def test_a_stem_that_was_removed_is_not_read_from_any_word() -> None:
    words = Vocabulary("en")
    words.add("second")
    assert words.readings("second") == [("second", 1.0)]
    assert words.readings("secont") != []
    assert words.readings("seggond") == [("second", HOMOPHONE)]
    words.remove("second")
    for word in ("second", "secont", "seggond"):
        assert words.readings(word) == []


def test_an_update_of_the_index_keeps_the_words_of_other_chunks() -> None:
    index = index_of(*FAIR)
    index.update(FAIR[1:])
    assert titles(index, "barking") == []
    assert titles(index, "resturant") == ["Restaurant"]
    index.update(FAIR)
    assert titles(index, "barking") == ["Parking"]
