"""Find and write questions in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..base import page_size
from ..questions import QuestionPage, QuestionRow
from .database_threads import DatabaseThreads
from .paging import newest_first, only_of
from .schema import questions

if TYPE_CHECKING:
    from sqlalchemy import FromClause, Select

_COLUMNS = tuple(field.name for field in fields(QuestionRow))


class SqlQuestions:
    def __init__(self, readers: DatabaseThreads) -> None:
        self._readers = readers

    async def newest(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        unanswered: bool = False,
        before: str | None = None,
        limit: int = 20,
    ) -> QuestionPage:
        def selected(query: Select[Any], table: FromClause) -> Select[Any]:
            query = only_of(query, table, assistants, subject)
            return query.where(table.c.answered.is_(False)) if unanswered else query

        size = page_size(limit)
        query = newest_first(questions, "at", before, size + 1, selected)
        found = await self._readers.run(lambda connection: connection.execute(query).all())
        rows = [QuestionRow(**row._mapping) for row in found]
        return QuestionPage(rows[:size], has_more=len(rows) > size)


def columns(rows: Sequence[QuestionRow]) -> list[dict[str, Any]]:
    """Return the rows as columns."""
    return [{name: getattr(row, name) for name in _COLUMNS} for row in rows]
