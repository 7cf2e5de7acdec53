"""The files of the knowledge change while calls run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from vivavoce.app.adapters import Adapters, known
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import Assistant, load
from vivavoce.config import Settings
from vivavoce.core.effects import Respond, SearchKnowledge
from vivavoce.core.inputs import CutShort, KnowledgeFound, OutputChunk, ToolRequested
from vivavoce.engines import knowledge_watch
from vivavoce.engines.base import GenerateOutput, GenerateRequest
from vivavoce.engines.cascade import Cascade
from vivavoce.engines.passages import PassageSearch, SearchOptions
from vivavoce.engines.resources import AdapterResources
from vivavoce.protocol.config import SessionConfig
from vivavoce.protocol.items import Message, Part
from vivavoce.runtime.knowledge_work import KnowledgeWork
from vivavoce.tools.base import ToolContext, ToolRequest
from vivavoce.tools.knowledge import KnowledgeTool

from ..support.engines import engine_of
from ..support.fakes import FakeStt, FakeTts
from ..support.folders import write
from ..support.real_time import live

CALLS, EDITS = 20, 500
PATIENT = SearchOptions(budget_s=5.0)  # the machine of the tests may be busy


def ada(folder: Path, toml: str = 'name = "ada"\n', **files: str) -> Assistant:
    return load(write(folder, toml, **files), known())


def asked(text: str) -> Respond:
    message = Message(role="user", content=(Part(type="input_text", text=text),))
    return Respond("resp_1", SessionConfig(output_modalities=("text",)), (message,))


class Repeat:
    """A brain that says the best passage."""

    async def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        for passage in question.passages[:1]:
            yield passage.text


async def answer(cascade: Cascade, text: str) -> str:
    said: list[str] = []

    async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
        if isinstance(event, OutputChunk):
            said.append(event.text)

    await cascade.respond(asked(text), emit)
    return "".join(said)


@asynccontextmanager
async def followed(folder: Path, assistant: Assistant) -> AsyncIterator[AdapterResources]:
    async with AdapterResources(Settings(), folder / "cache") as resources:
        task = asyncio.create_task(knowledge_watch.follow(resources, [assistant]))
        await asyncio.sleep(0.3)  # until the system reports changes
        try:
            yield resources
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def call(resources: AdapterResources, assistant: Assistant) -> Cascade:
    retriever = await resources.retriever(assistant)
    revision = partial(resources.revision, assistant)
    search = PassageSearch(retriever, "en", PATIENT, revision=revision)
    return Cascade(FakeStt(), Repeat(), FakeTts(), knowledge=search)


async def becomes(cascade: Cascade, question: str, expected: str) -> float:
    """Return after how many seconds the answer is the expected one."""
    began = time.monotonic()
    while await answer(cascade, question) != expected:
        assert time.monotonic() - began < 10, expected
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def test_a_file_and_a_fact_are_right_in_a_running_call_within_a_second(tmp_path: Path) -> None:
    assistant = ada(tmp_path, knowledge__a_md="# Lunch\nLunch is at one.")
    folder = assistant.folder / "knowledge"

    async def story() -> None:
        async with followed(tmp_path, assistant) as resources:
            running = await call(resources, assistant)
            assert await answer(running, "lunch") == "Lunch is at one."
            (folder / "a.md").write_text("# Lunch\nLunch is at two.")
            assert await becomes(running, "lunch", "Lunch is at two.") < 1
            (folder / "facts.toml").write_text('[lift]\ntext = "The lift works again."\n')
            assert await becomes(running, "lift", "The lift works again.") < 1
            (folder / "new").mkdir()
            (folder / "new/b.txt").write_text("The keys are at the desk.")
            assert await becomes(running, "keys", "The keys are at the desk.") < 1
            (folder / "a.md").unlink()
            assert await becomes(running, "lunch", "") < 1

    live(story())


@pytest.mark.alone
def test_no_answer_is_stale_a_second_after_one_of_500_edits_under_20_calls(tmp_path: Path) -> None:
    async def every_turn(resources: AdapterResources, assistant: Assistant) -> Ask:
        return partial(answer, await call(resources, assistant))

    edited(tmp_path, every_turn, calls=CALLS, edits=EDITS)


def test_no_search_by_a_tool_is_stale_a_second_after_an_edit(tmp_path: Path) -> None:
    async def tool(resources: AdapterResources, assistant: Assistant) -> Ask:
        search = KnowledgeTool(await resources.retriever(assistant))

        async def ask(text: str) -> str:
            request = ToolRequest("call_1", "search_knowledge", json.dumps({"query": text}))
            found = json.loads((await search.call(request, ToolContext())).output)
            return str(found["passages"][0]["text"])

        return ask

    edited(tmp_path, tool, calls=5, edits=120)


def test_no_search_in_front_of_a_hosted_model_is_stale_a_second_after_an_edit(
    tmp_path: Path,
) -> None:
    async def relayed(resources: AdapterResources, assistant: Assistant) -> Ask:
        retriever = await resources.retriever(assistant)
        revision = partial(resources.revision, assistant)
        search = PassageSearch(retriever, "en", PATIENT, revision=revision)

        async def ask(text: str) -> str:
            found: list[str] = []

            async def put(passages: KnowledgeFound) -> None:
                found.append(passages.passages)

            async with asyncio.TaskGroup() as tasks:
                work = KnowledgeWork(search, "rtc_1")
                work.begin(tasks)
                work.search(SearchKnowledge("search_1", text), put)
            said = re.search(r"Lunch is at number \d+\.", found[0])
            assert said is not None
            return said[0]

        return ask

    edited(tmp_path, relayed, calls=5, edits=120)


Ask = Callable[[str], Coroutine[Any, Any, str]]


def edited(
    tmp_path: Path,
    begin: Callable[[AdapterResources, Assistant], Coroutine[Any, Any, Ask]],
    *,
    calls: int,
    edits: int,
) -> None:
    """Edit a file while calls ask. No answer is older than a second."""
    assistant = ada(tmp_path, knowledge__a_md="# Lunch\nLunch is at number 0.")
    file = assistant.folder / "knowledge/a.md"
    written: list[float] = [time.monotonic()]  # the time of each edit
    answers = 0

    def number_of(said: str) -> int:
        return int(said.removeprefix("Lunch is at number ").removesuffix("."))

    async def keep_asking(ask: Ask) -> None:
        nonlocal answers
        while len(written) <= edits:
            began = time.monotonic()
            number = number_of(await ask("lunch"))
            old = sum(at < began - 1.0 for at in written) - 1  # the last edit a second before
            assert number >= old, (number, old)
            answers += 1
            await asyncio.sleep(0.05)

    async def edit() -> None:
        part = file.with_suffix(".part")
        for number in range(1, edits + 1):
            part.write_text(f"# Lunch\nLunch is at number {number}.")
            part.replace(file)  # as editors save
            written.append(time.monotonic())
            await asyncio.sleep(0.015)

    async def story() -> None:
        async with followed(tmp_path, assistant) as resources:
            running = [await begin(resources, assistant) for _ in range(calls)]
            async with asyncio.TaskGroup() as tasks:
                for ask in running:
                    tasks.create_task(keep_asking(ask))
                tasks.create_task(edit())
            assert answers > calls
            began = time.monotonic()
            for ask in running:
                while number_of(await ask("lunch")) != edits:
                    assert time.monotonic() - began < 1
                    await asyncio.sleep(0.02)

    live(story())


def test_the_embedded_brain_answers_from_a_file_that_changed_in_its_call(tmp_path: Path) -> None:
    assistant = ada(tmp_path, knowledge__a_md="# Lunch\nLunch is at one o'clock in the hall.")

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "data")) as adapters:
            task = asyncio.create_task(adapters.follow_knowledge([assistant]))
            engine = await engine_of(adapters, assistant, "en")
            assert isinstance(engine, Cascade)
            await asyncio.sleep(0.3)
            assert "at one o'clock" in await answer(engine, "when is lunch")
            file = assistant.folder / "knowledge/a.md"
            file.write_text("# Lunch\nLunch is at two o'clock in the hall.")
            await becomes(engine, "when is lunch", "Lunch is at two o'clock in the hall.")
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    live(story())


def test_files_are_examined_where_the_system_does_not_report_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unable(*_: object, **__: object) -> AsyncIterator[object]:
        raise OSError("no watches are left")

    monkeypatch.setattr(watchfiles, "awatch", unable)
    monkeypatch.setattr(knowledge_watch, "EXAMINE_S", 0.1)
    assistant = ada(tmp_path, knowledge__a_md="# Lunch\nLunch is at one.")

    async def story() -> None:
        async with followed(tmp_path, assistant) as resources:
            running = await call(resources, assistant)
            assert await answer(running, "lunch") == "Lunch is at one."
            (assistant.folder / "knowledge/a.md").write_text("# Lunch\nLunch is at noon.")
            await becomes(running, "lunch", "Lunch is at noon.")

    live(story())
    assert "knowledge_not_watched" in [each.message for each in caplog.records]
