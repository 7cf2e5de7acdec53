"""The page about tools runs as it is shown."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from vivavoce.app.catalogue import check_assistant
from vivavoce.tools.base import ToolContext, ToolRequest
from vivavoce.tools.database import AssistantDatabase
from vivavoce.tools.function_table import functions_of
from vivavoce.tools.functions import FunctionRunner
from vivavoce.tools.runners import ToolRunners
from vivavoce_embedded.brain.responder import Responder

from ..engines.brain_talk import Talk

PAGE = (Path(__file__).parents[2] / "docs/how-to/tools.md").read_text("utf-8")
PYTHON, PHRASES, SCHEMA, BOOK, TABLE, HTTP = (
    text for _, text in re.findall(r"<!-- run: .*? -->\n```(\w+)\n(.*?)```", PAGE, re.DOTALL)
)
HEAD = (
    'name = "ada"\nlanguages = ["en", "it"]\nengine = "scripted"\ninstructions.default = "Help."\n'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ada"
    folder.mkdir()
    (folder / "assistant.toml").write_text(HEAD + TABLE + HTTP)
    (folder / "tools.py").write_text(PYTHON)
    return folder


def test_the_assistant_of_the_page_has_no_mistakes(folder: Path) -> None:
    checked = check_assistant(folder)
    assert checked.functions == 2
    free, book = functions_of(checked.assistant)
    assert free.spec.parameters["properties"] == {
        "day": {"type": "string", "format": "date", "description": "the evening"}
    }
    assert (book.rules.timeout_s, book.rules.approve, book.rules.repeat) == (10.0, "user", "join")


def test_its_functions_do_what_the_page_says(folder: Path) -> None:
    async def story() -> list[str]:
        runners = ToolRunners([FunctionRunner(functions_of(check_assistant(folder).assistant))])
        context = ToolContext(call_id="rtc_1", subject="Ada")
        arguments = {"day": "2027-03-01"}
        calls = [("free_seats", arguments), ("book_seats", arguments | {"seats": 3}),
                 ("free_seats", arguments)]  # fmt: skip
        results = [
            await runners.call(ToolRequest(f"call_{n}", name, json.dumps(given)), context)
            for n, (name, given) in enumerate(calls)
        ]
        return [result.output for result in results]

    booked = '{"day":"2027-03-01","seats":3,"guest":"Ada"}'
    assert asyncio.run(story()) == ["4", booked, "1"]


def test_its_database_does_what_the_page_says(tmp_path: Path) -> None:
    folder = tmp_path / "bea"
    (folder / "migrations").mkdir(parents=True)
    (folder / "assistant.toml").write_text(HEAD.replace("ada", "bea"))
    (folder / "tools.py").write_text(BOOK)
    (folder / "migrations/0001_first.sql").write_text(SCHEMA)

    async def story() -> list[str]:
        database = AssistantDatabase(tmp_path / "databases/bea.db", folder)
        functions = functions_of(check_assistant(folder).assistant)
        runners = ToolRunners([FunctionRunner(functions, database=lambda: database)])
        results = []
        for guest in ("Ada", "Bea", "Cara"):
            arguments = json.dumps({"day": "2027-03-01", "guest": guest})
            request = ToolRequest(f"call_{guest}", "book", arguments)
            results.append(await runners.call(request, ToolContext(call_id="rtc_1")))
        await database.close()
        return [result.output for result in results]

    assert asyncio.run(story()) == ["Booked for Ada.", "Booked for Bea.", "That evening is full."]


def test_its_phrases_become_calls(folder: Path) -> None:
    (folder / "tools.py").write_text(PHRASES)
    (folder / "assistant.toml").write_text(HEAD)
    (spec,) = (each.spec for each in functions_of(check_assistant(folder).assistant))
    talk = Talk(spec, brain=Responder(languages=("en", "it")))
    talk.language = "it"
    wanted = {"name": "Zoff", "position": "keeper"}
    assert talk.say("Salva Zoff come portiere, per favore").arguments == wanted
