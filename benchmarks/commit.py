"""Measure `commit` of one turn, from the event loop and back, and the part of the disk.

A turn is two items, one response and the conversation's time. The lower bound is the same rows
through `sqlite3` alone, in the same file system. Run it where the data folder will be:
`python -m benchmarks commit [FOLDER]`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from vivavoce.protocol.items import Message, Part
from vivavoce.store.base import CallRow, Change, ConversationRow, ItemRow, ResponseRow
from vivavoce.store.positions import STEP
from vivavoce.store.sql import SqlStore

TURNS = 1000
CALLS = 20
NOW = datetime.now(UTC)
ANSWER = "The keynote starts at nine in the Auditorium, and coffee is served from half past eight. "


def turn(call: int, number: int) -> Change:
    question = Part(type="input_audio", transcript="When does the keynote start?")
    answer = Part(type="output_audio", transcript=ANSWER * 3)
    heard = ItemRow(
        Message(id=f"item_{number}q", role="user", content=(question,)),
        STEP * 2 * number,
        NOW,
        input_method="voice",
    )
    said = ItemRow(
        Message(id=f"item_{number}a", role="assistant", content=(answer,)),
        STEP * (2 * number + 1),
        NOW,
        generated=ANSWER * 3,
        sent_ms=9000,
        heard_ms=8800,
        voice="marin",
    )
    usage: dict[str, object] = {"total_tokens": 321, "input_tokens": 200, "output_tokens": 121}
    response = ResponseRow(f"resp_{call}_{number}", f"rtc_{call}", "completed", None, usage, NOW)
    return Change(f"conv_{call}", (heard, said), (), (response,), NOW)


async def through_the_store(folder: Path) -> None:
    store = await SqlStore.open(folder / "vivavoce.db")
    try:
        for call in range(CALLS):
            of = f"conv_{call}"
            await store.create_conversation(ConversationRow(of, "charlotte", None, "en", NOW, NOW))
            await store.begin_call(
                CallRow(f"rtc_{call}", of, "charlotte", None, "websocket", "cascade", NOW)
            )
        alone, together, reads = [], [], []
        for number in range(TURNS):
            began = time.perf_counter()
            await store.commit([turn(0, number)])
            alone.append(time.perf_counter() - began)
        for number in range(TURNS, TURNS + TURNS // 10):
            changes = [turn(call, number) for call in range(CALLS)]
            began = time.perf_counter()
            await store.commit(changes)
            together.append(time.perf_counter() - began)
        for _ in range(TURNS):
            began = time.perf_counter()
            await store.key_by_hash("no such key")
            reads.append(time.perf_counter() - began)
    finally:
        await store.close()
    tell("one turn, committed", alone)
    tell(f"{CALLS} turns in one commit", together)
    tell("looking up a key", reads)


def on_the_bare_disk(folder: Path) -> None:
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE items (a, id, position, type, role, status, content, generated, b, c, d,"
        " e, f, created_at, PRIMARY KEY (a, id))",
        "CREATE TABLE responses (id PRIMARY KEY, call_id, status, reason, usage, created_at)",
        "CREATE TABLE conversations (id PRIMARY KEY, updated_at)",
        "INSERT INTO conversations VALUES ('conv_0', '')",
    ):
        database.execute(statement)
    text = ANSWER * 3

    def once(number: int) -> None:
        rows = [
            ("conv_0", f"item_{number}{of}", 1.0, "message", of, "completed", text, text,
             1, 2, None, None, "marin", str(NOW))
            for of in "qa"
        ]  # fmt: skip
        database.execute("BEGIN IMMEDIATE")
        database.executemany(f"INSERT INTO items VALUES ({','.join('?' * 14)})", rows)
        database.execute(
            "INSERT INTO responses VALUES (?,?,?,?,?,?)",
            (f"resp_{number}", "rtc_0", "completed", None, "{}", str(NOW)),
        )
        database.execute("UPDATE conversations SET updated_at = ?", (str(number),))
        database.execute("COMMIT")

    tell("the same rows by sqlite3 alone", [timed(once, number) for number in range(TURNS)])
    database.close()


def timed(work: Callable[[int], None], number: int) -> float:
    began = time.perf_counter()
    work(number)
    return time.perf_counter() - began


def tell(what: str, times: list[float]) -> None:
    p99 = quantiles(times, n=100)[98]
    print(f"{what:32} median {median(times) * 1e3:6.2f} ms   p99 {p99 * 1e3:6.2f} ms")


def main(where: str | None = None) -> None:
    with tempfile.TemporaryDirectory(dir=where) as folder:
        on_the_bare_disk(Path(folder))
        asyncio.run(through_the_store(Path(folder)))
