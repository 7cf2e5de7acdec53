"""Commits the changes of all calls. Changes that arrive during a commit share the next one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, Self

from ..errors import StoreError
from ..failures import log_failure
from ..store.base import Change
from .recorder import Outcome

log = logging.getLogger(__name__)

COMMIT_WITHIN_S = 5.0


class CommitStore(Protocol):
    async def commit(self, changes: Sequence[Change]) -> None: ...


class GroupCommitter:
    """Runs one commit at a time, and gathers changes for the next one meanwhile.

    The list of waiting changes needs no bound of its own. A call that waits for a receipt holds
    its events back, so each call adds at most what its outbox holds.
    """

    def __init__(
        self,
        store: CommitStore,
        within_s: float = COMMIT_WITHIN_S,
        *,
        on_commit: Callable[[float, bool], None] = lambda seconds, kept: None,
    ) -> None:
        """`on_commit` gets the seconds that a commit took, and whether it succeeded."""
        self._store = store
        self._within_s = within_s
        self._on_commit = on_commit
        self._waiting: list[tuple[Change, Outcome]] = []
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._leaving = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write(), name="writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving = True
        self._work.set()
        assert self._task is not None
        await self._task

    def submit(self, change: Change, outcome: Outcome) -> None:
        """Commit the change, then call `outcome` with the failure, or with None."""
        self._waiting.append((change, outcome))
        self._work.set()

    async def _write(self) -> None:
        while self._waiting or not self._leaving:
            await self._work.wait()
            self._work.clear()
            batch, self._waiting = self._waiting, []
            if not batch:
                continue
            await self._commit_batch(deque(batch))

    async def _commit_batch(self, batch: deque[tuple[Change, Outcome]]) -> None:
        """Commit the batch in one transaction, or its changes one by one if that fails.

        One call's invalid row must not cost the other calls their commit. A timeout fails all of
        them, because the disk is slow for each.
        """
        several = len(batch) > 1
        try:
            together = await self._commit([change for change, _ in batch])
            while batch:
                change, outcome = batch[0]
                failure = together
                if together is not None and several:
                    failure = await self._commit([change])
                batch.popleft()
                _report(outcome, failure, change)
        except TimeoutError:
            late = StoreError(f"the commit took longer than {self._within_s:g} s")
            for change, outcome in batch:
                _report(outcome, late, change)

    async def _commit(self, changes: Sequence[Change]) -> StoreError | None:
        """Return the failure of the store, if any. Raise `TimeoutError` if it is too slow."""
        began, kept = time.perf_counter(), False
        try:
            async with asyncio.timeout(self._within_s):
                await self._store.commit(changes)
            kept = True
        except StoreError as error:
            return error
        finally:
            self._on_commit(time.perf_counter() - began, kept)
        return None


def _report(outcome: Outcome, failure: StoreError | None, change: Change) -> None:
    try:
        outcome(failure)
    except Exception as bug:  # a bug of one call must not end the commits of the others
        log_failure(log, "outcome_failed", bug, conversation=change.conversation_id)
