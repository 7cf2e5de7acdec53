"""Implement the store in SQL. Each verb is one transaction in the writing or a reading thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Executable,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy import Row as Found
from sqlalchemy.dialects import sqlite

from ...errors import ConversationDeletedError, StoreError
from ..base import (
    KEPT_FOR_CALLS,
    CallRow,
    Change,
    ConversationPage,
    ConversationRow,
    Grant,
    ItemRow,
    KeyRow,
    ResponseRow,
    SecretRow,
    page_size,
)
from ..changes import MergedChanges, decode, decode_row, encode, encode_row, merge
from . import database_file, database_threads, migrations
from .schema import api_keys, calls, client_secrets, conversations, items, responses, sign_in_codes

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

log = logging.getLogger("vivavoce.store")

PING_EVERY_S = 1.0
FORGET_WITHIN_S, FORGET_AGAIN_S = 1.0, 0.05
IDS_AT_ONCE = 500  # ids in one statement, which takes about 1 ms


class SqlStore:
    """Open it with `await SqlStore.open(path)`. Close it when the last call has ended."""

    def __init__(
        self, writer: database_threads.DatabaseThreads, readers: database_threads.DatabaseThreads
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._pinging = asyncio.Lock()
        self._pinged: float | None = None
        self._forgetting: asyncio.Task[None] | None = None
        self._release: Callable[[], None] = lambda: None

    @classmethod
    async def open(cls, path: Path, *, migrate: bool = True) -> SqlStore:
        """Open the SQLite file at `path`. Create it or migrate it if necessary.

        Without `migrate`, a database of an older version is an error, and none is created.
        Raises `StoreError`, also for a database that a newer version has used, and does not change
        it then.
        """
        if not database_file.exists(path):
            if not migrate:
                raise StoreError(f"{path} does not exist", "damaged")
            await database_file.create(path, _migrate_new)
        database_file.check(path)
        database_file.make_private(path)
        store = cls(database_threads.sqlite_writer(path), database_threads.sqlite_readers(path))
        store._release = database_file.hold(path)
        try:
            if migrate:
                await store._writer.run(migrations.upgrade_existing)
            else:
                await store._readers.run(migrations.require_head)
            await store._readers.run(migrations.verify)
        except BaseException:
            await store.close()
            raise
        return store

    # Conversations, items, responses, calls

    async def damage(self) -> str | None:
        """Read the whole database, and return a sentence if it is damaged. It takes a while."""

        def look(connection: Connection) -> bool:
            return connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok"

        try:
            sound = await self._readers.run(look)
        except StoreError as error:
            return str(error)
        return None if sound else "the database is damaged: restore it from a backup"

    async def commit(self, changes: Sequence[Change]) -> None:
        merged = merge(changes)
        try:
            await self._writer.run(lambda connection: _commit(connection, merged))
        except StoreError as error:
            if await self.missing_conversations({c.conversation_id for c in changes}):
                raise ConversationDeletedError("a conversation was deleted") from error
            raise
        if None in merged.items.values():
            self._forget_soon()

    async def create_conversation(self, row: ConversationRow) -> None:
        await self._insert(conversations, _columns(row))

    async def conversation(self, conversation_id: str) -> ConversationRow | None:
        found = await self._one(select(conversations).where(conversations.c.id == conversation_id))
        return None if found is None else ConversationRow(**found._mapping)

    async def conversations(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> ConversationPage:
        size = page_size(limit)
        selected = partial(_selected, assistants=assistants, subject=subject)
        query = _newest_first(conversations, "created_at", before, size + 1, selected)
        rows = [ConversationRow(**found._mapping) for found in await self._all(query)]
        return ConversationPage(rows[:size], has_more=len(rows) > size)

    async def missing_conversations(self, conversation_ids: Collection[str]) -> set[str]:
        ids, found = list(conversation_ids), set[str]()
        for start in range(0, len(ids), IDS_AT_ONCE):
            batch = {"ids": ids[start : start + IDS_AT_ONCE]}
            found |= {row.id for row in await self._all(_EXISTING, batch)}
        return set(ids) - found

    async def delete_conversation(self, conversation_id: str) -> bool:
        found = await self._write(
            delete(conversations).where(conversations.c.id == conversation_id)
        )
        if found:
            await self._forget()
        return found

    async def items(self, conversation_id: str) -> list[ItemRow]:
        query = (
            select(items)
            .where(items.c.conversation_id == conversation_id)
            .order_by(items.c.position, items.c.id)
        )

        def read(connection: Connection) -> list[ItemRow]:
            """Decode in this thread too, because 10,000 rows or 60 MiB take 0.2 s."""
            return [decode_row(found._asdict()) for found in connection.execute(query)]

        return await self._readers.run(read)

    async def begin_call(self, row: CallRow, new: ConversationRow | None = None) -> None:
        def begin(connection: Connection) -> None:
            if new is not None:
                connection.execute(_into(conversations), _columns(new))
            connection.execute(_into(calls), _columns(row))

        await self._writer.run(begin)

    async def end_call(self, call_id: str, ended_at: datetime, ending: str) -> None:
        await self._write(_END_CALL, {"call": call_id, "at": ended_at, "how": ending})

    async def call(self, call_id: str) -> CallRow | None:
        found = await self._one(select(calls).where(calls.c.id == call_id))
        return None if found is None else CallRow(**found._mapping)

    async def calls(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> list[CallRow]:
        selected = partial(_selected, assistants=assistants, subject=subject)
        query = _newest_first(calls, "started_at", before, page_size(limit), selected)
        return [CallRow(**found._mapping) for found in await self._all(query)]

    async def responses(self, call_id: str) -> list[ResponseRow]:
        query = (
            select(responses)
            .where(responses.c.call_id == call_id)
            .order_by(responses.c.created_at, responses.c.id)
        )
        return [_response(found) for found in await self._all(query)]

    # Credentials

    async def add_key(self, row: KeyRow) -> None:
        await self._insert(api_keys, _columns(row))

    async def key_by_hash(self, hash: str) -> KeyRow | None:
        found = await self._one(_KEY_BY_HASH, {"hash": hash})
        return None if found is None else KeyRow(**found._mapping)

    async def key(self, key_id: str) -> KeyRow | None:
        found = await self._one(select(api_keys).where(api_keys.c.id == key_id))
        return None if found is None else KeyRow(**found._mapping)

    async def keys(self) -> list[KeyRow]:
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        return [KeyRow(**found._mapping) for found in await self._all(query)]

    async def revoke_key(self, key_id: str, at: datetime) -> bool:
        return await self._write(
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=at)
        )

    async def touch_key(self, key_id: str, at: datetime) -> None:
        last = api_keys.c.last_used_at
        await self._write(
            update(api_keys)
            .where(api_keys.c.id == key_id, or_(last.is_(None), last < at))
            .values(last_used_at=at)
        )

    async def add_secret(self, row: SecretRow) -> None:
        await self._insert(client_secrets, _columns(row) | {"grant": encode(row.grant)})

    async def secret_by_hash(self, hash: str) -> SecretRow | None:
        found = await self._one(_SECRET_BY_HASH, {"hash": hash})
        return None if found is None else _secret(found)

    async def secret(self, secret_id: str) -> SecretRow | None:
        found = await self._one(_SECRET, {"secret": secret_id})
        return None if found is None else _secret(found)

    async def secrets(self) -> list[SecretRow]:
        query = select(client_secrets).order_by(client_secrets.c.id)
        return [_secret(found) for found in await self._all(query)]

    async def has_minted(self, minter_id: str, secret_id: str) -> bool:
        return await self._is_there(
            select(client_secrets.c.id).where(
                client_secrets.c.id == secret_id, client_secrets.c.minted_by == minter_id
            )
        )

    async def revoke_secret(self, secret_id: str, at: datetime) -> bool:
        valid = client_secrets.c.revoked_at.is_(None)
        this = and_(client_secrets.c.id == secret_id, valid)
        its_own = and_(client_secrets.c.minted_by == secret_id, valid)

        def work(connection: Connection) -> bool:
            revoking = update(client_secrets).values(revoked_at=at)
            if not _execute(connection, revoking.where(this), None):
                return False
            connection.execute(revoking.where(its_own))
            return True

        return await self._writer.run(work)

    async def revoked(self, credential_ids: Collection[str]) -> set[str]:
        found = set[str]()
        keys = [name for name in credential_ids if name.startswith("key_")]
        others = [name for name in credential_ids if not name.startswith("key_")]
        for query, ids in ((_REVOKED_KEYS, keys), (_REVOKED_SECRETS, others)):
            for start in range(0, len(ids), IDS_AT_ONCE):
                batch = {"ids": ids[start : start + IDS_AT_ONCE]}
                found |= {row.id for row in await self._all(query, batch)}
        return found

    async def add_code(self, hash: str, expires_at: datetime) -> None:
        await self._insert(sign_in_codes, {"hash": hash, "expires_at": expires_at})

    async def use_code(self, hash: str, now: datetime) -> bool:
        is_valid = and_(
            sign_in_codes.c.hash == hash,
            sign_in_codes.c.used_at.is_(None),
            sign_in_codes.c.expires_at > now,
        )
        # The write checks again: of two requests with one code, only one may succeed.
        return await self._is_there(select(sign_in_codes.c.hash).where(is_valid)) and (
            await self._write(update(sign_in_codes).where(is_valid).values(used_at=now))
        )

    async def sweep(self, now: datetime) -> None:
        ended = or_(
            client_secrets.c.expires_at <= now - KEPT_FOR_CALLS,
            client_secrets.c.revoked_at <= now - KEPT_FOR_CALLS,
        )
        spent = or_(sign_in_codes.c.expires_at <= now, sign_in_codes.c.used_at.is_not(None))

        def work(connection: Connection) -> None:
            connection.execute(delete(client_secrets).where(ended))
            connection.execute(delete(sign_in_codes).where(spent))

        await self._writer.run(work)

    async def ping(self) -> None:
        # This writes a row without changing it: only a write proves that the disk can write.
        # One write a second is enough. Requests without a credential must not delay calls.
        clock = asyncio.get_running_loop().time
        async with self._pinging:
            if self._pinged is None or clock() - self._pinged > PING_EVERY_S:
                table = migrations.VERSION_TABLE
                await self._write(text(f"UPDATE {table} SET version_num = version_num"))
                self._pinged = clock()

    async def _forget(self) -> None:
        """Remove deleted words from the log too. In the database, SQLite overwrites them.

        A reader of an older state delays this. After `FORGET_WITHIN_S` it is left to the next
        deletion, or to the end of the process.
        """
        for _ in range(round(FORGET_WITHIN_S / FORGET_AGAIN_S)):
            if await self._writer.empty_log():
                return
            await asyncio.sleep(FORGET_AGAIN_S)
        log.warning("deleted_words_in_log")

    def _forget_soon(self) -> None:
        """Remove deleted items from the log, once for all deletions of a second."""

        async def forget() -> None:
            await asyncio.sleep(1)
            with suppress(StoreError):  # a failing disk is reported where it is written to
                await self._forget()

        if self._forgetting is None or self._forgetting.done():
            self._forgetting = asyncio.create_task(forget(), name="forget")

    async def close(self) -> None:
        if self._forgetting is not None:  # closing the last connection empties the log
            self._forgetting.cancel()
            await asyncio.wait([self._forgetting])
        await self._readers.close()
        await self._writer.close()
        self._release()

    # One statement, one transaction

    async def _write(self, statement: Executable, values: dict[str, Any] | None = None) -> bool:
        """Execute the statement, and return whether it changed a row."""
        return await self._writer.run(lambda connection: _execute(connection, statement, values))

    async def _insert(self, table: Table, values: dict[str, Any]) -> None:
        await self._write(_into(table), values)

    async def _is_there(self, query: Select[Any]) -> bool:
        """Return whether the query finds a row.

        Requests without a valid credential are answered by this: reading delays no commit.
        """
        return await self._one(query) is not None

    async def _one(
        self, query: Select[Any], values: dict[str, Any] | None = None
    ) -> Found[Any] | None:
        return await self._readers.run(lambda connection: connection.execute(query, values).first())

    async def _all(
        self, query: Select[Any], values: dict[str, Any] | None = None
    ) -> Sequence[Found[Any]]:
        return await self._readers.run(lambda connection: connection.execute(query, values).all())


async def _migrate_new(path: Path) -> None:
    writer = database_threads.sqlite_writer(path)
    try:
        await writer.run(migrations.upgrade)
    finally:
        await writer.close()


def _execute(connection: Connection, statement: Executable, values: dict[str, Any] | None) -> bool:
    result = connection.execute(statement, values)
    assert isinstance(result, CursorResult)
    return result.rowcount > 0


# Statements of every call are built once: SQLAlchemy takes longer to build one than to run it


@cache
def _into(table: Table) -> Executable:
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


_KEY_BY_HASH = select(api_keys).where(api_keys.c.hash == bindparam("hash"))
_SECRET_BY_HASH = select(client_secrets).where(client_secrets.c.hash == bindparam("hash"))
_SECRET = select(client_secrets).where(client_secrets.c.id == bindparam("secret"))
_REVOKED_KEYS, _REVOKED_SECRETS = (
    select(table.c.id).where(
        table.c.id.in_(bindparam("ids", expanding=True)), table.c.revoked_at.is_not(None)
    )
    for table in (api_keys, client_secrets)
)
_EXISTING = select(conversations.c.id).where(
    conversations.c.id.in_(bindparam("ids", expanding=True))
)
_END_CALL = (
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


def _commit(connection: Connection, merged: MergedChanges) -> None:
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
    replies = [_response_values(row) for row in merged.responses.values()]
    touched = [{"conversation": of, "at": at} for of, at in merged.touched.items()]
    dialect = connection.dialect.name
    for statement, rows in (
        (upsert(items, dialect), kept),
        (_DELETE_ITEM, gone),
        (upsert(responses, dialect), replies),
        (_TOUCH, touched),
    ):
        if rows:
            connection.execute(statement, rows)


def _newest_first(
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


def _selected(
    query: Select[Any], table: FromClause, assistants: Collection[str] | None, subject: str | None
) -> Select[Any]:
    """Keep the rows with one of these assistants and of this user. None: any."""
    if assistants is not None and len(assistants) == 1:  # `=` uses an index and needs no sorting
        query = query.where(table.c.assistant == next(iter(assistants)))
    elif assistants is not None:
        query = query.where(table.c.assistant.in_(sorted(assistants)))
    return query if subject is None else query.where(table.c.subject == subject)


def _columns(row: ConversationRow | CallRow | ResponseRow | KeyRow | SecretRow) -> dict[str, Any]:
    """Return the fields by name. `asdict` would copy every value deeply."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _secret(found: Found[Any]) -> SecretRow:
    values = dict(found._mapping)
    return SecretRow(**values | {"grant": decode(values["grant"], Grant)})


def _response_values(row: ResponseRow) -> dict[str, Any]:
    values = _columns(row)
    values["usage"] = None if row.usage is None else encode(row.usage)
    return values


def _response(found: Found[Any]) -> ResponseRow:
    values = dict(found._mapping)
    if values["usage"] is not None:
        values["usage"] = decode(values["usage"], dict[str, object])
    return ResponseRow(**values)
