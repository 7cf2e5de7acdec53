"""The language models that the servers of this run have made, for the next server.

To make one takes two seconds of processor time. Its name is a hash of all that it depends on.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

folder: Path | None = None  # of this run; `conftest` sets it


def keep(data: Path) -> None:
    """Copy the models of a data folder."""
    for made in _models(data / "cache"):
        if folder is not None and not made.is_symlink() and not (folder / made.name).exists():
            copy = folder / f".copy-{os.getpid()}-{made.name}"
            shutil.copytree(made, copy)
            with suppress(OSError):  # another process of this run was faster
                copy.rename(folder / made.name)


def lend(data: Path) -> None:
    """Link the models into a data folder. It may be on a small disk."""
    if folder is not None and folder.exists():
        (data / "cache").mkdir(exist_ok=True)
        for model in _models(folder):
            link = data / "cache" / model.name
            if not link.exists():
                link.symlink_to(model)


def _models(of: Path) -> list[Path]:
    return list(of.glob("lm-*")) if of.is_dir() else []
