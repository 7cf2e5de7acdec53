"""Run the contract of tool runs and of events on every store."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from vivavoce.errors import StoreError
from vivavoce.store.base import RUNS_KEPT, Change, Store
from vivavoce.store.events import Delivery, EventRow
from vivavoce.store.tool_runs import ToolRunRow

from .facts import LATER, NOON, Make, call, change, conversation, said, tell
from .test_contract import STORES

HOOK, OTHER = "https://one.example/hook", "https://other.example/hook"
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return lambda: request.param(tmp_path)


def run(name: str = "run_1", of: str | None = "rtc_1") -> ToolRunRow:
    return ToolRunRow(
        id=name,
        assistant="charlotte",
        tool="book",
        arguments='{"seats": 2}',
        arguments_sha256="ab",
        idempotency_key="key_1",
        state="started",
        requested_at=NOON,
        call_id=of,
        item_id="item_1",
        tool_call_id="call_1",
        started_at=NOON,
    )


def event(name: str, of: str | None = "rtc_1", to: tuple[str, ...] = (HOOK,)) -> EventRow:
    return EventRow(
        id=name, type="call.started", at=NOON, data="{}", call_id=of, assistant="charlotte",
        webhooks=to,
    )  # fmt: skip


async def begun(store: Store) -> None:
    await store.create_conversation(conversation())
    await store.begin_call(call())


def test_sweeping_deletes_old_ended_runs_without_a_call_and_no_others(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        ended = replace(run("run_old", of=None), state="done", ended_at=NOON)
        rows = (
            ended,
            replace(ended, id="run_new", ended_at=NOON + MINUTE),
            replace(run("run_waits", of=None), state="requested"),
            replace(ended, id="run_call", call_id="rtc_1"),
        )
        await store.commit([Change("", tool_runs=rows)])
        await store.sweep(NOON + RUNS_KEPT)
        left = await store.tool_runs.in_states(["done", "requested"])
        assert sorted(row.id for row in left) == ["run_call", "run_new", "run_waits"]

    tell(make, story)


def test_a_run_is_found_by_its_call_its_conversation_its_key_and_its_state(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        later = replace(run("run_2"), requested_at=LATER, state="done", result="{}")
        alone = replace(run("run_3", of=None), idempotency_key="key_3")
        await store.commit([Change("", tool_runs=(later, run(), alone))])
        assert await store.tool_runs.get("run_2") == later
        assert await store.tool_runs.get("run_9") is None
        assert await store.tool_runs.of_call("rtc_1") == [run(), later]
        assert await store.tool_runs.of_conversation("conv_1") == [run(), later]
        assert await store.tool_runs.with_key("key_1") == later
        assert await store.tool_runs.in_states(["started"]) == [run(), alone]

    tell(make, story)


def test_the_last_state_of_a_run_counts(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        done = replace(run(), state="done", ended_at=LATER, result="booked", approved_by="key_1")
        await store.commit([Change("", tool_runs=(run(),)), Change("", tool_runs=(done,))])
        assert await store.tool_runs.of_call("rtc_1") == [done]

    tell(make, story)


def test_a_deleted_conversation_takes_its_runs_with_it(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        await store.commit([Change("", tool_runs=(run(), run("run_2", of=None)))])
        await store.delete_conversation("conv_1")
        assert await store.tool_runs.get("run_1") is None
        assert await store.tool_runs.get("run_2") is not None
        with pytest.raises(StoreError):
            await store.commit([Change("", tool_runs=(run(),))])

    tell(make, story)


def test_a_run_and_the_items_of_its_call_are_stored_together_or_not_at_all(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        both = [change(said("item_1")), Change("", tool_runs=(run(of="rtc_unknown"),))]
        with pytest.raises(StoreError):
            await store.commit(both)
        assert await store.items("conv_1") == []

    tell(make, story)


def test_events_are_read_in_order_after_a_position(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.commit([Change("", events=(event("evt_1"), event("evt_2", to=())))])
        first, second = await store.outbox.after(0)
        assert (first.event.id, second.event.id) == ("evt_1", "evt_2")
        assert first.position < second.position == await store.outbox.last()
        assert await store.outbox.after(first.position) == [second]
        assert await store.outbox.after(0, limit=1) == [first]
        with pytest.raises(StoreError):
            await store.commit([Change("", events=(event("evt_1"),))])

    tell(make, story)


def test_a_webhook_gets_the_oldest_event_of_each_call_first(make: Make) -> None:
    async def story(store: Store) -> None:
        events = (event("evt_1"), event("evt_2"), event("evt_3", of="rtc_2"))
        await store.commit([Change("", events=events)])
        outbox = store.outbox
        first, other = await outbox.due(HOOK, NOON)
        assert [d.stored.event.id for d in (first, other)] == ["evt_1", "evt_3"]
        await outbox.failed(replace(first, attempts=1, next_at=LATER, error="HTTP 500"))
        await outbox.delivered(other)
        assert await outbox.due(HOOK, NOON) == []
        assert await outbox.next_due(HOOK) == LATER
        (again,) = await outbox.due(HOOK, LATER)
        assert (again.stored.event.id, again.attempts, again.error) == ("evt_1", 1, "HTTP 500")
        await outbox.delivered(again)
        (second,) = await outbox.due(HOOK, LATER)
        assert second.stored.event.id == "evt_2"
        assert await outbox.due(OTHER, LATER) == []

    tell(make, story)


def test_a_dead_delivery_lets_the_next_one_pass_and_stays_visible(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.commit([Change("", events=(event("evt_1"), event("evt_2")))])
        (first,) = await store.outbox.due(HOOK, NOON)
        gone: Delivery = replace(first, attempts=9, next_at=None, dead_at=LATER, error="HTTP 410")
        await store.outbox.failed(gone)
        assert [d.stored.event.id for d in await store.outbox.due(HOOK, NOON)] == ["evt_2"]
        assert await store.outbox.dead() == [gone]
        assert await store.outbox.counts() == {HOOK: (1, 1)}

    tell(make, story)


def test_old_events_are_forgotten_unless_a_webhook_waits_for_them(make: Make) -> None:
    async def story(store: Store) -> None:
        events = (event("evt_1"), event("evt_2", to=()), event("evt_3", to=(OTHER,)))
        await store.commit([Change("", events=events)])
        last = await store.outbox.last()
        await store.outbox.forget(NOON, [HOOK])
        assert len(await store.outbox.after(0)) == 3
        await store.outbox.forget(NOON + MINUTE, [HOOK])
        assert [s.event.id for s in await store.outbox.after(0)] == ["evt_1"]
        await store.commit([Change("", events=(event("evt_4"),))])
        assert await store.outbox.last() == last + 1, "no position is used twice"

    tell(make, story)


def test_a_run_is_a_row_of_the_public_table(tmp_path: Path) -> None:
    """Check the columns that the public contract names."""
    named = "id call_id item_id tool arguments arguments_sha256 idempotency_key state started_at"
    named += " ended_at result approved_by"

    async def story(store: Store) -> None: ...

    from .test_contract import sqlite as opened

    tell(lambda: opened(tmp_path), story)
    with sqlite3.connect(tmp_path / "data" / "vivavoce.db") as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(tool_runs)")}
    connection.close()
    assert set(named.split()) <= columns
