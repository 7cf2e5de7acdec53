"""Keep everything on disk, by SQLAlchemy Core without an ORM, in SQLite in WAL mode."""

from .store import SqlStore

__all__ = ["SqlStore"]
