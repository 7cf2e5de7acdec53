"""The process of the server ends at a signal, whatever the code of other packages does."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROCESS = """
import asyncio
from vivavoce.cli import common, http_server


async def stubborn():
    while True:
        try:
            await asyncio.sleep({pause})
        except asyncio.CancelledError:
            {then}


async def serve():
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await http_server.end_tasks()
    print("ended", task.done())


common.run(serve())
"""


def ended(pause: str, then: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS.format(pause=pause, then=then)],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("pause", ["0", "1000"])
def test_a_task_that_ignores_its_cancellation_does_not_keep_the_process(pause: str) -> None:
    assert ended(pause, "continue") == ""


def test_a_task_that_ends_leaves_the_process_to_its_usual_end() -> None:
    assert ended("1000", "raise") == "ended True\n"
