"""The store on disk: SQLAlchemy Core, no ORM; SQLite in WAL mode."""

from .store import SqlStore

__all__ = ["SqlStore"]
