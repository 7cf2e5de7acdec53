"""Find and write prompts and the values of variables in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from ..base import AuditRow
from ..prompts import PromptRow
from . import statements
from .database_threads import DatabaseThreads
from .schema import calls, conversations, prompts, variables

_COLUMNS = tuple(field.name for field in fields(PromptRow))
_OF_ASSISTANT = select(variables).where(variables.c.assistant == bindparam("of"))
_OF_CALL = select(prompts).where(prompts.c.call_id == bindparam("call")).order_by(prompts.c.number)
_CONTINUE_IN = (
    update(conversations)
    .where(
        conversations.c.id
        == select(calls.c.conversation_id).where(calls.c.id == bindparam("call")).scalar_subquery()
    )
    .values(language=bindparam("spoken"))
)
_REMOVE = delete(variables).where(
    variables.c.assistant == bindparam("of"), variables.c.name == bindparam("named")
)


class SqlPrompts:
    def __init__(self, writer: DatabaseThreads, readers: DatabaseThreads) -> None:
        self._writer = writer
        self._readers = readers

    async def variables(self, assistant: str) -> dict[str, str]:
        values = {"of": assistant}
        rows = await self._readers.run(lambda c: c.execute(_OF_ASSISTANT, values).all())
        return {row.name: row.value for row in rows}

    async def set_variables(
        self,
        assistant: str,
        values: Mapping[str, str | None],
        at: datetime,
        act: AuditRow | None = None,
    ) -> None:
        def work(connection: Connection) -> None:
            for name, value in values.items():
                connection.execute(_REMOVE, {"of": assistant, "named": name})
                if value is not None:
                    row = {"assistant": assistant, "name": name, "value": value}
                    connection.execute(statements.insert_into(variables), row | {"changed_at": at})
            statements.record_act(connection, act)

        await self._writer.run(work)

    async def add(self, row: PromptRow, act: AuditRow | None = None) -> None:
        def work(connection: Connection) -> None:
            insert(connection, row)
            statements.record_act(connection, act)

        await self._writer.run(work)

    async def of_call(self, call_id: str) -> list[PromptRow]:
        values = {"call": call_id}
        rows = await self._readers.run(lambda c: c.execute(_OF_CALL, values).all())
        return [PromptRow(**row._mapping) for row in rows]


def insert(connection: Connection, row: PromptRow) -> None:
    """Store a prompt in the transaction of its call. The conversation takes its language."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _COLUMNS}
    connection.execute(statements.insert_into(prompts), values)
    connection.execute(_CONTINUE_IN, {"call": row.call_id, "spoken": row.language})
