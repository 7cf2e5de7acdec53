"""Test the answers of the embedded brain from files as authors write them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from vivavoce.file_reading import FolderFile
from vivavoce.knowledge import ingest
from vivavoce.knowledge.chunks import Chunk, markdown
from vivavoce.knowledge.schedule import table
from vivavoce_embedded.brain.dates import find_date
from vivavoce_embedded.brain.responder import Responder

from .brain_talk import Talk, fair

ODD = Path(__file__).parents[1] / "knowledge" / "odd"


def brain(name: str, now: str) -> Talk:
    chunks = ingest.read_files([FolderFile(ODD, name)], ["en"]).chunks
    moment = dt.datetime.fromisoformat(now)
    return Talk(brain=Responder(chunks, languages=["en"], now=lambda: moment))


def test_K1_an_answer_is_not_cut_at_an_abbreviation() -> None:
    text = "# Keys\n\nAsk for Mr. Oak at the desk. Doors open at 9.30 a.m. in St. Mary's hall.\n"
    talk = Talk(brain=Responder(markdown(text, "en", "a.md"), languages=["en"]))
    assert "Ask for Mr. Oak at the desk." in talk.say("who has the keys").text
    told = talk.say("when do the doors open").text
    assert "Doors open at 9.30 a.m. in St. Mary's hall." in told


def test_K2_an_address_in_an_answer_is_whole() -> None:
    text = "# Lost things\n\nWrite to info_desk@example.org, code `blue_door*7`.\n"
    talk = Talk(brain=Responder(markdown(text, "en", "a.md"), languages=["en"]))
    said = talk.say("who do I write to about lost things").text
    assert "info_desk@example.org, code blue_door*7" in said


def test_K3_an_afternoon_talk_is_in_the_afternoon() -> None:
    said = brain("ampm.csv", "2027-05-10T09:00").say("when is cheese and caves").text
    assert "2 pm to 2:45 pm" in said


def test_K4_a_cancelled_talk_is_in_no_list_and_says_so_when_asked() -> None:
    talk = brain("cancelled.csv", "2027-05-12T08:00")
    assert "Bread" not in talk.say("what talks are on Wednesday").text
    assert "Cheese and caves" in talk.say("what talks are on Wednesday").text
    for question in ("when is bread of the alps", "where is bread of the alps", "who speaks at "
                     "bread of the alps", "tell me about bread of the alps"):  # fmt: skip
        assert "is cancelled" in talk.say(question).text, question


@pytest.mark.parametrize(
    ("now", "title"),
    [
        ("2027-05-12T23:30", "Night of soups"),
        ("2027-05-13T00:45", "Night of soups"),
        ("2027-05-12T00:45", "Bread baked live"),
        ("2027-05-12T23:59", "Last tea"),
    ],
)
def test_K5_an_event_of_the_night_takes_place_now(now: str, title: str) -> None:
    assert title in brain("night.csv", now).say("what is happening right now").text


def test_K5_an_event_of_the_night_is_over_in_the_morning() -> None:
    said = brain("night.csv", "2027-05-13T01:31").say("what is happening right now").text
    assert "nothing like that" in said
    assert "midnight" in brain("night.csv", "2027-05-10T09:00").say("when is the last tea").text


def test_K7_a_comment_is_never_told() -> None:
    chunks = ingest.read_files([FolderFile(ODD, "html.md")], ["en"]).chunks
    talk = Talk(brain=Responder(chunks, languages=["en"]))
    for question in (
        "what is the secret price list",
        "how much is the house",
        "tell me about todo",
    ):
        assert "500" not in talk.say(question).text
    assert "12 euros" in talk.say("how much is breakfast").text


@pytest.mark.parametrize(
    ("now", "question", "expected"),
    [
        # Near: a weekday is enough. Far, or over: the brain says the date.
        ("2027-06-16T09:00", "when is the talk about bees", "is on Thursday from 4 pm"),
        ("2027-02-01T09:00", "when is the talk about bees", "is on Thursday 17 June from 4 pm"),
        ("2026-12-01T09:00", "when is the talk about bees", "is on Thursday 17 June 2027 from"),
        ("2027-06-25T09:00", "when is the talk about bees", "was on Thursday 17 June from 4 pm"),
        ("2027-06-25T09:00", "where is the talk about bees", "was on Thursday 17 June"),
        ("2027-06-25T09:00", "tell me about the memory of bees", "was on Thursday 17 June"),
        ("2027-02-01T09:00", "what talks are on friday", "On Friday 18 June: Voices"),
        ("2027-02-01T09:00", "what is the first talk on friday", "is on Friday 18 June from 10"),
        ("2027-02-01T09:00", "Quando parla Tomas Vesely?", "è sabato 19 giugno dalle 10"),
        ("2027-06-25T09:00", "Quando parla Tomas Vesely?", "è stato sabato 19 giugno"),
        ("2027-02-01T09:00", "¿Cuándo habla Tomas Vesely?", "es el sábado 19 de junio de 10"),
        ("2027-06-25T09:00", "¿Cuándo habla Tomas Vesely?", "fue el sábado 19 de junio"),
        # However a day is called, it is that day.
        ("2027-06-01T09:00", "what is on june 18", "Voices of the deep sea"),
        ("2027-06-01T09:00", "what is on June 18th", "Voices of the deep sea"),
        ("2027-06-01T09:00", "what talks are on the 18th of june", "Voices of the deep sea"),
        ("2027-06-01T09:00", "what talks are on the eighteenth of june", "Voices of the deep"),
        ("2027-06-01T09:00", "what talks are on the 18th", "Voices of the deep sea"),
        ("2027-06-01T09:00", "what talks are on 2027-06-18", "Voices of the deep sea"),
        ("2027-06-01T09:00", "what talks are on friday 18 june", "On Friday 18 June: Voices"),
        ("2027-06-25T09:00", "what talks were on june 18", "Voices of the deep sea"),
        ("2027-06-01T09:00", "what talks are on friday 25 june", "nothing like that"),
        ("2027-06-17T09:00", "what talks are on tomorrow", "Voices of the deep sea"),
        ("2027-06-17T09:00", "what is on tonight", "nothing like that"),
        ("2027-06-01T09:00", "Cosa c'è il 18 giugno?", "Voci del mare"),
        ("2027-06-01T09:00", "Che interventi ci sono il diciotto giugno?", "Voci del mare"),
        ("2027-06-01T09:00", "¿Qué hay el 18 de junio?", "Voces del mar"),
    ],
)
def test_K9_the_brain_says_and_reads_dates(now: str, question: str, expected: str) -> None:
    assert expected in Talk(brain=fair(dt.datetime.fromisoformat(now))).say(question).text


def weekly() -> list[Chunk]:
    rows = ["2027-05-12,10:00,One", "2027-05-19,10:00,Two", "2027-05-26,10:00,Three"]
    return table("date,start,title\n" + "\n".join(rows) + "\n", "en", "a.csv")


@pytest.mark.parametrize(
    ("question", "titles"),
    [
        ("what talks are on wednesday", {"Two"}),
        ("what talks are on wednesday 26 may", {"Three"}),
        ("what talks are on wednesdays", {"One", "Two", "Three"}),
        ("what talks are on may the 12th", {"One"}),
        ("what talks are on may 19", {"Two"}),
    ],
)
def test_K9_a_weekday_is_the_next_one_of_a_long_programme(question: str, titles: set[str]) -> None:
    moment = dt.datetime(2027, 5, 14, 9)
    brain = Responder(weekly(), languages=["en"], now=lambda: moment)
    text = Talk(brain=brain).say(question).text
    assert {title for title in ("One", "Two", "Three") if title in text} == titles


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "19 may"), ("en", "may 19"), ("en", "may the 19th"), ("en", "the 19th of may"),
        ("en", "the nineteenth of may"), ("en", "19. mai"), ("it", "il 19 maggio"),
        ("es", "el 19 de mayo"), ("es", "el 19 mayo"), ("en", "19 may 2027"),
    ],
)  # fmt: skip
def test_K9_a_date_is_found_in_every_spelling(language: str, text: str) -> None:
    found = find_date(text, language, dt.date(2027, 5, 1))
    assert found is not None
    assert found.value == "2027-05-19"
