"""The order of tests, and which tests run alone.

Several processes may run the tests (`pytest -n 2 --dist loadfile`). A test that measures the whole
machine waits until no other test runs, and no other test begins before its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FIRST = ("core/", "protocol/", "audio/", "toml/", "benchmarks/", "assistants/", "access/",
         "knowledge/", "net/", "runtime/")  # fmt: skip
ALONE = ("soak/", "browser/test_charlotte.py", "hostile/test_bystanders.py")


def arrange(items: list[pytest.Item]) -> None:
    """Begin with tests without servers and browsers, and end with those that run alone."""
    for item in items:
        if _path(item).startswith(ALONE):
            item.add_marker(pytest.mark.alone)
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Return the rank of the test's file. The tests of a file stay together."""
    path = _path(item)
    return 0 if path.startswith(FIRST) else 2 if path.startswith(ALONE) else 1


def _path(item: pytest.Item) -> str:
    return item.nodeid.removeprefix("tests/")


class Turns:
    """Let the tests of several processes run beside each other, or one of them alone."""

    def __init__(self, folder: Path) -> None:
        """Use two files of this folder, which all processes share."""
        self._waiting, self._running = (
            os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("waiting", "running")
        )

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        """Wait for a turn. While a test waits to be alone, no other test begins."""
        from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock

        flock(self._waiting, LOCK_EX)
        flock(self._running, LOCK_EX if alone else LOCK_SH)
        flock(self._waiting, LOCK_UN)
        try:
            yield
        finally:
            flock(self._running, LOCK_UN)

    def close(self) -> None:
        os.close(self._waiting)
        os.close(self._running)
