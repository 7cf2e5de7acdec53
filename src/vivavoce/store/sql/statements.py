"""The statements of the store, and the rows that they take and return."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Executable,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy import Row as Found
from sqlalchemy.dialects import sqlite

from ..base import (
    FIRST_MESSAGE,
    AuditRow,
    CallRow,
    ConversationRow,
    Grant,
    KeyRow,
    ResponseRow,
    SecretRow,
)
from ..changes import MergedChanges, decode, encode, encode_row
from .events import add as add_events
from .questions import columns as question_columns
from .schema import (
    api_keys,
    audit,
    calls,
    client_secrets,
    conversations,
    items,
    questions,
    responses,
    tool_runs,
)
from .tool_runs import columns as tool_run_columns

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

# Statements of every call are built once: SQLAlchemy takes longer to build one than to run it


@cache
def insert_into(table: Table) -> Executable:
    return insert(table)


@cache
def upsert(table: Table, dialect: str) -> Executable:
    """Return the statement that inserts a row, or replaces the row with the same key."""
    if dialect == "postgresql":  # imported here because it takes 100 ms
        from sqlalchemy.dialects import postgresql

        return _replacing(postgresql.insert(table), table)
    return _replacing(sqlite.insert(table), table)


def _replacing(statement: sqlite.Insert | postgresql.Insert, table: Table) -> Executable:
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key},
    )


KEY_BY_HASH = select(api_keys).where(api_keys.c.hash == bindparam("hash"))
SECRET_BY_HASH = select(client_secrets).where(client_secrets.c.hash == bindparam("hash"))
SECRET = select(client_secrets).where(client_secrets.c.id == bindparam("secret"))
REVOKED_KEYS, REVOKED_SECRETS = (
    select(table.c.id).where(
        table.c.id.in_(bindparam("ids", expanding=True)), table.c.revoked_at.is_not(None)
    )
    for table in (api_keys, client_secrets)
)
_messages = and_(
    items.c.conversation_id.in_(bindparam("ids", expanding=True)),
    items.c.type == "message",
    items.c.role == "user",
    func.length(items.c.content) <= FIRST_MESSAGE,
)
_first = (
    select(items.c.conversation_id, func.min(items.c.position).label("position"))
    .where(_messages)
    .group_by(items.c.conversation_id)
    .subquery()
)
FIRST_MESSAGES = (
    select(items)
    .join(
        _first,
        and_(
            items.c.conversation_id == _first.c.conversation_id,
            items.c.position == _first.c.position,
        ),
    )
    .where(_messages)
)
EXISTING = select(conversations.c.id).where(
    conversations.c.id.in_(bindparam("ids", expanding=True))
)
SOURCES = (
    select(items.c.sources, conversations)
    .join(conversations, conversations.c.id == items.c.conversation_id)
    .where(items.c.id == bindparam("item"), items.c.sources.is_not(None))
    .order_by(conversations.c.id)
)
END_CALL = (
    update(calls)
    .where(calls.c.id == bindparam("call"), calls.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"), ending=bindparam("how"))
)
_DELETE_ITEM = delete(items).where(
    items.c.conversation_id == bindparam("of_conversation"), items.c.id == bindparam("item")
)
_TOUCH = (
    update(conversations)
    .where(
        conversations.c.id == bindparam("conversation"),
        conversations.c.updated_at < bindparam("at"),
    )
    .values(updated_at=bindparam("at"))
)


def commit(connection: Connection, merged: MergedChanges) -> None:
    kept = [
        {**encode_row(row), "conversation_id": of}
        for (of, _), row in merged.items.items()
        if row is not None
    ]
    gone = [
        {"of_conversation": of, "item": item_id}
        for (of, item_id), row in merged.items.items()
        if row is None
    ]
    asked = question_columns(list(merged.questions.values()))
    replies = [_response_values(row) for row in merged.responses.values()]
    touched = [{"conversation": of, "at": at} for of, at in merged.touched.items()]
    dialect = connection.dialect.name
    for statement, rows in (
        (upsert(items, dialect), kept),
        (_DELETE_ITEM, gone),
        (upsert(responses, dialect), replies),
        (upsert(tool_runs, dialect), tool_run_columns(list(merged.tool_runs.values()))),
        (upsert(questions, dialect), asked),
        (_TOUCH, touched),
    ):
        if rows:
            connection.execute(statement, rows)
    if merged.events:
        add_events(connection, merged.events)


def record_act(connection: Connection, act: AuditRow | None) -> None:
    """Insert an act in the transaction of what it is about. None: there is none."""
    if act is not None:
        values = columns(act) | {"detail": encode({**act.detail})}
        connection.execute(insert_into(audit), values)


def only_acts_of(
    query: Select[Any],
    table: FromClause,
    actor: str | None,
    action: str | None,
    since: datetime | None,
) -> Select[Any]:
    """Keep the acts of this actor, of this kind, and not before `since`. None: any."""
    if actor is not None:
        query = query.where(table.c.actor == actor)
    if action is not None:
        query = query.where(table.c.action == action)
    return query if since is None else query.where(table.c.at >= since)


def audit_row(found: Found[Any]) -> AuditRow:
    values = dict(found._mapping)
    return AuditRow(**values | {"detail": decode(values["detail"], dict[str, str])})


def columns(
    row: ConversationRow | CallRow | ResponseRow | KeyRow | SecretRow | AuditRow,
) -> dict[str, Any]:
    """Return the fields by name. `asdict` would copy every value deeply."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def secret_row(found: Found[Any]) -> SecretRow:
    values = dict(found._mapping)
    return SecretRow(**values | {"grant": decode(values["grant"], Grant)})


def source_columns(found: Found[Any]) -> tuple[str, dict[str, Any]]:
    """Return the stored sources of a row of `SOURCES`, and the columns of its conversation."""
    values = dict(found._mapping)
    return values.pop("sources"), values


def _response_values(row: ResponseRow) -> dict[str, Any]:
    values = columns(row)
    values["usage"] = None if row.usage is None else encode(row.usage)
    return values


def response_row(found: Found[Any]) -> ResponseRow:
    values = dict(found._mapping)
    if values["usage"] is not None:
        values["usage"] = decode(values["usage"], dict[str, object])
    return ResponseRow(**values)
