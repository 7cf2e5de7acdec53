"""Questions in other words than the documents, in calls of a served process with its models.

The embedding model is another server, or a real one in a process of the server's own.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ..support.embedding_server import MODEL, embedding_server
from ..support.model_server import model_server
from ..support.served import TAKES_ALL, serve
from .test_sources_of_models import CHAT, House, Talk, call

E5 = Path(os.environ.get("VIVAVOCE_TEST_E5", Path(__file__).parents[2] / ".setup" / "e5"))
LIMIT_S = 20.0  # until all pieces have their vectors
SCRIPT = '[[rules]]\nwhen = ""\nsay = "As the documents say."\n'
KNOWLEDGE = """
# Ferries
The boat to the island leaves at ten.

# Lunch
Lunch is served in the foyer at one.
"""
OTHER_WORDS = "Which ship sails to the isle?"
SAME_WORDS = "When does the boat leave?"


@contextmanager
def house(folder: Path, embedding: str, settings: str) -> Iterator[House]:
    """Serve the assistant `chat`, whose knowledge is in English."""
    place = folder / "assistants/chat"
    (place / "knowledge").mkdir(parents=True)
    (place / "knowledge/a.en.md").write_text(KNOWLEDGE)
    told = f'[knowledge]\nembedding = "{embedding}"\nbudget_ms = 2000\nmin_score = 0.25\n'
    toml = f'name = "chat"\nlanguages = ["en", "it"]\n{CHAT}{told}'
    (place / "assistant.toml").write_text(toml)
    (folder / "vivavoce.toml").write_text(settings)
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    with (
        model_server(script) as model,
        serve(folder, **TAKES_ALL, VIVAVOCE_OPENAI__BASE_URL=model.url) as served,
    ):
        yield House(served, served.key("--name", "tests"))


async def titles(talk: Talk, question: str) -> list[str]:
    """Return the titles of an answer's sources; none if the answer has no passages."""
    item = await talk.ask(question)
    return await talk.sources(item) if item in talk.cited else []


async def first_title(talk: Talk, question: str) -> str:
    """Ask until the pieces have their vectors. Return the title of the best source."""
    async with asyncio.timeout(LIMIT_S):
        while not (found := await titles(talk, question)):
            pass
    return found[0]


def test_a_call_is_answered_by_meaning_and_by_words_after_the_model_has_stopped(
    tmp_path: Path,
) -> None:
    async def story(house: House, stop_the_model: ExitStack) -> None:
        async with call(house, "chat") as talk:
            assert await first_title(talk, OTHER_WORDS) == "Ferries"
            await asyncio.to_thread(stop_the_model.close)
            assert await titles(talk, "Does a ship sail to the isle?") == [], (
                "no such word is there"
            )
            assert await titles(talk, SAME_WORDS) == ["Ferries"]

    with ExitStack() as running:
        server = running.enter_context(
            embedding_server(synonyms={"ship": "boat", "isle": "island"})
        )
        settings = f'[embedding]\nbase_url = "{server.url}"\nmodel = "{MODEL}"\n'
        with house(tmp_path, "openai", settings) as served:
            asyncio.run(story(served, running))
        log = served.served.log.read_text()
    assert "embedding_failed" in log
    assert "isle" not in log


@pytest.mark.long
def test_a_call_is_answered_in_another_language_by_a_local_model(tmp_path: Path) -> None:
    table = {"folder": str(E5), "query_prefix": "query: ", "passage_prefix": "passage: "}
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]

    async def story(house: House) -> None:
        async with call(house, "chat") as talk:
            assert await first_title(talk, OTHER_WORDS) == "Ferries"
            await house.change(talk.call_id, language="it")
            assert (await titles(talk, "A che ora parte la nave per l'isola?"))[0] == "Ferries"

    with house(tmp_path, "onnx", "\n".join(["[adapters.onnx]", *lines, ""])) as served:
        asyncio.run(story(served))
