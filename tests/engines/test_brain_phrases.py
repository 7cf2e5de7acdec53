"""A phrase with parameters becomes a tool call, in the three languages of the embedded brain."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
import pytest
from pydantic import Field

from vivavoce import tool
from vivavoce.core.types import ToolSpec
from vivavoce.tools.functions import DECLARATION
from vivavoce_embedded.brain import templates, tools
from vivavoce_embedded.brain.budget import Budget
from vivavoce_embedded.brain.responder import Responder
from vivavoce_embedded.brain.utterance import UserUtterance

from .brain_talk import WEDNESDAY, Talk


class Foot(StrEnum):
    LEFT = "left"
    RIGHT = "right"


@tool(
    phrases={
        "en": ["save {name} as {position}", "save {name} as {position} with a rating of {rating}",
               "{name} kicks with the {foot}"],
        "it": ["salva {name} come {position}", "salva {name} come {position} con valore {rating}",
               "{name} calcia di {foot}"],
        "es": ["guarda a {name} como {position}",
               "guarda a {name} como {position} con valor {rating}"],
    },
    slots={
        "name": {"ask": {"en": "Which player?", "it": "Quale giocatore?", "es": "¿Qué jugador?"}},
        "position": {
            "ask": {"en": "In which position?", "it": "In che ruolo?", "es": "¿En qué posición?"},
            "synonyms": {"striker": {"it": ["attaccante"], "es": ["delantero"]},
                         "keeper": {"en": ["goalkeeper"], "it": ["portiere"], "es": ["portero"]}},
        },
        "foot": {"synonyms": {"left": {"it": ["sinistro"]}, "right": {"it": ["destro"]}}},
    },
)  # fmt: skip
def save_player(
    name: str,
    position: Literal["striker", "keeper"],
    rating: Annotated[int, Field(ge=40, le=110)] | None = None,
    foot: Foot | None = None,
) -> str:
    """Save a player."""
    return name


@tool(
    phrases={
        "en": ["my squad {squad} is {players}", "add {players} to {squad} {change=add}"],
        "it": ["la mia rosa {squad} sono {players}"],
        "es": ["mi plantilla {squad} es {players}"],
    }
)
def update_squad(
    squad: str, players: list[str], change: Literal["replace", "add"] = "replace"
) -> str:
    """Replace the players of a squad."""
    return squad


@tool(phrases={"en": ["we play on {day}"], "it": ["giochiamo {day}"], "es": ["jugamos {day}"]})
def plan_match(day: dt.date) -> str:
    """Plan a match."""
    return day.isoformat()


SPECS: list[ToolSpec] = [
    getattr(each, DECLARATION).spec for each in (save_player, update_squad, plan_match)
]


def talk(language: str) -> Talk:
    brain = Responder(languages=("en", "it", "es"), now=lambda: WEDNESDAY)
    told = Talk(*SPECS, brain=brain)
    told.language = language
    return told


@pytest.mark.parametrize(
    ("language", "said", "name", "arguments"),
    [
        ("en", "Save Marco Rossi as striker.", "save_player",
         {"name": "Marco Rossi", "position": "striker"}),
        ("en", "please save Buffon as goalkeeper with a rating of ninety five", "save_player",
         {"name": "Buffon", "position": "keeper", "rating": 95}),
        ("it", "Salva Totò Schillaci come attaccante con valore novantadue", "save_player",
         {"name": "Totò Schillaci", "position": "striker", "rating": 92}),
        ("es", "Guarda a Iker Casillas como portero con valor 93, por favor.", "save_player",
         {"name": "Iker Casillas", "position": "keeper", "rating": 93}),
        ("en", "My squad Sunday is Rossi, Baggio and Del Piero", "update_squad",
         {"squad": "Sunday", "players": ["Rossi", "Baggio", "Del Piero"]}),
        ("en", "add Tardelli to Sunday", "update_squad",
         {"squad": "Sunday", "players": ["Tardelli"], "change": "add"}),
        ("it", "La mia rosa Azzurri sono Zoff, Baresi e Rossi", "update_squad",
         {"squad": "Azzurri", "players": ["Zoff", "Baresi", "Rossi"]}),
        ("es", "Mi plantilla Roja es Xavi, Puyol y Torres", "update_squad",
         {"squad": "Roja", "players": ["Xavi", "Puyol", "Torres"]}),
        ("en", "we play on friday", "plan_match", {"day": "2027-06-18"}),
        ("it", "giochiamo domani", "plan_match", {"day": "2027-06-17"}),
        ("es", "jugamos el viernes", "plan_match", {"day": "2027-06-18"}),
    ],
)  # fmt: skip
def test_a_phrase_becomes_a_call(
    language: str, said: str, name: str, arguments: dict[str, object]
) -> None:
    reply = talk(language).say(said)
    assert (reply.kind, reply.name, reply.arguments) == ("call", name, arguments)


def test_a_class_of_choices_is_a_choice() -> None:
    it = talk("it")
    reply = it.say("Baggio calcia di destro")
    assert (reply.kind, reply.text) == ("ask", "In che ruolo?")
    reply = it.say("attaccante")
    assert reply.arguments == {"name": "Baggio", "position": "striker", "foot": "right"}


def test_the_answer_to_a_question_completes_a_phrase() -> None:
    en = talk("en")
    reply = en.say("Baggio kicks with the right")
    assert (reply.kind, reply.text) == ("ask", "In which position?")
    reply = en.say("he is a striker")
    assert reply.arguments == {"name": "Baggio", "position": "striker", "foot": "right"}


def candidate(said: str) -> tools.Candidate:
    specs = [msgspec.json.encode(spec) for spec in SPECS]
    found = tools.best(specs, UserUtterance(said, "en"), WEDNESDAY.date(), Budget())
    assert found is not None
    return found


@pytest.mark.parametrize(
    "said",
    [
        "save Rossi as pizza",
        "I know somebody who says save Rossi as striker",
        "save Rossi as striker in the fridge of my uncle Bob",
        "save Rossi as striker with a rating of 900",
        "save as striker",
        "save one two three four five six seven eight nine as striker",
    ],
)
def test_other_words_than_a_phrase_are_not_certain(said: str) -> None:
    assert candidate("save Rossi as striker").score >= templates.CERTAIN
    assert candidate(said).score < templates.CERTAIN


def test_the_phrase_with_most_words_is_meant() -> None:
    assert candidate("save Rossi as striker with a rating of 90").arguments["rating"] == 90


def test_a_request_in_the_form_of_a_question_is_a_phrase() -> None:
    assert talk("en").say("Can you please save Rossi as striker?").kind == "call"


@tool(
    phrases={"en": ["remember that {text}", "remember something"]},
    slots={"text": {"ask": {"en": "What shall I remember?"}, "after": ["remember that"]}},
)
def remember(text: str) -> str:
    """Remember a note."""
    return text


@tool(phrases={"en": ["read my notes"]})
def read_notes() -> str:
    """Read the notes."""
    return ""


NOTES = [getattr(each, DECLARATION).spec for each in (remember, read_notes)]


def test_free_text_at_the_end_of_a_phrase_may_be_a_sentence() -> None:
    note = "my sister Clara lives in an old mill, on the river, and keeps bees"
    assert Talk(*NOTES).say(f"Remember that {note}").arguments == {"text": note}


def test_english_i_stays_in_a_text() -> None:
    said = Talk(*NOTES).say("Remember that I play the cello")
    assert said.arguments == {"text": "I play the cello"}


def test_phrase_of_another_tool_requests_it_while_a_text_is_asked_for() -> None:
    talk = Talk(*NOTES)
    assert talk.say("Remember something").text == "What shall I remember?"
    assert talk.say("Read my notes").name == "read_notes"
    talk = Talk(*NOTES)
    talk.say("Remember something")
    assert talk.say("Clara is in the red book").arguments == {"text": "Clara is in the red book"}


def test_phrase_without_parameters_goes_before_the_knowledge() -> None:
    """The knowledge of the fair has an answer to each of these."""
    for question in ("When does the fair open?", "How much is a ticket?"):
        talk = Talk()
        assert talk.say(question).kind == "answer"

        def asked() -> str:
            """Answer the question."""
            return ""

        declared = tool(phrases={"en": [question]})(asked)
        spec = getattr(declared, DECLARATION).spec
        assert Talk(spec).say(question).kind == "call"


@tool(
    phrases={
        "en": ["remember that {text}", "take a note"],
        "it": ["ricorda che {text}", "prendi un appunto"],
        "es": ["recuerda que {text}", "toma una nota"],
    }
)
def note(text: str) -> None:
    """Remember something."""


NOTE: ToolSpec = getattr(note, DECLARATION).spec


@pytest.mark.parametrize(
    ("language", "said", "text"),
    [
        ("en", "remember that the plumber comes on Friday", "the plumber comes on Friday"),
        ("en", "remember that a red bag is mine", "a red bag is mine"),
        ("it", "ricorda che il mio cane si chiama Biscotto", "il mio cane si chiama Biscotto"),
        ("it", "ricorda che una volta basta", "una volta basta"),
        ("es", "recuerda que el viernes viene Ana", "el viernes viene Ana"),
        ("es", "recuerda que las llaves son de Ana", "las llaves son de Ana"),
    ],
)
def test_a_free_text_keeps_its_leading_article(language: str, said: str, text: str) -> None:
    talk = Talk(NOTE)
    talk.language = language
    assert talk.say(said).arguments == {"text": text}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "the plumber comes on Friday"), ("en", "a red bag is mine"),
        ("it", "il cane si chiama Biscotto"), ("es", "el perro se llama Biscotto"),
    ],
)  # fmt: skip
def test_a_free_text_that_was_asked_for_keeps_its_leading_article(language: str, text: str) -> None:
    asks = {"en": "take a note", "it": "prendi un appunto", "es": "toma una nota"}
    talk = Talk(NOTE)
    talk.language = language
    assert talk.say(asks[language]).kind == "ask"
    assert talk.say(text).arguments == {"text": text}
