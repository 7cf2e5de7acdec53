"""Find and write tool runs in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Select, bindparam, select

from ..tool_runs import ToolRunRow, ToolRunState
from .database_threads import DatabaseThreads
from .schema import calls, tool_runs

_COLUMNS = tuple(field.name for field in fields(ToolRunRow))
_ORDER = (tool_runs.c.requested_at, tool_runs.c.id)
_ONE = select(tool_runs).where(tool_runs.c.id == bindparam("run"))
_WITH_KEY = (
    select(tool_runs)
    .where(tool_runs.c.idempotency_key == bindparam("key"))
    .order_by(*(column.desc() for column in _ORDER))
    .limit(1)
)
_OF_CALL = select(tool_runs).where(tool_runs.c.call_id == bindparam("call")).order_by(*_ORDER)
_OF_CONVERSATION = (
    select(tool_runs)
    .join(calls, calls.c.id == tool_runs.c.call_id)
    .where(calls.c.conversation_id == bindparam("conversation"))
    .order_by(*_ORDER)
)
_IN_STATES = (
    select(tool_runs)
    .where(tool_runs.c.state.in_(bindparam("states", expanding=True)))
    .order_by(*_ORDER)
)


class SqlToolRuns:
    def __init__(self, readers: DatabaseThreads) -> None:
        self._readers = readers

    async def get(self, run_id: str) -> ToolRunRow | None:
        found = await self._all(_ONE, {"run": run_id})
        return found[0] if found else None

    async def with_key(self, idempotency_key: str) -> ToolRunRow | None:
        found = await self._all(_WITH_KEY, {"key": idempotency_key})
        return found[0] if found else None

    async def of_call(self, call_id: str) -> list[ToolRunRow]:
        return await self._all(_OF_CALL, {"call": call_id})

    async def of_conversation(self, conversation_id: str) -> list[ToolRunRow]:
        return await self._all(_OF_CONVERSATION, {"conversation": conversation_id})

    async def in_states(
        self, states: Collection[ToolRunState], *, limit: int = 1000
    ) -> list[ToolRunRow]:
        return await self._all(_IN_STATES.limit(limit), {"states": list(states)})

    async def _all(self, query: Select[Any], values: dict[str, Any]) -> list[ToolRunRow]:
        rows = await self._readers.run(lambda connection: connection.execute(query, values).all())
        return [ToolRunRow(**found._mapping) for found in rows]


def columns(rows: Sequence[ToolRunRow]) -> list[dict[str, Any]]:
    """Return the rows as columns."""
    return [{name: getattr(row, name) for name in _COLUMNS} for row in rows]
