"""The paths in the data folder."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The folder that holds the database, the assistants and the settings of one server."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "vivavoce.db"

    @property
    def assistants(self) -> Path:
        return self.root / "assistants"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def database_of(self, assistant: str) -> Path:
        """Return the path of the database of an assistant's tools."""
        return self.root / "databases" / f"{assistant}.db"

    @property
    def settings(self) -> Path | None:
        path = self.root / "vivavoce.toml"
        return path if os.path.lexists(path) else None  # a broken link too: its reader reports it

    @property
    def address(self) -> Path:
        """The file with the URL of the running server, for the command line on this machine."""
        return self.root / "server.url"

    @property
    def lock(self) -> Path:
        """The file that the one running server of this folder locks."""
        return self.root / "server.lock"

    def create(self) -> None:
        """Create the folders for this user only: they hold transcripts.

        A folder that others may enter is closed to them, if it is this user's and holds our data.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.open_to_others() and self._is_ours():
            self.root.chmod(0o700)
        for inner in (self.assistants, self.cache):
            inner.mkdir(mode=0o700, exist_ok=True)

    def is_used(self) -> bool:
        """Return whether there is a database, or anything in its place or left of it."""
        return any(os.path.lexists(f"{self.database}{suffix}") for suffix in ("", "-wal"))

    def open_to_others(self) -> bool:
        """Return whether other users of this machine may enter the folder."""
        return os.name == "posix" and bool(self.root.stat().st_mode & 0o077)

    def _is_ours(self) -> bool:
        """Return whether the folder may be closed: never one like `/tmp` or a home."""
        about = self.root.stat()
        if about.st_uid != os.geteuid() or about.st_mode & stat.S_ISVTX:
            return False
        return self.database.exists() or not any(self.root.iterdir())


def find(given: Path | None) -> DataFolder:
    """Return `--data-dir`, or `VIVAVOCE_DATA_DIR`, or the platform's folder for user data."""
    named = given or os.environ.get("VIVAVOCE_DATA_DIR")
    return DataFolder(Path(named)) if named else default()


def default() -> DataFolder:
    """Return the platform's folder for user data."""
    return DataFolder(platformdirs.user_data_path("vivavoce"))
