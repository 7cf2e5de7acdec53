"""Select pages of rows, the newest first, and the rows that a caller may list."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import FromClause, Select, Table, select, tuple_


def newest_first(
    table: Table,
    at: str,
    before: str | None,
    limit: int,
    selected: Callable[[Select[Any], FromClause], Select[Any]],
) -> Select[Any]:
    """Select a page by time and then by id, so that pages with equal times do not overlap.

    The row named `before` must be selected too, so that a row of another user has no next page.
    """
    key = tuple_(table.c[at], table.c.id)
    query = select(table).order_by(table.c[at].desc(), table.c.id.desc()).limit(limit)
    query = selected(query, table)
    if before is None:
        return query
    last = table.alias("last")
    position = selected(select(last.c[at], last.c.id).where(last.c.id == before), last)
    return query.where(key < position.scalar_subquery())


def only_of(
    query: Select[Any], table: FromClause, assistants: Collection[str] | None, subject: str | None
) -> Select[Any]:
    """Keep the rows with one of these assistants and of this user. None: any."""
    if assistants is not None and len(assistants) == 1:  # `=` uses an index and needs no sorting
        query = query.where(table.c.assistant == next(iter(assistants)))
    elif assistants is not None:
        query = query.where(table.c.assistant.in_(sorted(assistants)))
    return query if subject is None else query.where(table.c.subject == subject)
