"""Write the rows of runs, and find them in their newest states."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from ..errors import StoreError
from ..store.base import Change
from ..store.commit_outcome import CommitOutcome
from ..store.tool_runs import UNFINISHED, ToolRunRow, ToolRuns, ToolRunState
from .base import ToolResult
from .results import failed
from .run_results import NOT_RUN, may_have_happened

log = logging.getLogger("vivavoce.tools")


class Submit(Protocol):
    """Commits a change. `GroupCommitter.submit` is one."""

    def __call__(self, change: Change, outcome: Callable[[StoreError | None], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """A run as it is recorded, and what the model reads."""

    row: ToolRunRow
    result: ToolResult


class RunRecords:
    """The rows of all runs. A row that is not on disk yet is found all the same."""

    def __init__(
        self,
        runs: ToolRuns,
        submit: Submit,
        now: Callable[[], datetime],
        on_change: Callable[[ToolRunRow], None],
    ) -> None:
        self.now = now
        self._runs = runs
        self._submit = submit
        self._on_change = on_change
        self._unsaved: dict[str, ToolRunRow] = {}

    async def find(self, run_id: str) -> ToolRunRow | None:
        return self._unsaved.get(run_id) or await self._runs.get(run_id)

    async def with_key(self, idempotency_key: str) -> ToolRunRow | None:
        """Return the newest run with this key."""
        found = await self._runs.with_key(idempotency_key)
        return found and self.newest(found)

    async def of_call(self, call_id: str) -> list[ToolRunRow]:
        """List the runs of a call, the oldest first."""
        return [self.newest(row) for row in await self._runs.of_call(call_id)]

    async def of_conversation(self, conversation_id: str) -> list[ToolRunRow]:
        """List the runs of a conversation, the oldest first."""
        return [self.newest(row) for row in await self._runs.of_conversation(conversation_id)]

    def newest(self, row: ToolRunRow) -> ToolRunRow:
        """Return the newest state of a run."""
        return self._unsaved.get(row.id, row)

    def note(self, row: ToolRunRow) -> None:
        """Show a state that is not stored by itself."""
        self._on_change(row)

    def finish(self, row: ToolRunRow, result: ToolResult) -> ToolOutcome:
        """Record how a run ended. Nothing waits for the disk."""
        state: ToolRunState = "failed" if result.failed else "done"
        if result.unknown:
            state = "unknown"
        row = replace(row, state=state, result=result.output, ended_at=self.now())
        self._put(row, lambda failure: self._settle(row, failure))
        return ToolOutcome(row, result)

    async def keep(self, row: ToolRunRow) -> None:
        """Return when the row is on disk. Raises `StoreError`."""
        outcome = CommitOutcome()

        def settle(failure: StoreError | None) -> None:
            self._settle(row, failure)
            outcome.report(failure)

        self._put(row, settle)
        await outcome.wait()

    async def recover(self) -> None:
        """Settle the runs that an earlier process left. Raises `StoreError`."""
        for row in await self._runs.in_states(UNFINISHED, limit=100_000):
            result = failed(NOT_RUN)
            if row.state == "started":
                result = may_have_happened()
                log.warning("tool_run_unknown", extra={"run": row.id, "call": row.call_id})
            state: ToolRunState = "unknown" if result.unknown else "failed"
            await self.keep(replace(row, state=state, result=result.output, ended_at=self.now()))

    def _put(self, row: ToolRunRow, outcome: Callable[[StoreError | None], None]) -> None:
        self._unsaved[row.id] = row
        self._on_change(row)
        self._submit(Change("", tool_runs=(row,)), outcome)

    def _settle(self, row: ToolRunRow, failure: StoreError | None) -> None:
        if self._unsaved.get(row.id) is row:
            del self._unsaved[row.id]
        if failure is not None:
            log.error("tool_run_not_recorded", extra={"run": row.id, "state": row.state})
