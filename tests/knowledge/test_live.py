"""Knowledge that changes while it is searched."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from pathlib import Path

import pytest

from vivavoce.assistants import Assistant, load
from vivavoce.knowledge import live as knowledge_live
from vivavoce.knowledge.live import LiveKnowledge

from ..support import documents
from ..support.folders import KNOWN, write
from ..support.real_time import live

NAME = 'name = "ada"\ntime_zone = "Europe/Rome"\n'


def assistant(folder: Path, **files: str | bytes) -> Assistant:
    return load(write(folder, NAME, **files), KNOWN)


async def said(knowledge: LiveKnowledge, query: str, language: str = "en") -> list[str]:
    return [each.text for each in await knowledge.search(query, language, 2)]


@pytest.fixture(params=["memory", "full text"])
def _index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the same stories to both kinds of index."""
    if request.param == "full text":
        monkeypatch.setattr(knowledge_live, "IN_MEMORY", 0)


@pytest.mark.usefixtures("_index")
def test_a_file_that_is_changed_added_or_removed_counts_after_a_refresh(tmp_path: Path) -> None:
    ada = assistant(tmp_path, knowledge__a_md="# Lunch\nLunch is at one.")
    file = ada.folder / "knowledge/a.md"

    async def story() -> None:
        knowledge = LiveKnowledge(ada, tmp_path / "cache")
        assert await said(knowledge, "lunch") == []
        assert await knowledge.refresh()
        assert await said(knowledge, "lunch") == ["Lunch is at one."]
        assert not await knowledge.refresh()
        file.write_text("# Lunch\nLunch is at two.")
        assert await knowledge.refresh()
        assert await said(knowledge, "lunch") == ["Lunch is at two."]
        (file.parent / "b.txt").write_text("The lunch costs ten euros.")
        assert await knowledge.refresh()
        assert len(await said(knowledge, "lunch")) == 2
        file.unlink()
        assert await knowledge.refresh()
        assert await said(knowledge, "lunch") == ["The lunch costs ten euros."]
        assert knowledge.snapshot.revision == 4

    live(story())


@pytest.mark.usefixtures("_index")
def test_a_language_without_files_follows_the_files_of_the_others(tmp_path: Path) -> None:
    ada = assistant(tmp_path, knowledge__a_md="# Lunch\nLunch is at one.")

    async def story() -> None:
        knowledge = LiveKnowledge(ada)
        await knowledge.refresh()
        assert await said(knowledge, "lunch", "de") == ["Lunch is at one."]
        (ada.folder / "knowledge/a.md").write_text("# Lunch\nLunch is at two.")
        await knowledge.refresh()
        assert await said(knowledge, "lunch", "de-AT") == ["Lunch is at two."]

    live(story())


def test_a_change_that_keeps_size_and_time_counts_if_the_observer_names_the_file(
    tmp_path: Path,
) -> None:
    ada = assistant(tmp_path, knowledge__a_md="# Lunch\nLunch is at one.")
    file = ada.folder / "knowledge/a.md"

    async def story() -> None:
        knowledge = LiveKnowledge(ada)
        await knowledge.refresh()
        status = file.stat()
        file.write_text("# Lunch\nLunch is at two.")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert not await knowledge.refresh()
        assert await knowledge.refresh({file})

    live(story())


def test_a_fact_is_in_answers_only_while_it_is_true(tmp_path: Path) -> None:
    facts = '[lift]\ntext = "The lift is broken."\nvalid_until = 2027-05-12T18:00:00\n'
    ada = assistant(tmp_path, knowledge__facts_toml=facts)
    now = dt.datetime(2027, 5, 12, 15, 59, tzinfo=dt.UTC)

    async def story() -> None:
        nonlocal now
        knowledge = LiveKnowledge(ada, now=lambda: now)
        await knowledge.refresh()
        assert await said(knowledge, "the lift") == ["The lift is broken."]
        assert not knowledge.is_due
        now += dt.timedelta(minutes=1)
        assert knowledge.is_due
        await knowledge.refresh()
        assert await said(knowledge, "the lift") == []
        assert not knowledge.is_due

    live(story())


def test_files_that_cannot_be_read_are_named_and_the_others_are_used(tmp_path: Path) -> None:
    ada = assistant(
        tmp_path,
        knowledge__a_md="# Lunch\nLunch is at one.",
        knowledge__b_csv='a,b\n"1,2\n',
        knowledge__c_pdf=documents.encrypted_pdf(["The safe."], "x"),
    )
    (ada.folder / "knowledge/facts.toml").write_text("lift = \n")

    async def story() -> None:
        knowledge = LiveKnowledge(ada, tmp_path / "cache")
        await knowledge.refresh()
        assert await said(knowledge, "lunch") == ["Lunch is at one."]
        unreadable = [str(each) for each in knowledge.snapshot.unreadable]
        assert [each.partition(": ")[0] for each in unreadable] == [
            "ada/knowledge/b.csv:2", "ada/knowledge/facts.toml:1",
        ]  # fmt: skip
        (mistake,) = knowledge.snapshot.mistakes
        assert str(mistake).startswith("ada/knowledge/c.pdf: has a password")

    live(story())


def test_a_cancelled_refresh_leaves_one_state_behind(tmp_path: Path) -> None:
    ada = assistant(tmp_path, knowledge__a_md="# Lunch\nLunch is at one.")

    async def story() -> None:
        knowledge = LiveKnowledge(ada)
        task = asyncio.create_task(knowledge.refresh())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not await knowledge.refresh()  # the thread had ended before the lock was free
        assert await said(knowledge, "lunch") == ["Lunch is at one."]

    live(story())
