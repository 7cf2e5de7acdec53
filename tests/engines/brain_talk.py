"""A conversation with the embedded brain, held in a list of items as the session would."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncGenerator
from pathlib import Path

from vivavoce.core.types import JsonObject, ToolSpec
from vivavoce.engines.base import GenerateOutput, GenerateRequest
from vivavoce.knowledge import ingest
from vivavoce.knowledge.normalize import LANGUAGES
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message, Part
from vivavoce_embedded.brain.excerpt import excerpt
from vivavoce_embedded.brain.responder import Responder
from vivavoce_embedded.brain.utterance import BrainReply
from vivavoce_embedded.brain.wording import thoughts

from ..support.folders import files

DATA = Path(__file__).parent / "brain_data"
WEDNESDAY = dt.datetime(2027, 6, 16, 9, 0)  # the day before the fair's programme begins

FAIR_CHUNKS = ingest.read_files([*files(DATA, "*.md"), *files(DATA, "*.csv")], LANGUAGES).chunks


def fair(now: dt.datetime = WEDNESDAY) -> Responder:
    return Responder(FAIR_CHUNKS, languages=LANGUAGES, name="Aurora", now=lambda: now)


FAIR = fair()  # no brain keeps anything of a call, so all tests may share one


class InProcess:
    """The embedded brain without its processes, for stories in simulated time."""

    def __init__(self, responder: Responder = FAIR) -> None:
        self._responder = responder

    async def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        read = excerpt(question)
        for thought in thoughts(question, read, self._responder.reply(read)):
            yield thought


def user(text: str) -> Message:
    return Message(role="user", content=(Part(type="input_text", text=text),))


def assistant(text: str) -> Message:
    return Message(role="assistant", content=(Part(type="output_audio", transcript=text),))


class Talk:
    def __init__(self, *tools: ToolSpec, brain: Responder = FAIR) -> None:
        self.tools = tools
        self.brain = brain
        self.history: list[Item] = []
        self.choice: str | dict[str, object] = "auto"
        self.language: str | None = None
        self.limit: int | None = None

    def question(self) -> GenerateRequest:
        return GenerateRequest(
            instructions="Be kind.",
            history=tuple(self.history),
            tools=self.tools,
            tool_choice=self.choice,
            language=self.language,
            max_output_tokens=self.limit,
        )

    def say(self, text: str) -> BrainReply:
        self.history.append(user(text))
        return self._hear()

    def tool_answers(self, output: str) -> BrainReply:
        self.history.append(FunctionOutput(call_id="call_1", output=output))
        return self._hear()

    def _hear(self) -> BrainReply:
        reply = self.brain.reply(excerpt(self.question()))
        if reply.kind == "call":
            arguments = json.dumps(reply.arguments)
            self.history.append(
                FunctionCall(name=reply.name, call_id="call_1", arguments=arguments)
            )
        else:
            self.history.append(assistant(reply.text))
        return reply


def tool(
    name: str, description: str, required: tuple[str, ...] = (), **properties: JsonObject
) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=description,
        parameters={"type": "object", "properties": properties, "required": list(required)},
    )


BOOK_TABLE = tool(
    "book_table",
    "Book a table at the restaurant",
    ("people", "date", "time"),
    people={
        "type": "integer",
        "x-ask": {
            "en": "For how many people?",
            "it": "Per quante persone?",
            "es": "¿Para cuántas?",
        },
    },
    date={
        "type": "string",
        "format": "date",
        "x-ask": {"en": "For which day?", "it": "Per che giorno?", "es": "¿Para qué día?"},
    },
    time={
        "type": "string",
        "format": "time",
        "x-ask": {"en": "At what time?", "it": "A che ora?", "es": "¿A qué hora?"},
    },
)
SET_TIMER = tool("set_timer", "Set a timer", ("minutes",), minutes={"type": "integer"})
CALL_TAXI = tool(
    "call_taxi", "Call a taxi for the visitor", time={"type": "string", "format": "time"}
)
SHOW_MAP = tool(
    "show_map",
    "Show a map of the venue on the visitor's screen",
    ("place",),
    place={
        "type": "string",
        "enum": ["restaurant", "toilets", "planetarium"],
        "x-synonyms": {
            "toilets": {"en": ["restroom"], "it": ["bagni"], "es": ["aseos"]},
            "restaurant": {"it": ["ristorante"], "es": ["restaurante"]},
        },
    },
)
GET_WEATHER = tool(
    "get_weather",
    "Get the current weather for a city",
    ("city",),
    city={"type": "string", "description": "The city"},
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
SEND_PROGRAMME = tool(
    "send_programme",
    "Send the programme by email",
    ("address",),
    address={"type": "string", "format": "email", "description": "Email address"},
)
ALL = (BOOK_TABLE, SET_TIMER, CALL_TAXI, SHOW_MAP, GET_WEATHER, SEND_PROGRAMME)
