"""Keep tool runs in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from .tool_runs import ToolRunRow, ToolRunState


class MemoryToolRuns:
    def __init__(self, conversation_of: Callable[[str], str | None]) -> None:
        """`conversation_of` returns the conversation of a call."""
        self._conversation_of = conversation_of
        self._rows: dict[str, ToolRunRow] = {}

    def put(self, rows: Iterable[ToolRunRow]) -> None:
        self._rows |= {row.id: row for row in rows}

    def forget_call(self, call_id: str) -> None:
        self._rows = {name: row for name, row in self._rows.items() if row.call_id != call_id}

    def forget_without_call(self, before: datetime) -> None:
        """Forget the runs without a call that ended until then."""
        rows = self._rows.items()
        self._rows = {
            name: row
            for name, row in rows
            if row.call_id is not None or row.ended_at is None or row.ended_at > before
        }

    async def get(self, run_id: str) -> ToolRunRow | None:
        return self._rows.get(run_id)

    async def with_key(self, idempotency_key: str) -> ToolRunRow | None:
        found = self._ordered(lambda row: row.idempotency_key == idempotency_key)
        return found[-1] if found else None

    async def of_call(self, call_id: str) -> list[ToolRunRow]:
        return self._ordered(lambda row: row.call_id == call_id)

    async def of_conversation(self, conversation_id: str) -> list[ToolRunRow]:
        return self._ordered(
            lambda row: (
                row.call_id is not None and self._conversation_of(row.call_id) == conversation_id
            )
        )

    async def in_states(
        self, states: Collection[ToolRunState], *, limit: int = 1000
    ) -> list[ToolRunRow]:
        return self._ordered(lambda row: row.state in states)[:limit]

    def _ordered(self, chosen: Callable[[ToolRunRow], bool]) -> list[ToolRunRow]:
        rows = filter(chosen, self._rows.values())
        return sorted(rows, key=lambda row: (row.requested_at, row.id))
