"""The tool with which a model searches the knowledge."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from vivavoce.app.adapters import Adapters, known
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import load
from vivavoce.config import Settings
from vivavoce.errors import EngineError
from vivavoce.knowledge.chunks import markdown
from vivavoce.knowledge.memory import MemoryRetriever
from vivavoce.testing.contracts import tool
from vivavoce.tools.base import ToolContext, ToolRequest
from vivavoce.tools.knowledge import CITE, NOTE, NOTHING, KnowledgeTool

from ..support.folders import write
from ..support.real_time import live

HOUSE = markdown("# Lunch\nLunch is at one.\n\n# Dinner\nDinner is at eight.", "en", "house.md")
LUNCH = {
    "note": NOTE,
    "passages": [{"source": "house.md", "title": "Lunch", "text": "Lunch is at one."}],
}


class _Opened:
    """Join the contract suite by one line."""

    async def __aenter__(self) -> KnowledgeTool:
        return KnowledgeTool(MemoryRetriever(HOUSE))

    async def __aexit__(self, *_: object) -> None: ...


CASE = tool.Case(
    _Opened, "search_knowledge", '{"query": "when is lunch"}', json.dumps(LUNCH, ensure_ascii=False)
)


@pytest.mark.parametrize("check", tool.CHECKS)
def test_the_search_keeps_the_contract_of_tools(check: tool.Check) -> None:
    check(CASE)


def call(runner: KnowledgeTool, query: str) -> dict[str, Any]:
    request = ToolRequest("call_1", "search_knowledge", json.dumps({"query": query}))
    result = asyncio.run(runner.call(request, tool.CONTEXT))
    assert not result.failed
    told: dict[str, Any] = json.loads(result.output)
    return told


def test_a_search_without_a_passage_says_so() -> None:
    runner = KnowledgeTool(MemoryRetriever(HOUSE), min_score=0.9)
    assert call(runner, "where is the lift") == {"passages": [], "note": NOTHING}
    assert call(runner, "lunch for a dog in the garden") == {"passages": [], "note": NOTHING}


def test_the_model_is_asked_to_name_the_source_if_answers_are_cited_aloud() -> None:
    assert call(KnowledgeTool(MemoryRetriever(HOUSE), cite=True), "lunch")["note"] == NOTE + CITE


def test_an_assistant_that_asks_by_a_tool_has_it_and_gets_no_passages(tmp_path: Path) -> None:
    toml = 'name = "ada"\nknowledge.ask = "tool"\n[cascade]\nbrain = "openai"\n'
    ada = load(write(tmp_path, toml, knowledge__a_md="# Lunch\nLunch is at one."), known())

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "data")) as adapters:
            runners = await adapters.tools(ada)
            context = ToolContext(assistant="ada")
            assert [spec.name for spec in runners.specs(context)] == ["search_knowledge"]
            request = ToolRequest("call_1", "search_knowledge", '{"query": "lunch"}')
            assert "Lunch is at one." in (await runners.call(request, context)).output
            assert await adapters.passages(ada, "en") is None

    live(story())


@pytest.mark.parametrize("ask", ["off", "every_turn"])
def test_other_assistants_have_no_such_tool(tmp_path: Path, ask: str) -> None:
    ada = load(write(tmp_path, f'name = "ada"\nknowledge.ask = "{ask}"\n'), known())

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "data")) as adapters:
            assert (await adapters.tools(ada)).specs(ToolContext()) == ()
            assert (await adapters.passages(ada, "en") is None) == (ask == "off")

    live(story())


def test_a_tool_of_the_assistant_with_the_same_name_is_a_mistake_of_the_assistant(
    tmp_path: Path,
) -> None:
    toml = 'name = "ada"\nknowledge.ask = "tool"\n[[tools]]\nname = "search_knowledge"\n'
    ada = load(write(tmp_path, toml), known())

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "data")) as adapters:
            runners = await adapters.tools(ada)
            with pytest.raises(EngineError, match='two tools are named "search_knowledge"'):
                runners.specs(ToolContext())

    live(story())
