"""The order of tests in several processes."""

from __future__ import annotations

import os
import time
from contextlib import closing
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path
from threading import Barrier, Event, Thread

from .order import Turns

SOON_S = 20


def test_a_test_that_measures_runs_alone_and_before_those_that_came_later(tmp_path: Path) -> None:
    both_run, may_end, began = Barrier(3), Event(), list[str]()

    def beside() -> None:
        with closing(Turns(tmp_path)) as turns, turns.turn(alone=False):
            both_run.wait(SOON_S)
            assert may_end.wait(SOON_S)

    def later(name: str, *, alone: bool) -> None:
        with closing(Turns(tmp_path)) as turns, turns.turn(alone=alone):
            began.append(name)

    threads = [Thread(target=beside), Thread(target=beside)]
    for thread in threads:
        thread.start()
    both_run.wait(SOON_S)
    threads += [Thread(target=later, args=["measures"], kwargs={"alone": True})]
    threads[-1].start()
    deadline = time.monotonic() + SOON_S
    while somebody_may_begin(tmp_path):  # until that one waits
        assert time.monotonic() < deadline
    threads += [Thread(target=later, args=["is late"], kwargs={"alone": False})]
    threads[-1].start()
    assert not began
    may_end.set()
    for thread in threads:
        thread.join(SOON_S)
    assert began == ["measures", "is late"]


def somebody_may_begin(folder: Path) -> bool:
    """Return whether the first of the two locks is free."""
    file = os.open(folder / "waiting", os.O_RDWR)
    try:
        flock(file, LOCK_EX | LOCK_NB)
        flock(file, LOCK_UN)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(file)
