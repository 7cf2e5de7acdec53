"""Fill the disk, lock or damage the database: the server confirms only what is stored."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest

from ..support.calls import House
from ..support.served import TAKES_ALL, Served, serve

QUIET = TAKES_ALL | {"VIVAVOCE_CALLS__DEFAULT_ASSISTANT": "echo"}
LONG = "words " * 100_000  # larger than the free space of each disk below


@dataclass
class Disk:
    """Run a server on a disk that can be filled and emptied."""

    house: House
    fill: Callable[[], None]
    empty: Callable[[], None]


@contextmanager
def limited(data: Path) -> Iterator[Disk]:
    """Limit the size of files instead of the disk."""
    with serve(data, **QUIET) as server:
        process = psutil.Process(server.process.pid)
        _, hard = process.rlimit(resource.RLIMIT_FSIZE)

        def fill() -> None:
            largest = max(path.stat().st_size for path in data.glob("vivavoce.db*"))
            process.rlimit(resource.RLIMIT_FSIZE, (largest + 50_000, hard))

        yield Disk(
            House(server, server.key()),
            fill,
            lambda: process.rlimit(resource.RLIMIT_FSIZE, (hard, hard)),
        )


@contextmanager
def mounted(data: Path) -> Iterator[Disk]:
    """Mount a disk of eight megabytes, where the test may do so."""
    data.mkdir()
    tmpfs = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(data)]
    if (
        sys.platform != "linux"
        or subprocess.run(tmpfs, capture_output=True, check=False).returncode
    ):
        pytest.skip("this takes the right to mount")
    filler = data / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass

    try:
        with serve(data, **QUIET) as server:
            yield Disk(House(server, server.key()), fill, filler.unlink)
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


@contextmanager
def served(data: Path) -> Iterator[House]:
    with serve(data, **QUIET) as server:
        yield House(server, server.key())


def unharmed(server: Served) -> None:
    assert server.process.poll() is None
    assert "Traceback" not in server.log.read_text()


def ready(server: Served) -> int:
    return httpx2.get(f"{server.url}/readyz", timeout=30).status_code


@pytest.mark.parametrize("disk", [limited, mounted])
def test_a_full_disk_ends_calls_with_storage_unavailable(
    tmp_path: Path, disk: Callable[[Path], AbstractContextManager[Disk]]
) -> None:
    async def story(at: Disk) -> None:
        house = at.house
        async with house.welcome() as caller, house.welcome() as idle:
            conversation = caller.conversation
            promised = [await caller.add(f"number {n}") for n in range(5)]
            at.fill()
            part = {"type": "input_text", "text": LONG}
            item = {"type": "message", "role": "user", "id": "lost", "content": [part]}
            await caller.say("conversation.item.create", item=item)
            event = await caller.hear("conversation.item.done", "error")
            assert event["type"] == "error", "the client reads no confirmation"
            assert event["error"]["code"] == "storage_unavailable"
            assert event["error"]["type"] == "server_error"
            assert await caller.end() == (1011, "storage_unavailable")
            await idle.say("response.cancel")
            assert (await idle.error())[0] == "response_cancel_not_active", "it stores nothing now"
            at.empty()
            assert await idle.turn()
        async with house.welcome(f"&conversation_id={conversation}") as caller:
            for item_id in promised:
                await caller.say("conversation.item.retrieve", item_id=item_id)
                assert (await caller.hear())["type"] == "conversation.item.retrieved"
            await caller.say("conversation.item.retrieve", item_id="lost")
            assert (await caller.error())[0] == "item_retrieve_invalid_item_id"
            assert await caller.turn()

    with disk(tmp_path / "data") as at:
        asyncio.run(story(at))
        unharmed(at.house.server)


def test_a_locked_database_delays_receipts_and_then_refuses(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        other = sqlite3.connect(house.server.data / "vivavoce.db", isolation_level=None)
        async with house.welcome() as patient, house.welcome() as caller:
            await caller.add("before")
            other.execute("BEGIN EXCLUSIVE")
            await patient.say("conversation.item.create", item={
                "type": "message", "role": "user", "content": []})  # fmt: skip
            await patient.hear("conversation.item.added")
            await asyncio.sleep(1)
            other.execute("ROLLBACK")
            await patient.hear("conversation.item.done")  # late, and only after the commit

            other.execute("BEGIN EXCLUSIVE")
            part = {"type": "input_text", "text": "lost"}
            item = {"type": "message", "role": "user", "content": [part]}
            await caller.say("conversation.item.create", item=item)
            event = await caller.hear("conversation.item.done", "error")
            assert event["type"] == "error"
            assert event["error"]["code"] == "storage_unavailable"
            assert await caller.end() == (1011, "storage_unavailable")
            async with house.call() as late:
                assert (await late.error())[0] == "storage_unavailable"
                assert (await late.end())[0] == 1011
            assert ready(house.server) == 503
            other.execute("ROLLBACK")
            other.close()
            assert await patient.turn(), "a call without changes is not affected"
        async with house.welcome() as caller:
            assert await caller.turn()

    with served(tmp_path / "data") as house:
        asyncio.run(story(house))
        unharmed(house.server)


def test_a_database_that_is_damaged_while_it_is_used(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            await caller.add("before")
            for name in ("vivavoce.db", "vivavoce.db-wal"):
                path = house.server.data / name
                size = path.stat().st_size
                with path.open("r+b") as file:
                    file.write(b"\xff" * size)
            part = {"type": "input_text", "text": "after"}
            item = {"type": "message", "role": "user", "content": [part]}
            for _ in range(3):  # SQLite may answer from its cache for a while
                await caller.say("conversation.item.create", item=item)
                event = await caller.hear("conversation.item.done", "error")
                if event["type"] == "error":
                    break
                async with house.call() as late:
                    await late.hear()
            if event["type"] == "error":
                assert event["error"]["code"] == "storage_unavailable"
                assert await caller.end() == (1011, "storage_unavailable")
        async with house.call() as late:
            assert (await late.error())[0] == "storage_unavailable"
            assert (await late.end())[0] == 1011
        assert httpx2.get(f"{house.server.url}/healthz").status_code == 200

    with served(tmp_path / "data") as house:
        asyncio.run(story(house))
        unharmed(house.server)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda file: file.write_bytes(b"these are my memoirs" * 500),
         "the database file is not a database: restore it from a backup"),
        (lambda file: file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 40_000),
         "the database is damaged: restore it from a backup"),
    ],
    ids=["another file", "a torn one"],
)  # fmt: skip
def test_a_database_that_is_damaged_before_the_start(
    tmp_path: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    data = tmp_path / "data"
    with serve(data, **QUIET):
        pass
    damage(data / "vivavoce.db")
    done = subprocess.run(
        [sys.executable, "-m", "vivavoce", "serve", "--port", "0", "--data-dir", str(data)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
