"""What the embedded brain answers from files as authors write them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from vivavoce.file_reading import FolderFile
from vivavoce.knowledge import ingest
from vivavoce.knowledge.chunks import markdown
from vivavoce_embedded.brain.responder import Responder

from .brain_talk import Talk

ODD = Path(__file__).parents[1] / "knowledge" / "odd"


def brain(name: str, now: str) -> Talk:
    chunks = ingest.load([FolderFile(ODD, name)], ["en"])
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
    chunks = ingest.load([FolderFile(ODD, "html.md")], ["en"])
    talk = Talk(brain=Responder(chunks, languages=["en"]))
    for question in (
        "what is the secret price list",
        "how much is the house",
        "tell me about todo",
    ):
        assert "500" not in talk.say(question).text
    assert "12 euros" in talk.say("how much is breakfast").text
