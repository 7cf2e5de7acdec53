"""The congress that ships holds together: its programme, its prose, its three languages."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from datetime import date, datetime
from itertools import combinations, pairwise

import pytest

from vivavoce.assistants import SHIPPED, load
from vivavoce.engines.base import GenerateRequest
from vivavoce.knowledge import ingest
from vivavoce.knowledge.chunks import Chunk, markdown
from vivavoce.protocol.items import Message, Part
from vivavoce_embedded.brain.excerpt import excerpt
from vivavoce_embedded.brain.responder import Responder

from ..support.folders import KNOWN

CHARLOTTE = load(SHIPPED / "charlotte", KNOWN)
KNOWLEDGE = CHARLOTTE.folder / "knowledge"
PROSE = ("venue", "practical", "faq")
SUFFIX = {"en": "", "it": "_it", "es": "_es"}

Row = dict[str, str]


def agenda() -> list[Row]:
    with (KNOWLEDGE / "agenda.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def prose(name: str, language: str) -> list[Chunk]:
    file = f"{name}.md" if language == "en" else f"{name}.{language}.md"
    return markdown((KNOWLEDGE / file).read_text("utf-8"), language, file)


def everything(language: str) -> list[Chunk]:
    return [chunk for name in PROSE for chunk in prose(name, language)]


def speakers(row: Row) -> list[str]:
    return [name.strip() for name in row["speaker"].split(";")]


def test_there_are_thirty_talks_on_three_days() -> None:
    days = Counter((row["day"], row["date"]) for row in agenda())
    assert list(days.values()) == [10, 10, 10]
    for name, written in days:
        assert date.fromisoformat(written).strftime("%A") == name
    assert len({row["title"] for row in agenda()}) == 30


def test_every_talk_is_complete_in_every_language() -> None:
    for row in agenda():
        assert all(row.values()), row["title"]
        assert row["start"] < row["end"]
        assert row["kind"] in ("keynote", "talk", "panel", "workshop")
    for english, *others in (("room", "room_it", "room_es"), ("track", "track_it", "track_es")):
        for other in others:
            pairs = {(row[english], row[other]) for row in agenda()}
            assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_no_speaker_and_no_room_is_booked_twice_at_once() -> None:
    for one, other in combinations(agenda(), 2):
        together = one["start"] < other["end"] and other["start"] < one["end"]
        if together and one["date"] == other["date"]:
            assert one["room"] != other["room"], (one["title"], other["title"])
            assert not set(speakers(one)) & set(speakers(other)), (one["title"], other["title"])


@pytest.mark.parametrize("language", CHARLOTTE.languages)
def test_every_room_of_the_programme_is_described(language: str) -> None:
    described = {chunk.title for chunk in prose("venue", language)}
    assert {row[f"room{SUFFIX[language]}"] for row in agenda()} <= described


@pytest.mark.parametrize("name", PROSE)
def test_twins_say_the_same_things(name: str) -> None:
    english, italian, spanish = (prose(name, language) for language in ("en", "it", "es"))
    assert len(english) == len(italian) == len(spanish)
    for en, it, es in zip(english, italian, spanish, strict=True):
        assert numbers(it.text) == numbers(es.text), (it.title, es.title)
        assert numbers(in_24_hours(en.text)) == numbers(it.text), (en.title, it.title)


def in_24_hours(text: str) -> str:
    def hours(found: re.Match[str]) -> str:
        hour = int(found[1]) % 12 + (12 if found[3] == "pm" else 0)
        return f"{hour}{found[2] or ''}"

    return re.sub(r"(\d{1,2})(:\d\d)? (am|pm)", hours, text)


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?::\d\d)?", text))


@pytest.mark.parametrize("language", CHARLOTTE.languages)
def test_every_section_can_be_spoken_and_says_how_it_is_asked_for(language: str) -> None:
    for chunk in everything(language):
        assert 1 <= len(re.findall(r"[.!?](?:\s|$)", chunk.text)) <= 4, chunk.title
        assert len(chunk.text) < 300, chunk.title
        assert len(chunk.also) >= 2, chunk.title
        assert not re.search(r"[*_#`|<>\[\]]|https?:", chunk.text), chunk.title


def test_prose_agrees_with_the_programme() -> None:
    rows, faq = agenda(), {chunk.title: chunk.text for chunk in prose("faq", "en")}
    (keynote,) = (row for row in rows if row["kind"] == "keynote")
    said = faq["The keynote"] + faq["The keynote speaker"]
    for fact in (keynote["day"], keynote["room"], keynote["speaker"], "9:30 am"):
        assert fact in said
    assert keynote["start"] == "09:30"
    last = max(rows, key=lambda row: (row["date"], row["end"]))
    assert f"{last['day']} from 4 pm to 5 pm in the {last['room']}" in faq["The closing session"]
    assert (last["start"], last["end"]) == ("16:00", "17:00")
    workshops = [row for row in rows if row["kind"] == "workshop"]
    assert len(workshops) == 4
    assert "four workshops, in the Tower Room and the Garden Room" in faq["Workshops"]
    assert {row["room"] for row in workshops} == {"Tower Room", "Garden Room"}
    assert all(row["track"] in faq["Tracks"] for row in rows)


@pytest.mark.parametrize(
    ("day", "breaks"),
    [
        ("Wednesday", ["10:30", "12:45", "16:00"]),
        ("Thursday", ["11:15", "12:30", "15:45"]),
        ("Friday", ["11:15", "12:30", "15:45"]),
    ],
)
def test_breaks_do_not_overlap_talks(day: str, breaks: list[str]) -> None:
    """Times as practical.md has them: each begins when talks end and no other event takes place."""
    rows = [row for row in agenda() if row["day"] == day]
    for time in breaks:
        assert any(row["end"] == time for row in rows)
        assert not any(row["start"] <= time < row["end"] for row in rows)
    said = " ".join(chunk.text for chunk in prose("practical", "it"))
    assert all(time.removesuffix(":00") in said for time in breaks)


def test_breaks_are_long_enough_to_change_rooms() -> None:
    for day in {row["date"] for row in agenda()}:
        slots = sorted({(row["start"], row["end"]) for row in agenda() if row["date"] == day})
        for (_, end), (start, _) in pairwise(slots):
            assert (at(start) - at(end)).total_seconds() >= 15 * 60


def at(time: str) -> datetime:
    return datetime.strptime(time, "%H:%M")


def test_the_map_knows_every_room_in_every_language() -> None:
    (tool,) = CHARLOTTE.tools()
    properties = tool.parameters["properties"]
    assert isinstance(properties, dict)
    place = properties["place"]
    synonyms = place["x-synonyms"]
    for row in agenda():
        name = row["room"].lower().replace(" ", "_")
        assert name in place["enum"]
        assert row["room_it"] in synonyms[name]["it"]
        assert row["room_es"] in synonyms[name]["es"]
    assert set(synonyms) <= set(place["enum"])
    assert set(place["x-map"]["places"]) == set(place["enum"])
    assert set(place["x-map"]["floors"]) == set(CHARLOTTE.languages)


def test_it_greets_and_is_instructed_in_all_its_languages() -> None:
    assert len({CHARLOTTE.greeting(language) for language in CHARLOTTE.languages}) == 3
    assert len({CHARLOTTE.instructions(None, each) for each in CHARLOTTE.languages}) == 3
    assert "member of staff" in CHARLOTTE.instructions("staff", "en")
    assert "member of staff" not in CHARLOTTE.instructions("guest", "en")


BRAIN = Responder(
    ingest.read_files(CHARLOTTE.knowledge_files(), CHARLOTTE.languages).chunks,
    languages=CHARLOTTE.languages,
    name=CHARLOTTE.title(),
    now=lambda: datetime(2027, 5, 12, 9, 0),
)


def ask(words: str, language: str) -> str:
    """Return the embedded brain's answer, or the arguments of its tool call."""
    history = (Message(role="user", content=(Part(type="input_text", text=words),)),)
    question = GenerateRequest(
        instructions=CHARLOTTE.instructions(None, language),
        history=history,
        tools=CHARLOTTE.tools(),
        language=language,
    )
    reply = BRAIN.reply(excerpt(question))
    return reply.text or json.dumps(reply.arguments)


@pytest.mark.parametrize(
    ("language", "question", "answer"),
    [
        ("en", "When does the keynote start?", "Wednesday at 9:30 am"),
        ("en", "Who gives the keynote?", "Elena Marchetti"),
        ("en", "Where is the Tower Room?", "second floor"),
        ("en", "Who speaks about dialects?", "Carmelo Russo"),
        ("en", "How much is a ticket?", "sixty euros"),
        ("en", "Are the talks recorded?", "are recorded"),
        ("en", "Show me the river room on the map", "river_room"),
        ("it", "Quando inizia il keynote?", "mercoledì alle 9:30"),
        ("it", "Dove sono i bagni?", "ogni piano"),
        ("it", "Mostrami la sala del fiume sulla mappa", "river_room"),
        ("es", "¿Cuándo empieza la conferencia inaugural?", "miércoles a las 9:30"),
        ("es", "¿Dónde dejo la maleta?", "guardarropa"),
        ("es", "Muéstrame la sala del río en el mapa", "river_room"),
    ],
)
def test_visitors_questions_are_answered(language: str, question: str, answer: str) -> None:
    assert answer in ask(question, language)
