"""The runs that wait until a person approves them, with the time at which each expires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from ..store.tool_runs import ToolRunRow
from .base import ToolContext, ToolRequest, ToolRules
from .runners import ToolRunners

EXPIRES_AFTER = timedelta(minutes=5)
REQUESTS = 1000  # that wait at the same time
REQUESTS_OF_ASSISTANT = 250  # so that the callers of one leave room for the others
REQUESTS_OF_CALL = 16


@dataclass(frozen=True, slots=True)
class ToolJob:
    """A run that may begin. `asked_at`: when its approval was requested, on the loop's clock."""

    row: ToolRunRow
    rules: ToolRules
    runners: ToolRunners
    request: ToolRequest
    context: ToolContext
    asked_at: float = 0.0


class ApprovalRequests:
    """The requests, by the id of the run. None survives a restart."""

    def __init__(self, on_expiry: Callable[[ToolJob], None]) -> None:
        self._on_expiry = on_expiry
        self._jobs: dict[str, ToolJob] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def rows(self) -> list[ToolRunRow]:
        """The runs that wait, the oldest first."""
        return [job.row for job in self._jobs.values()]

    def get(self, run_id: str) -> ToolJob | None:
        return self._jobs.get(run_id)

    def has_room(self, row: ToolRunRow) -> bool:
        """Return whether one more request may wait: of its call, of its assistant, and in all."""
        of_call = sum(job.row.call_id == row.call_id for job in self._jobs.values())
        of_assistant = sum(job.row.assistant == row.assistant for job in self._jobs.values())
        if len(self._jobs) >= REQUESTS or of_assistant >= REQUESTS_OF_ASSISTANT:
            return False
        return row.call_id is None or of_call < REQUESTS_OF_CALL

    def put(self, job: ToolJob) -> None:
        run_id = job.row.id
        self._jobs[run_id] = replace(job, asked_at=self._loop.time())
        self._timers[run_id] = self._loop.call_later(
            EXPIRES_AFTER.total_seconds(), self._expire, run_id
        )

    def asked_again(self, run_id: str, row: ToolRunRow) -> None:
        """Note the newest call that asked for a run that waits. Its time does not begin again."""
        self._jobs[run_id] = replace(self._jobs[run_id], row=row)

    def take(self, run_id: str) -> ToolJob | None:
        """Remove a request, because it is decided. Return None if it does not wait."""
        if timer := self._timers.pop(run_id, None):
            timer.cancel()
        return self._jobs.pop(run_id, None)

    @property
    def conversation_ids(self) -> set[str]:
        """The conversations whose calls asked."""
        return {job.context.conversation_id for job in self._jobs.values()} - {""}

    def of_conversation(self, conversation_id: str) -> list[ToolRunRow]:
        """Return the runs of a conversation that wait, the oldest first."""
        jobs = self._jobs.values()
        return [job.row for job in jobs if job.context.conversation_id == conversation_id]

    def drop(self, conversation_ids: Collection[str]) -> None:
        """Remove the requests of these conversations."""
        for run_id, job in list(self._jobs.items()):
            if job.context.conversation_id in conversation_ids:
                self.take(run_id)

    def close(self) -> None:
        for run_id in list(self._jobs):
            self.take(run_id)

    def _expire(self, run_id: str) -> None:
        if job := self.take(run_id):
            self._on_expiry(job)
