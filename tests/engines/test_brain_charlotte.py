"""Charlotte, as she ships, asked what visitors ask."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest

import vivavoce
from vivavoce.core.types import ToolSpec
from vivavoce.knowledge import ingest
from vivavoce.knowledge.normalize import LANGUAGES
from vivavoce_embedded.brain.responder import Responder

from ..support.folders import files
from .brain_talk import Talk

FOLDER = Path(vivavoce.__file__).parent / "examples" / "charlotte"
CHUNKS = ingest.read_files(files(FOLDER, "knowledge/*"), LANGUAGES).chunks
DAY_BEFORE = dt.datetime(2027, 5, 11, 9, 0)
CHARLOTTE = Responder(CHUNKS, languages=LANGUAGES, name="Charlotte", now=lambda: DAY_BEFORE)
SHOW_MAP = ToolSpec(
    name="show_map",
    description="Show a map of the venue on the visitor's screen",
    parameters=msgspec.json.decode((FOLDER / "tools" / "show_map.json").read_bytes()),
)


def test_what_the_author_wrote_as_a_question_finds_its_answer() -> None:
    missed = []
    for chunk in CHUNKS:
        for question in chunk.also:
            talk = Talk(SHOW_MAP, brain=CHARLOTTE)
            talk.language = chunk.language
            if talk.say(question).chunk_id != chunk.id:
                missed.append(question)
    # The one may stand under two headings.
    assert len(missed) <= 2, missed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("When does the keynote start?", "9:30 am"),
        ("when does the key note starts", "9:30 am"),
        ("who gives the keynote", "Elena Marchetti"),
        ("what comes after the keynote", "The sound of a square"),
        ("which workshops are there on friday", "A choir of neighbours"),
        ("how many talks are on thursday", "There are 10"),
        ("who speaks about libraries", "Nuria Campos"),
        ("what is the talk by nuria campos about", "reading groups"),
        ("how do i get to the airport", "coach to Porta Susa"),
        ("do you have gluten free food", "gluten free dishes"),
        ("who are you", "I am Charlotte, the voice of the info point"),
        ("quando inizia il keynote?", "9:30"),
        ("qual è il primo intervento di venerdì?", "silenzio"),
        ("dov'è la sala del fiume?", "primo piano"),
        ("¿cuándo empieza la conferencia inaugural?", "9:30"),
        ("¿quién habla de bibliotecas?", "Nuria Campos"),
        ("¿cuánto cuesta una entrada?", "sesenta euros"),
    ],
)
def test_visitors_get_an_answer(text: str, expected: str) -> None:
    assert expected in Talk(SHOW_MAP, brain=CHARLOTTE).say(text).text


@pytest.mark.parametrize(
    "text",
    [
        "what is the capital of france",
        "what's the weather like",
        "tell me a joke",
        "where is the swimming pool",
        "how far is the moon",
        "quanto fa due più due",
        "¿quién es el rey?",
    ],
)
def test_what_charlotte_cannot_know_she_does_not_say(text: str) -> None:
    assert Talk(SHOW_MAP, brain=CHARLOTTE).say(text).kind == "unknown"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("show me the river room on the map", "river_room"),
        ("mostrami i bagni sulla mappa", "toilets"),
        ("muéstrame la sala principal en el mapa", "main_hall"),
    ],
)
def test_the_map_is_shown(text: str, place: str) -> None:
    reply = Talk(SHOW_MAP, brain=CHARLOTTE).say(text)
    assert (reply.name, reply.arguments) == ("show_map", {"place": place})
    assert Talk(SHOW_MAP, brain=CHARLOTTE).say("show me a map").kind == "ask"
