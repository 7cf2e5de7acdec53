"""Where the disk is waited for: threads with their own connections, so that the loop never is.

The store has two lanes: one thread that writes, and a few that read. A lane that is full, or a
disk that fails, is a `StoreError` that says in a sentence what is wrong.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from ...errors import StoreError

T = TypeVar("T")

BUSY_MS = 4000  # how long another process may hold the database; less than a commit may take

_SENTENCES = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "another program keeps the database locked",
    "SQLITE_LOCKED": "another program keeps the database locked",
    "SQLITE_READONLY": "the database may not be written: check the owner of the data folder",
    "SQLITE_PERM": "the database may not be written: check the owner of the data folder",
    "SQLITE_AUTH": "the database may not be written: check the owner of the data folder",
    "SQLITE_CANTOPEN": "the database cannot be opened: check the owner of the data folder",
    "SQLITE_CORRUPT": "the database is damaged: restore it from a backup",
    "SQLITE_NOTADB": "the database file is no database: move it away, or restore a backup",
    "SQLITE_IOERR": "the disk does not work as it should",
    "SQLITE_TOOBIG": "a row is too large",
    "SQLITE_CONSTRAINT": "the store refuses a row that contradicts the others",
}


def store_error(error: sqlite3.Error | DBAPIError) -> StoreError:
    """What went wrong, without any of the values it went wrong with."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    name = str(getattr(cause, "sqlite_errorname", None) or type(cause).__name__)
    primary = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE is a SQLITE_IOERR
    return StoreError(f"{_SENTENCES.get(primary, 'the database failed')} ({name})")


class DatabaseThreads:
    """Runs work in `threads` threads, each piece in a transaction of its own.

    At most `room` pieces run or wait; whoever comes then is refused.
    """

    def __init__(self, engine: Engine, name: str, *, threads: int, room: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, f"store-{name}")
        self._room = threading.Semaphore(room)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Raises `StoreError`. If the caller is cancelled, work that has begun still ends."""
        if not self._room.acquire(blocking=False):
            raise StoreError("the disk is too far behind")
        try:
            job = self._threads.submit(self._perform, work)
        except RuntimeError:
            self._room.release()
            raise StoreError("the store is closed") from None
        job.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(job)

    def _perform(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except (sqlite3.Error, DBAPIError) as error:
            raise store_error(error) from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise StoreError(f"the store refuses a value ({type(error).__name__})") from None

    async def close(self) -> None:
        """Waits for what is under way."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()


def sqlite_writer(path: Path) -> DatabaseThreads:
    """One thread, one connection, and every transaction a writing one from its first moment."""
    engine = _sqlite(path, 1, "BEGIN IMMEDIATE", ["journal_size_limit=67108864"])
    return DatabaseThreads(engine, "write", threads=1, room=256)


def sqlite_readers(path: Path) -> DatabaseThreads:
    """Readers see the last commit and are never in the writer's way."""
    engine = _sqlite(path, 3, "BEGIN", ["query_only=ON"])
    return DatabaseThreads(engine, "read", threads=3, room=1024)


def make_private(path: Path) -> None:
    """What people said is in there: the file is its owner's only. Raises `StoreError`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from None


def _sqlite(path: Path, connections: int, begin: str, pragmas: list[str]) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False, "isolation_level": None},
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # an error's text is logged, what people said is not
    )

    # pysqlite would begin transactions by itself, and too late: we say when, and how.
    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        for pragma in (f"busy_timeout={BUSY_MS}", *pragmas, "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        _use_wal(connection)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait its `busy_timeout` for this one: of two who start at once, one fails."""
    give_up = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return
