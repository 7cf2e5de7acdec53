from __future__ import annotations

import pytest

from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.normalize import sound, terms
from vivavoce.knowledge.search import KnowledgeIndex

PLACES = [
    ("Keynote", "The keynote starts at nine."),
    ("Parking", "The car park is under the square."),
    ("Restrooms", "Restrooms are next to the stairs."),
    ("Room A", "Room A is on the first floor."),
    ("Room B", "Room B is on the second floor."),
    ("Refunds", "Tickets can be returned."),
]
CHUNKS = [Chunk(id=title, title=title, text=text, language="en") for title, text in PLACES]
INDEX = KnowledgeIndex(CHUNKS, "en")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("when does the keynote start", "Keynote"),
        ("when does the key note start", "Keynote"),
        ("when does the keynot starts", "Keynote"),
        ("how much does barking cost", "Parking"),
        ("where is the toilet", "Restrooms"),
        ("how do i get to room a", "Room A"),
        ("how do i get to room b", "Room B"),
    ],
)
def test_the_chunk_is_found_by_each_wording(question: str, expected: str) -> None:
    assert INDEX.search(question)[0].chunk.id == expected


def test_confidence_is_the_share_of_the_question_that_is_covered() -> None:
    (sure, *_) = INDEX.search("parking")
    (unsure, *_) = INDEX.search("parking for submarines in antarctica")
    assert sure.confidence == 1.0
    assert unsure.confidence < 0.5


def test_a_question_without_knowledge_finds_nothing() -> None:
    assert INDEX.search("who is the president of france") == []
    assert INDEX.search("") == []
    assert KnowledgeIndex([], "en").search("parking") == []


def test_what_the_author_wrote_as_a_question_is_certain() -> None:
    asked = Chunk(id="online", title="Network", text="Free.", language="en", also=("get online",))
    (hit, *_) = KnowledgeIndex([*CHUNKS, asked], "en").search("How do I get online?")
    assert (hit.chunk.id, hit.confidence) == ("online", 1.0)


def test_a_chunk_of_another_language_is_not_in_the_index() -> None:
    assert KnowledgeIndex(CHUNKS, "it").chunks == []


def test_words_lose_their_accents_endings_and_filler() -> None:
    assert terms("Dov'è la Città?", "it") == terms("citta", "it")
    assert terms("the registrations", "en") == terms("registration", "en")
    assert terms("Room B", "en") == ["room", "#b"]
    assert terms("wi-fi", "en") == terms("wifi", "en") == terms("why fi", "en")


def test_words_sound_alike_by_their_consonants() -> None:
    assert sound("barking") == sound("parking")
    assert sound("fotography") == sound("photography")
    assert sound("keynote") != sound("parking")
