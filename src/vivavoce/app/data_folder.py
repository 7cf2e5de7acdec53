"""The data folder: what it holds, and where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True)
class DataFolder:
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

    @property
    def settings(self) -> Path | None:
        path = self.root / "vivavoce.toml"
        return path if os.path.lexists(path) else None  # whatever it is, its reader says

    @property
    def address(self) -> Path:
        """Where a running server says how it is reached, for the command line beside it."""
        return self.root / "server.url"

    @property
    def lock(self) -> Path:
        """Held by the one server that runs on this folder."""
        return self.root / "server.lock"

    def create(self) -> None:
        """Ours alone: it holds what people said."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for inner in (self.assistants, self.cache):
            inner.mkdir(mode=0o700, exist_ok=True)


def find(given: Path | None) -> DataFolder:
    """`--data-dir`, else `VIVAVOCE_DATA_DIR`, else the platform's folder for user data."""
    named = given or os.environ.get("VIVAVOCE_DATA_DIR")
    return DataFolder(Path(named)) if named else default()


def default() -> DataFolder:
    return DataFolder(platformdirs.user_data_path("vivavoce"))
