"""Find and write feedback in SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, select

from ..feedback import FeedbackRow, Score
from . import statements
from .database_threads import DatabaseThreads
from .schema import calls, feedback

if TYPE_CHECKING:
    from sqlalchemy import FromClause, Select

_COLUMNS = tuple(field.name for field in fields(FeedbackRow))
_OF_CALLS = select(feedback).where(feedback.c.call_id.in_(bindparam("ids", expanding=True)))
_CALL = select(calls.c.id).where(calls.c.id == bindparam("call"))


class SqlFeedback:
    def __init__(self, writer: DatabaseThreads, readers: DatabaseThreads) -> None:
        self._writer = writer
        self._readers = readers

    async def put(self, row: FeedbackRow) -> bool:
        values = {name: getattr(row, name) for name in _COLUMNS}

        def work(connection: Connection) -> bool:
            if connection.execute(_CALL, {"call": row.call_id}).first() is None:
                return False
            connection.execute(statements.upsert(feedback, connection.dialect.name), values)
            return True

        return await self._writer.run(work)

    async def of_calls(self, call_ids: Collection[str]) -> dict[str, FeedbackRow]:
        """`call_ids`: those of one page."""
        values = {"ids": list(call_ids)}
        rows = await self._readers.run(lambda c: c.execute(_OF_CALLS, values).all())
        return {row.call_id: FeedbackRow(**row._mapping) for row in rows}


def only_rated(query: Select[Any], table: FromClause, score: Score | None) -> Select[Any]:
    """Keep the calls that got this score. None: any."""
    if score is None:
        return query
    rated = select(feedback.c.call_id).where(feedback.c.score == score)
    return query.where(table.c.id.in_(rated))
