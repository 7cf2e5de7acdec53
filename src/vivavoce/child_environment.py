"""The command and the variables of every process that the server starts.

No provider's key is among the variables. A test looks for processes that are started with others.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

# All that a child gets of the server's environment: no provider's key is among it. Every process
# that the server starts gets its variables from here, and a test looks for those that do not.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "LANG", "LC_ALL")


def command(module: str, *arguments: str) -> list[str]:
    """Say how to run a module. `-P`: what lies in the current folder is not ours to import."""
    return [sys.executable, "-P", "-m", module, *arguments]


def kept_variables(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that every child process may have: none of them is a secret.

    `own`: variables that the operator named for this process, which come on top.
    """
    return {key: os.environ[key] for key in _KEPT if key in os.environ} | dict(own or {})


def environment(module: str) -> dict[str, str]:
    """Return the variables of a child process that runs a module of an installed package."""
    path = os.pathsep.join(filter(None, [*_roots(module), os.environ.get("PYTHONPATH")]))
    return {**kept_variables(), "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def _roots(module: str) -> list[str]:
    """Return the folders that this package and the module's package are imported from."""
    packages = dict.fromkeys([__name__.partition(".")[0], module.partition(".")[0]])
    specs = [importlib.util.find_spec(package) for package in packages]
    files = [spec.origin for spec in specs if spec is not None and spec.origin is not None]
    return list(dict.fromkeys(str(Path(file).parents[1]) for file in files))
