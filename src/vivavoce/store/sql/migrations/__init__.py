"""Migrate a database to the schema of this version, or refuse it.

Each step is a file in `versions/`, which Alembic runs without a configuration file. Alembic is
imported only if a step must run, because the import takes about 0.3 s.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from ....errors import StoreError

HEAD = "0002"  # the last step in versions/
VERSION_TABLE = "alembic_version"


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
        raise StoreError(
            f"the database has been used by a newer version of Vivavoce (its schema is {found},"
            f" this version knows {HEAD}): update Vivavoce, or choose another data folder"
        )
    if found is None and (tables := inspect(connection).get_table_names()):
        raise StoreError(
            f"this is another program's database (it has a table '{tables[0]}'):"
            " choose another data folder"
        )
    command.upgrade(config, HEAD)


def version(connection: Connection) -> str | None:
    """Return the last step that ran on the database. None: no step has run."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return found
