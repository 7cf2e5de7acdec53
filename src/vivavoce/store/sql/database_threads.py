"""Run database work in threads with their own connections, so that the event loop never waits.

The store has one thread that writes, and three that read. A full queue or a failing disk raises a
`StoreError` whose message says what is wrong.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from ...errors import StoreCause, StoreError

T = TypeVar("T")

BUSY_MS = 4000  # ms that another process may lock the database; less than a commit may take

_FAILURES: Mapping[str, tuple[StoreCause, str]] = {
    "SQLITE_FULL": ("full", "the disk is full"),
    "SQLITE_BUSY": ("locked", "another program keeps the database locked"),
    "SQLITE_LOCKED": ("locked", "another program keeps the database locked"),
    "SQLITE_READONLY": (
        "access",
        "the database may not be written: check the owner of the data folder",
    ),
    "SQLITE_PERM": (
        "access",
        "the database may not be written: check the owner of the data folder",
    ),
    "SQLITE_AUTH": (
        "access",
        "the database may not be written: check the owner of the data folder",
    ),
    "SQLITE_CANTOPEN": (
        "access",
        "the database cannot be opened: check the owner of the data folder",
    ),
    "SQLITE_CORRUPT": ("damaged", "the database is damaged: restore it from a backup"),
    "SQLITE_NOTADB": ("foreign", "the database file is not a database: restore it from a backup"),
    "SQLITE_IOERR_SHMSIZE": ("full", "the disk is full"),  # a file beside the database cannot grow
    "SQLITE_IOERR": ("device", "the disk reports an input or output error"),
    "SQLITE_TOOBIG": ("other", "a row is too large"),
    "SQLITE_CONSTRAINT": ("other", "the store refuses a row that contradicts the others"),
}


def store_error(error: sqlite3.Error | DBAPIError) -> StoreError:
    """Return the error as a sentence, without any value of a row."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    name = str(getattr(cause, "sqlite_errorname", None) or type(cause).__name__)
    primary = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE is a SQLITE_IOERR
    known = _FAILURES.get(name) or _FAILURES.get(primary)
    reason, sentence = known or ("other", "the database failed")
    return StoreError(f"{sentence} ({name})", reason)


class DatabaseThreads:
    """Run each piece of work in a transaction, in one of `threads` threads.

    At most `capacity` pieces run or wait. More are refused.
    """

    def __init__(self, engine: Engine, name: str, *, threads: int, capacity: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, f"store-{name}")
        self._free = threading.Semaphore(capacity)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run the work and return its result. Raises `StoreError`.

        Work that has begun continues if the caller is cancelled.
        """
        if not self._free.acquire(blocking=False):
            raise StoreError("the disk is too far behind")
        try:
            job = self._threads.submit(self._perform, work)
        except RuntimeError:
            self._free.release()
            raise StoreError("the store is closed") from None
        job.add_done_callback(lambda _: self._free.release())
        return await asyncio.wrap_future(job)

    def _perform(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except (sqlite3.Error, DBAPIError) as error:
            raise store_error(error) from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise StoreError(f"the store refuses a value ({type(error).__name__})") from None
        except (ValueError, TypeError) as error:  # a column type cannot read what is stored
            raise StoreError(f"a stored value cannot be read ({type(error).__name__})") from None

    async def empty_log(self) -> bool:
        """Move all commits from the log into the database, and empty the log.

        Return False if a reader still uses an older state of the database. Raises `StoreError`.
        """
        return await self.run_bare(_empty_log)

    async def run_bare(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run work outside a transaction, so that the writer locks nothing. Raises `StoreError`.

        It runs after the work that was submitted before.
        """

        def perform() -> T:
            try:
                with closing(self._engine.raw_connection()) as connection:
                    return work(cast("sqlite3.Connection", connection.driver_connection))
            except (sqlite3.Error, DBAPIError) as error:
                raise store_error(error) from error

        try:
            return await asyncio.wrap_future(self._threads.submit(perform))
        except RuntimeError:
            raise StoreError("the store is closed") from None

    async def close(self) -> None:
        """Wait for the work that has begun, and close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()


def sqlite_writer(path: Path) -> DatabaseThreads:
    """Make one thread with one connection, whose transactions lock for writing at their start."""
    engine = _sqlite(
        path, 1, "BEGIN IMMEDIATE", ["journal_size_limit=67108864", "secure_delete=ON"]
    )
    return DatabaseThreads(engine, "write", threads=1, capacity=256)


def sqlite_readers(path: Path) -> DatabaseThreads:
    """Make three threads that read the last commit, and never delay the writer."""
    engine = _sqlite(path, 3, "BEGIN", ["query_only=ON"])
    return DatabaseThreads(engine, "read", threads=3, capacity=1024)


def _sqlite(path: Path, connections: int, begin: str, pragmas: list[str]) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False, "isolation_level": None},
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # errors are logged, and values may be what people said
    )

    # pysqlite begins a transaction only at the first write. The listener below begins it at once.
    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        for pragma in (f"busy_timeout={BUSY_MS}", *pragmas, "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        _use_wal(connection)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def data_version(connection: sqlite3.Connection) -> int:
    """Return a number that changes when another connection commits.

    It does not change by this connection's own commits, and compares with an earlier number of the
    same connection only (sqlite.org/pragma.html#pragma_data_version).
    """
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Truncate the log without waiting for readers: the next commit must not wait for them."""
    connection.execute("PRAGMA busy_timeout=0").close()
    try:
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}").close()
    return not busy


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode.

    SQLite ignores `busy_timeout` here: of two processes that start together, one fails at once.
    """
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
