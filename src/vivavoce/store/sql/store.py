"""Implement the store in SQL. Each verb is one transaction in the writing or a reading thread."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    Connection,
    CursorResult,
    Executable,
    FromClause,
    Select,
    Table,
    and_,
    delete,
    or_,
    select,
    text,
    update,
)
from sqlalchemy import Row as Found

from ...errors import ConversationDeletedError, StoreError
from ...protocol.own_events import Source
from ..base import (
    AUDIT_KEPT,
    KEPT_FOR_CALLS,
    LATEST_RESPONSES,
    RUNS_KEPT,
    SEARCHED,
    AuditPage,
    AuditRow,
    CallRow,
    Change,
    ConversationPage,
    ConversationRow,
    ItemRow,
    KeyRow,
    ResponseRow,
    SecretRow,
    page_size,
)
from ..changes import decode_row, decode_sources, encode, merge
from ..feedback import Score
from ..prompts import PromptRow
from . import database_file, database_threads, migrations, prompts, statements
from .events import SqlEventOutbox
from .feedback import SqlFeedback, only_rated
from .paging import newest_first, only_of
from .questions import SqlQuestions
from .schema import (
    api_keys,
    audit,
    calls,
    client_secrets,
    conversations,
    items,
    responses,
    sign_in_codes,
    tool_runs,
)
from .searching import saying
from .tool_runs import SqlToolRuns

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
        self.tool_runs = SqlToolRuns(readers)
        self.questions = SqlQuestions(readers)
        self.outbox = SqlEventOutbox(writer, readers)
        self.prompts = prompts.SqlPrompts(writer, readers)
        self.feedback = SqlFeedback(writer, readers)
        self._pinging = asyncio.Lock()
        self._pinged: float | None = None
        self._forgetting: asyncio.Task[None] | None = None
        self._release: Callable[[], None] = lambda: None
        self._removals = 0  # revocations and deletions that the writing thread has begun
        self._last_look: tuple[sqlite3.Connection, int, int] | None = None

    @classmethod
    async def open(cls, path: Path, *, migrate: bool = True) -> Self:
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
            await self._writer.run(lambda connection: statements.commit(connection, merged))
        except StoreError as error:
            if await self.missing_conversations({c.conversation_id for c in changes} - {""}):
                raise ConversationDeletedError("a conversation was deleted") from error
            raise
        if None in merged.items.values():
            self._forget_soon()

    async def create_conversation(self, row: ConversationRow) -> None:
        await self._insert(conversations, statements.columns(row))

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
        search: Sequence[str] = (),
    ) -> ConversationPage:
        size = page_size(limit)
        selected = partial(only_of, assistants=assistants, subject=subject)
        query = newest_first(conversations, "created_at", before, size + 1, selected)
        if search:
            newest = newest_first(conversations, "created_at", None, SEARCHED, selected)
            query = saying(query, newest, search)
        rows = [ConversationRow(**found._mapping) for found in await self._all(query)]
        return ConversationPage(rows[:size], has_more=len(rows) > size)

    async def missing_conversations(self, conversation_ids: Collection[str]) -> set[str]:
        ids, found = list(conversation_ids), set[str]()
        for start in range(0, len(ids), IDS_AT_ONCE):
            batch = {"ids": ids[start : start + IDS_AT_ONCE]}
            found |= {row.id for row in await self._all(statements.EXISTING, batch)}
        return set(ids) - found

    async def rename_conversation(
        self, conversation_id: str, title: str | None, act: AuditRow | None = None
    ) -> bool:
        renaming = update(conversations).where(conversations.c.id == conversation_id)
        return await self._write(renaming.values(title=title), act=act)

    async def first_messages(self, conversation_ids: Collection[str]) -> dict[str, ItemRow]:
        found = await self._all(statements.FIRST_MESSAGES, {"ids": list(conversation_ids)})
        return {row.conversation_id: decode_row(row._asdict()) for row in found}

    async def delete_conversation(self, conversation_id: str, act: AuditRow | None = None) -> bool:
        deleting = delete(conversations).where(conversations.c.id == conversation_id)
        found = await self._remove(_change(deleting, act=act))
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

    async def sources(self, item_id: str) -> list[tuple[ConversationRow, tuple[Source, ...]]]:
        return [
            (ConversationRow(**values), decode_sources(stored))
            for found in await self._all(statements.SOURCES, {"item": item_id})
            for stored, values in [statements.source_columns(found)]
        ]

    async def begin_call(
        self, row: CallRow, new: ConversationRow | None = None, prompt: PromptRow | None = None
    ) -> None:
        def begin(connection: Connection) -> None:
            if new is not None:
                connection.execute(statements.insert_into(conversations), statements.columns(new))
            connection.execute(statements.insert_into(calls), statements.columns(row))
            if prompt is not None:
                prompts.insert(connection, prompt)

        await self._writer.run(begin)

    async def end_call(self, call_id: str, ended_at: datetime, ending: str) -> None:
        await self._write(statements.END_CALL, {"call": call_id, "at": ended_at, "how": ending})

    async def call(self, call_id: str) -> CallRow | None:
        found = await self._one(select(calls).where(calls.c.id == call_id))
        return None if found is None else CallRow(**found._mapping)

    async def calls(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        score: Score | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> list[CallRow]:
        def selected(query: Select[Any], table: FromClause) -> Select[Any]:
            return only_rated(only_of(query, table, assistants, subject), table, score)

        query = newest_first(calls, "started_at", before, page_size(limit), selected)
        return [CallRow(**found._mapping) for found in await self._all(query)]

    async def responses(self, call_id: str) -> list[ResponseRow]:
        query = (
            select(responses)
            .where(responses.c.call_id == call_id)
            .order_by(responses.c.created_at, responses.c.id)
        )
        return [statements.response_row(found) for found in await self._all(query)]

    async def latest_responses(self, conversation_id: str) -> list[ResponseRow]:
        query = (
            select(responses)
            .join(calls, calls.c.id == responses.c.call_id)
            .where(calls.c.conversation_id == conversation_id)
            .order_by(responses.c.created_at.desc(), responses.c.id.desc())
            .limit(LATEST_RESPONSES)
        )
        return [statements.response_row(found) for found in reversed(await self._all(query))]

    # Credentials

    async def add_key(self, row: KeyRow, act: AuditRow | None = None) -> None:
        await self._insert(api_keys, statements.columns(row), act)

    async def key_by_hash(self, hash: str) -> KeyRow | None:
        found = await self._one(statements.KEY_BY_HASH, {"hash": hash})
        return None if found is None else KeyRow(**found._mapping)

    async def key(self, key_id: str) -> KeyRow | None:
        found = await self._one(select(api_keys).where(api_keys.c.id == key_id))
        return None if found is None else KeyRow(**found._mapping)

    async def keys(self) -> list[KeyRow]:
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        return [KeyRow(**found._mapping) for found in await self._all(query)]

    async def revoke_key(self, key_id: str, at: datetime, act: AuditRow | None = None) -> bool:
        valid = and_(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        return await self._remove(
            _change(update(api_keys).where(valid).values(revoked_at=at), act=act)
        )

    async def touch_key(self, key_id: str, at: datetime) -> None:
        last = api_keys.c.last_used_at
        await self._write(
            update(api_keys)
            .where(api_keys.c.id == key_id, or_(last.is_(None), last < at))
            .values(last_used_at=at)
        )

    async def add_secret(self, row: SecretRow, act: AuditRow | None = None) -> None:
        values = statements.columns(row) | {"grant": encode(row.grant)}
        await self._insert(client_secrets, values, act)

    async def secret_by_hash(self, hash: str) -> SecretRow | None:
        found = await self._one(statements.SECRET_BY_HASH, {"hash": hash})
        return None if found is None else statements.secret_row(found)

    async def secret(self, secret_id: str) -> SecretRow | None:
        found = await self._one(statements.SECRET, {"secret": secret_id})
        return None if found is None else statements.secret_row(found)

    async def secrets(self) -> list[SecretRow]:
        query = select(client_secrets).order_by(client_secrets.c.id)
        return [statements.secret_row(found) for found in await self._all(query)]

    async def has_minted(self, minter_id: str, secret_id: str) -> bool:
        return await self._is_there(
            select(client_secrets.c.id).where(
                client_secrets.c.id == secret_id, client_secrets.c.minted_by == minter_id
            )
        )

    async def revoke_secret(
        self, secret_id: str, at: datetime, act: AuditRow | None = None
    ) -> bool:
        valid = client_secrets.c.revoked_at.is_(None)
        this = and_(client_secrets.c.id == secret_id, valid)
        its_own = and_(client_secrets.c.minted_by == secret_id, valid)

        def work(connection: Connection) -> bool:
            revoking = update(client_secrets).values(revoked_at=at)
            if not _execute(connection, revoking.where(this), None):
                return False
            connection.execute(revoking.where(its_own))
            statements.record_act(connection, act)
            return True

        return await self._remove(work)

    async def revoked(self, credential_ids: Collection[str]) -> set[str]:
        found = set[str]()
        keys = [name for name in credential_ids if name.startswith("key_")]
        others = [name for name in credential_ids if not name.startswith("key_")]
        for query, ids in ((statements.REVOKED_KEYS, keys), (statements.REVOKED_SECRETS, others)):
            for start in range(0, len(ids), IDS_AT_ONCE):
                batch = {"ids": ids[start : start + IDS_AT_ONCE]}
                found |= {row.id for row in await self._all(query, batch)}
        return found

    async def revoked_or_deleted(self) -> bool:
        def look(connection: sqlite3.Connection) -> tuple[sqlite3.Connection, int, int]:
            """Count removals in this thread: the loop would count one before its commit."""
            return connection, database_threads.data_version(connection), self._removals

        last, self._last_look = self._last_look, await self._writer.run_bare(look)
        return self._last_look != last

    async def add_code(self, hash: str, expires_at: datetime, act: AuditRow | None = None) -> None:
        await self._insert(sign_in_codes, {"hash": hash, "expires_at": expires_at}, act)

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

        old_runs = and_(tool_runs.c.call_id.is_(None), tool_runs.c.ended_at <= now - RUNS_KEPT)

        def work(connection: Connection) -> None:
            connection.execute(delete(client_secrets).where(ended))
            connection.execute(delete(sign_in_codes).where(spent))
            connection.execute(delete(audit).where(audit.c.at <= now - AUDIT_KEPT))
            connection.execute(delete(tool_runs).where(old_runs))

        await self._writer.run(work)

    # The audit log

    async def record_act(self, act: AuditRow) -> None:
        await self._writer.run(lambda connection: statements.record_act(connection, act))

    async def acts(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> AuditPage:
        size = page_size(limit)
        selected = partial(statements.only_acts_of, actor=actor, action=action, since=since)
        query = newest_first(audit, "at", before, size + 1, selected)
        rows = [statements.audit_row(found) for found in await self._all(query)]
        return AuditPage(rows[:size], has_more=len(rows) > size)

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

    async def _write(
        self,
        statement: Executable,
        values: dict[str, Any] | None = None,
        act: AuditRow | None = None,
    ) -> bool:
        """Execute the statement, and return whether it changed a row. If so, store the act too."""
        return await self._writer.run(_change(statement, values, act))

    async def _remove(self, work: Callable[[Connection], bool]) -> bool:
        """Revoke or delete, and count it, also if the caller is cancelled meanwhile."""

        def counted(connection: Connection) -> bool:
            self._removals += 1
            return work(connection)

        return await self._writer.run(counted)

    async def _insert(
        self, table: Table, values: dict[str, Any], act: AuditRow | None = None
    ) -> None:
        await self._write(statements.insert_into(table), values, act)

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


def _change(
    statement: Executable, values: dict[str, Any] | None = None, act: AuditRow | None = None
) -> Callable[[Connection], bool]:
    """Return work that executes the statement, and stores the act if that changed a row."""

    def work(connection: Connection) -> bool:
        changed = _execute(connection, statement, values)
        if changed:
            statements.record_act(connection, act)
        return changed

    return work


def _execute(connection: Connection, statement: Executable, values: dict[str, Any] | None) -> bool:
    result = connection.execute(statement, values)
    assert isinstance(result, CursorResult)
    return result.rowcount > 0
