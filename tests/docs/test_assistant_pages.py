"""The conversations on the pages about shipped assistants happen as they are shown."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from vivavoce.app.catalogue import check_assistant
from vivavoce.assistants import SHIPPED
from vivavoce.engines.scripted.script import Script

from ..support.shipped import house

PAGES = Path(__file__).parents[2] / "docs/assistants"
RUN = r"<!-- run: tests/docs/test_assistant_pages\.py ?(.*?) -->\n```(\w+)\n(.*?)```"


def shown(name: str, kind: str) -> list[tuple[dict[str, str], str]]:
    """Return the blocks of a page that it says are run, each with its binding."""
    page = (PAGES / f"{name}.md").read_text("utf-8")
    return [
        (dict(pair.split("=") for pair in binding.split()), text)
        for binding, found, text in re.findall(RUN, page, re.DOTALL)
        if found == kind
    ]


@pytest.mark.parametrize("name", ["companion", "mentor"])
def test_conversations_of_the_page_happen(name: str, tmp_path: Path) -> None:
    blocks = shown(name, "text")
    assert blocks

    async def story() -> None:
        with house(name, tmp_path / "data", Script()) as served:
            for binding, text in blocks:
                async with served.call(model=False, **binding) as talk:
                    lines = text.splitlines()
                    for said, answer in zip(lines[::2], lines[1::2], strict=True):
                        assert await talk.say(said.removeprefix("> ")) == answer

    asyncio.run(story())


def test_school_of_the_page_is_a_migration(tmp_path: Path) -> None:
    folder = tmp_path / "mentor"
    shutil.copytree(SHIPPED / "mentor", folder)
    ((_, sql),) = shown("mentor", "sql")
    (folder / "migrations/0004_school.sql").write_text(sql)
    check_assistant(folder)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA foreign_keys = ON")
        for file in sorted((folder / "migrations").glob("*.sql")):
            database.executescript(file.read_text("utf-8"))
        for table in ("students", "teachers", "families"):
            assert database.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (1,)
        assert database.execute("SELECT COUNT(*) FROM results").fetchone() == (0,)
