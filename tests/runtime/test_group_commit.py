"""Group commits with a slow disk, an invalid row and a broken callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from vivavoce.errors import StoreError
from vivavoce.runtime.group_commit import GroupCommitter
from vivavoce.store.base import Change

from ..support.fakes import SlowStore, now
from ..support.virtual_time import live


@dataclass
class PickyStore(SlowStore):
    """Takes everything but what belongs to one conversation."""

    refuses: str = ""
    taken: list[str] = field(default_factory=list)

    async def commit(self, changes: Sequence[Change]) -> None:
        await super().commit(changes)
        if any(change.conversation_id == self.refuses for change in changes):
            raise StoreError("an impossible row")
        self.taken += [change.conversation_id for change in changes]


def submit_all(store: SlowStore, count: int) -> dict[str, tuple[bool, float]]:
    """Submit the changes of several calls during a running commit, and return their outcomes."""
    outcomes: dict[str, tuple[bool, float]] = {}

    def noting(name: str) -> Callable[[StoreError | None], None]:
        return lambda failure: outcomes.update({name: (failure is None, now())})

    async def story() -> None:
        async with GroupCommitter(store, within_s=5.0) as writer:
            writer.submit(Change("first"), noting("first"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for number in range(count):
                writer.submit(Change(f"conv_{number}"), noting(f"conv_{number}"))

    live(story())
    return outcomes


def test_one_calls_impossible_row_costs_the_others_nothing() -> None:
    store = PickyStore(takes_s=0.1, refuses="conv_2")
    outcomes = submit_all(store, 5)
    assert [name for name, (kept, _) in outcomes.items() if not kept] == ["conv_2"]
    assert sorted(store.taken) == ["conv_0", "conv_1", "conv_3", "conv_4", "first"]


def test_a_commit_timeout_fails_the_whole_batch_at_once() -> None:
    """Two commits of five seconds each, not one for each of a hundred calls."""
    outcomes = submit_all(SlowStore(takes_s=60), 100)
    assert not any(kept for kept, _ in outcomes.values())
    assert max(at for _, at in outcomes.values()) == pytest.approx(10)


def test_a_listener_with_a_bug_does_not_end_the_writer() -> None:
    outcomes: list[StoreError | None] = []

    def broken(failure: StoreError | None) -> None:
        raise ZeroDivisionError

    async def story() -> None:
        async with GroupCommitter(SlowStore()) as writer:
            writer.submit(Change("conv_1"), broken)
            await asyncio.sleep(1)
            writer.submit(Change("conv_2"), outcomes.append)

    live(story())
    assert outcomes == [None]


def test_exit_commits_the_changes_that_still_wait() -> None:
    kept, at = submit_all(SlowStore(takes_s=1), 3)["conv_2"]
    assert kept
    assert at == pytest.approx(2)
