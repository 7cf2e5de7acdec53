"""One server per data folder: the lock between processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vivavoce.app.data_folder import DataFolder
from vivavoce.cli import lock

HOLD = """
import sys
from pathlib import Path
from vivavoce.app.data_folder import DataFolder
from vivavoce.cli import lock
with lock.held(DataFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lock_of_another_process_is_reported_until_that_process_is_killed(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    assert not lock.taken(data)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        assert lock.taken(data)
        with pytest.raises(lock.FolderInUseError), lock.held(data):
            pass
        process.kill()
        process.wait()
        assert not lock.taken(data)
        with lock.held(data):
            pass


def test_asking_for_the_lock_does_not_hold_it(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    with lock.held(data):
        assert lock.taken(data)
    assert not lock.taken(data)
    with lock.held(data):
        pass


def test_held_raises_os_error_if_the_folder_does_not_exist(tmp_path: Path) -> None:
    missing = DataFolder(tmp_path / "missing")
    with pytest.raises(FileNotFoundError), lock.held(missing):
        pass
    assert not lock.taken(missing)
