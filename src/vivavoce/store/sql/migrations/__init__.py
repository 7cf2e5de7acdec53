"""Migrate a database to the schema of this version, or refuse it.

Each step is a file in `versions/`, which Alembic runs without a configuration file. Alembic is
imported only if a step must run, because the import takes about 0.3 s.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from ....errors import StoreError
from .. import schema

HEAD = "0009"  # the last step in versions/
VERSION_TABLE = "alembic_version"
_ALEMBIC = threading.Lock()  # Alembic keeps the connection of a run in a global variable


def upgrade(connection: Connection) -> None:
    """Run all missing steps, or none, in the connection's transaction. Raises `StoreError`."""
    found = version(connection)
    if found == HEAD:
        return

    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise _newer(found)
    if found is None and (tables := inspect(connection).get_table_names()):
        raise _foreign(tables[0])
    with _ALEMBIC:
        command.upgrade(config, HEAD)


def require_head(connection: Connection) -> None:
    """Raise `StoreError` unless all steps of this version have run, and no other ones."""
    tables = inspect(connection).get_table_names()
    found = version(connection)
    if found is None and tables:
        raise _foreign(tables[0])
    if found is None:
        raise _empty()
    if found > HEAD or not found.isdecimal():
        raise _newer(found)
    if found < HEAD:
        raise StoreError(f"its schema is {found}, and this version's is {HEAD}", "older")


def upgrade_existing(connection: Connection) -> None:
    """Run all missing steps on a database that was used before. Raises `StoreError`."""
    if not inspect(connection).get_table_names():
        raise _empty()
    upgrade(connection)


def version(connection: Connection) -> str | None:
    """Return the last step that ran on the database. None: no step has run."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    rows = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).all()
    if len(rows) != 1 or not isinstance(rows[0].version_num, str):
        raise StoreError(
            "the database is damaged, it does not say its version: restore a backup", "damaged"
        )
    found: str = rows[0].version_num
    return found


def verify(connection: Connection) -> None:
    """Raise `StoreError` if a table or a column of this version is missing."""
    found = inspect(connection)
    for table in schema.metadata.sorted_tables:
        if not found.has_table(table.name):
            raise StoreError(
                f"the database is damaged, its table '{table.name}' is missing: restore it from a"
                " backup",
                "damaged",
            )
        there = {column["name"] for column in found.get_columns(table.name)}
        if missing := [column.name for column in table.columns if column.name not in there]:
            raise StoreError(
                f"the database is damaged, '{table.name}.{missing[0]}' is missing: restore it from"
                " a backup",
                "damaged",
            )


def _newer(found: str) -> StoreError:
    return StoreError(
        f"the database has been used by a newer version of Vivavoce (its schema is {found},"
        f" this version knows {HEAD}): update Vivavoce, or choose another data folder",
        "newer",
    )


def _foreign(table: str) -> StoreError:
    return StoreError(
        f"this is another program's database (it has a table '{table}'):"
        " choose another data folder",
        "foreign",
    )


def _empty() -> StoreError:
    return StoreError(
        "the database has no tables: restore it from a backup, or delete it to begin without data",
        "damaged",
    )
