"""Open the database of a data folder: the only place that says which store it is."""

from __future__ import annotations

from ..errors import StoreError
from ..store.base import Store
from ..store.sql.store import SqlStore
from .data_folder import DataFolder


async def open_store(data: DataFolder, *, migrate: bool = True) -> Store:
    """Open the folder's database; the caller closes it. Raises `StoreError`.

    Without `migrate`, the database stays as it is: none is created, and an older one is an error.
    """
    return await SqlStore.open(data.database, migrate=migrate)


async def find_damage(data: DataFolder) -> str | None:
    """Read the whole database beside its users, and return a sentence if it is damaged."""
    try:
        store = await SqlStore.open(data.database)
    except StoreError as error:
        return str(error)
    try:
        return await store.damage()
    finally:
        await store.close()
