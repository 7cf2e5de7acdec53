"""The database of an assistant, `call.db` of its tools: one SQLite file, and one thread at a time.

    tool ─► execute / fetch / fetch_one ─► lock ─► thread ─► SQLite (WAL, foreign keys)
      └───► transaction() holds the lock from BEGIN to COMMIT or ROLLBACK

The file opens with the first statement. A statement has a deadline, and a bounded number of rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from datetime import time as clock_time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..errors import AssistantError, EngineError
from . import migrations
from .migrations import Migration
from .threads import DaemonThreads

T = TypeVar("T")

STATEMENT_S = 5.0
WAIT_S = 5.0  # for another transaction of this server, or another process
ROWS = 1000  # of one statement
VALUE_BYTES = 1024 * 1024
STEPS = 1000  # of SQLite's machine, between two looks at the clock

Row = dict[str, Any]


class DatabaseError(EngineError):
    """A statement failed. The message names the file, and a model can read it.

    `constraint`: the statement broke a rule of the tables (`UNIQUE`, `CHECK`, a foreign key).
    """

    def __init__(self, message: str, *, constraint: bool = False) -> None:
        super().__init__(message, "database_failed")
        self.constraint = constraint


class Database(Protocol):
    """Run statements: the database of an assistant, or one of its transactions."""

    async def execute(self, sql: str, *values: object) -> int:
        """Run a statement, and return how many rows it changed."""

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Return the rows, each by the names of its columns."""

    async def fetch_one(self, sql: str, *values: object) -> Row | None:
        """Return the first row. None: there is none."""


Run = Callable[[str, tuple[object, ...]], Awaitable[tuple[list[Row], int]]]
"""Run a statement with its values: the rows, and how many rows it changed."""


class Statements:
    """Run statements. Values follow the SQL for `?`, or one mapping for `:name`.

    Dates, times, enums and decimals are stored as text. All methods raise `DatabaseError`.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    async def execute(self, sql: str, *values: object) -> int:
        """Run a statement, and return how many rows it changed."""
        return (await self._run(sql, values))[1]

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Return the rows, each by the names of its columns."""
        return (await self._run(sql, values))[0]

    async def fetch_one(self, sql: str, *values: object) -> Row | None:
        """Return the first row. None: there is none."""
        rows = await self.fetch(sql, *values)
        return rows[0] if rows else None


class AssistantDatabase:
    """The database of one assistant. `folder` is the assistant's, with its `migrations`."""

    def __init__(
        self,
        path: Path,
        folder: Path,
        *,
        statement_s: float = STATEMENT_S,
        wait_s: float = WAIT_S,
        rows: int = ROWS,
    ) -> None:
        self.path = path
        self._folder = folder
        self._statement_s = statement_s
        self._wait_s = wait_s
        self._rows = rows
        self._alone = Statements(self._run)
        self._lock = asyncio.Lock()
        self._threads = DaemonThreads(f"database-{path.stem}", 1)
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._deadline = 0.0

    @property
    def name(self) -> str:
        """The name of the file inside the data folder, as errors say it."""
        return f"{self.path.parent.name}/{self.path.name}"

    async def execute(self, sql: str, *values: object) -> int:
        """Run a statement by itself, and return how many rows it changed."""
        return await self._alone.execute(sql, *values)

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Return the rows, each by the names of its columns."""
        return await self._alone.fetch(sql, *values)

    async def fetch_one(self, sql: str, *values: object) -> Row | None:
        """Return the first row. None: there is none."""
        return await self._alone.fetch_one(sql, *values)

    async def close(self) -> None:
        """Close the file, after the statement that runs."""
        async with self._held():
            self._closed = True
            connection, self._connection = self._connection, None
            if connection is not None:
                await self._threads.run(connection.close)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Statements, None]:
        """Run the statements of a block together: all of them, or none if the block raises.

        Inside the block use what it yields, not the database itself.
        """
        async with self._held():
            connection = await self._open()
            await self._work(lambda: _begin(connection))

            async def within(sql: str, values: tuple[object, ...]) -> tuple[list[Row], int]:
                if not connection.in_transaction:
                    raise DatabaseError(f"{self.name}: this transaction is over.")
                return await self._statement(connection, sql, values)

            try:
                yield Statements(within)
                await self._work(lambda: connection.execute("COMMIT"))
            finally:  # a cancelled tool leaves nothing behind: the thread ends its statement first
                await asyncio.shield(self._work(lambda: _roll_back(connection)))

    async def _run(self, sql: str, values: tuple[object, ...]) -> tuple[list[Row], int]:
        async with self._held():
            return await self._statement(await self._open(), sql, values)

    @contextlib.asynccontextmanager
    async def _held(self) -> AsyncGenerator[None, None]:
        """Hold the database. Raises `DatabaseError` if another transaction does not end."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._lock.acquire()
        except TimeoutError:
            raise DatabaseError(
                f"{self.name} is busy: a transaction runs for more than {self._wait_s:g} s. "
                "Inside `async with call.db.transaction() as db` use `db`."
            ) from None
        try:
            yield
        finally:
            self._lock.release()

    async def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise DatabaseError(f"{self.name} is closed.")
        if self._connection is None:
            self._connection = await self._work(self._opened)
        return self._connection

    async def _statement(
        self, connection: sqlite3.Connection, sql: str, values: tuple[object, ...]
    ) -> tuple[list[Row], int]:
        given = _bound(values)
        return await self._work(lambda: self._fetched(connection, sql, given))

    async def _work(self, work: Callable[[], T]) -> T:
        """Run this in the thread. Raises `DatabaseError`."""

        def timed() -> T:
            self._deadline = time.monotonic() + self._statement_s
            return work()

        try:
            return await self._threads.run(timed)
        except AssistantError as error:
            raise DatabaseError(f"{self.name} cannot be used: {error}") from None
        except (sqlite3.Error, sqlite3.Warning, OSError) as error:
            raise self._told(error) from None

    def _told(self, error: Exception) -> DatabaseError:
        if isinstance(error, sqlite3.OperationalError) and str(error) == "interrupted":
            return DatabaseError(f"{self.name}: a statement took over {self._statement_s:g} s.")
        constraint = isinstance(error, sqlite3.IntegrityError)
        return DatabaseError(f"{self.name}: {error}", constraint=constraint)

    # The methods below run in the thread.

    def _opened(self) -> sqlite3.Connection:
        """Open the file, and apply what is new in `migrations`."""
        wanted = migrations.read(self._folder)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # other users see no file
        connection = sqlite3.connect(
            self.path, timeout=self._wait_s, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection, wanted or ())
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, wanted: Sequence[Migration]) -> None:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA foreign_keys = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
        migrations.apply(connection, self._folder, wanted)
        connection.set_progress_handler(lambda: time.monotonic() > self._deadline, STEPS)

    def _fetched(
        self,
        connection: sqlite3.Connection,
        sql: str,
        values: Any,  # noqa: ANN401
    ) -> tuple[list[Row], int]:
        connection.set_authorizer(migrations.refuse_own_work)
        try:
            cursor = connection.execute(sql, values)
            rows = cursor.fetchmany(self._rows + 1)
            columns = [name for name, *_ in cursor.description or ()]
            cursor.close()
        finally:
            connection.set_authorizer(None)
        if len(rows) > self._rows:
            raise sqlite3.DataError(f"a statement gave more than {self._rows} rows; use LIMIT")
        return [dict(zip(columns, row, strict=True)) for row in rows], max(cursor.rowcount, 0)


@contextlib.asynccontextmanager
async def opened(path: Path, folder: Path) -> AsyncGenerator[AssistantDatabase, None]:
    """Give the database of an assistant, and close it afterwards."""
    database = AssistantDatabase(path, folder)
    try:
        yield database
    finally:
        await database.close()


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _bound(values: tuple[object, ...]) -> Any:  # noqa: ANN401
    """Return the values as SQLite takes them: a mapping for `:name`, otherwise a tuple."""
    if len(values) == 1 and isinstance(values[0], Mapping):
        return {name: _plain(value) for name, value in values[0].items()}
    return tuple(map(_plain, values))


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | datetime | clock_time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
