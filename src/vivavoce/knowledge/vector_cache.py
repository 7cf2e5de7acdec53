"""Keep vectors on disk, so that a text is embedded once by each model.

The key is the model and the digest of the text. The file is an SQLite database, whose transactions
are atomic, so a server and a command may use it at once. It holds no text. It can be deleted at any
time: the vectors are made again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from .vectors import Vector

log = logging.getLogger("vivavoce.knowledge")

BYTES = 512 * 2**20  # of vectors, for all assistants; those that were not used for longest go first
AT_ONCE = 500  # digests in one statement
WAIT_S = 5.0  # for another process that writes
DAY_S = 24 * 3600
LENGTH_ERROR = 1e-3  # of a vector that float32 numbers hold

T = TypeVar("T")

_NOW = "CAST(strftime('%s', 'now') AS INTEGER)"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS vectors (model TEXT NOT NULL, digest TEXT NOT NULL, "
    "vector BLOB NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (model, digest))"
)
_OLDEST = (
    "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM (SELECT rowid, SUM(LENGTH(vector)) "
    "OVER (ORDER BY used DESC, rowid DESC) AS together FROM vectors) WHERE together > ?)"
)


class VectorCache:
    """Vectors by model and digest. A disk that fails only costs the time to embed again."""

    def __init__(self, path: Path, *, most_bytes: int = BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes

    def get(self, model: str, digests: Collection[str]) -> dict[str, Vector]:
        """Return the vectors that are kept. What is not of length 1 or 0 counts as lost."""
        asked = list(digests)
        parts = [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]

        def read(database: sqlite3.Connection) -> dict[str, Vector]:
            found: dict[str, Vector] = {}
            for some in parts:
                these = f"WHERE model = ? AND digest IN ({', '.join('?' * len(some))})"
                for digest, blob in database.execute(
                    f"SELECT digest, vector FROM vectors {these}", (model, *some)
                ):
                    if (vector := _vector(blob)) is not None:
                        found[digest] = vector
                database.execute(  # once a day, because a read should not write
                    f"UPDATE vectors SET used = {_NOW} {these} AND used < {_NOW} - {DAY_S}",
                    (model, *some),
                )
            return found

        return self._in_transaction(read) or {}

    def put(self, model: str, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors, all of them or none."""
        rows = [(model, digest, each.tobytes()) for digest, each in vectors.items()]

        def write(database: sqlite3.Connection) -> None:
            statement = f"INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, {_NOW})"
            database.executemany(statement, rows)
            (held,) = database.execute("SELECT SUM(LENGTH(vector)) FROM vectors").fetchone()
            if (held or 0) > self._most_bytes:
                database.execute(_OLDEST, (self._most_bytes,))

        self._in_transaction(write)

    def forget(self, model: str) -> None:
        """Remove the vectors of a model."""
        self._in_transaction(
            lambda database: database.execute("DELETE FROM vectors WHERE model = ?", (model,))
        )

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what the work returns; None if the disk fails, which is logged.

        A damaged file is removed, because its content can be made again.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=WAIT_S)) as database, database:
                database.execute(_SCHEMA)
                return work(database)
        except (sqlite3.Error, OSError, ValueError) as error:
            log.warning("vectors_not_kept", extra={"error": type(error).__name__})
            if isinstance(error, sqlite3.DatabaseError) and _is_damaged(error):
                with suppress(OSError):
                    self._path.unlink()
            return None


def _vector(kept: object) -> Vector | None:
    """Return a vector as it was put. None: something else wrote this."""
    if not isinstance(kept, bytes) or not kept or len(kept) % 4:
        return None
    vector = np.frombuffer(kept, np.float32)
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return vector if length == 0 or abs(length - 1) < LENGTH_ERROR else None


def _is_damaged(error: sqlite3.DatabaseError) -> bool:
    """Return whether the file is not a database, or has a table of another form."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
