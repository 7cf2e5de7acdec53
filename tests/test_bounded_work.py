"""Code of packages that ignores its cancellation, or that tries to end the server."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from vivavoce.bounded_work import STOPPING_S, LateError, contain_exits, within

from .support.fakes import now
from .support.virtual_time import live

ABOUT = {"transport": "pigeon"}


class Stubborn:
    """Work that goes on until `ends`, however often it is cancelled. Then it fails."""

    def __init__(self) -> None:
        self.ends = asyncio.Event()
        self.cancelled = 0

    async def run(self) -> None:
        while not self.ends.is_set():
            try:
                await self.ends.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
        raise ValueError("it ends after its caller")


def test_stubborn_work_holds_up_its_caller_for_a_second(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        work = Stubborn()
        with pytest.raises(LateError):
            await within(5.0, work.run(), ABOUT)
        assert now() == 5.0 + STOPPING_S
        work.ends.set()
        await asyncio.sleep(0.1)

    live(story())
    (told,) = [each for each in caplog.records if each.getMessage() == "work_not_stopped"]
    assert vars(told)["transport"] == "pigeon"


@pytest.mark.parametrize("late", [False, True], ids=["while it runs", "after its deadline"])
def test_a_caller_that_is_cancelled_again_leaves_at_once_and_the_work_is_kept(
    late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    unread: list[dict[str, Any]] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: unread.append(told))
        work = Stubborn()
        caller = asyncio.create_task(within(5.0, work.run(), ABOUT))
        await asyncio.sleep(5.1 if late else 1.0)
        caller.cancel()  # the second time the work hears of it, if it is late
        if not late:
            await asyncio.sleep(0.1)
            caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        assert now() == pytest.approx(5.1 if late else 1.1)
        assert work.cancelled == 1
        gc.collect()  # nobody but the server holds the task of the work
        work.ends.set()
        await asyncio.sleep(0.1)
        gc.collect()

    live(story())
    assert "work_not_stopped" in caplog.messages
    assert unread == []


def test_work_that_fails_when_its_caller_is_cancelled_is_not_reported_by_asyncio() -> None:
    unread: list[dict[str, Any]] = []

    async def fail() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            raise KeyError("x")

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: unread.append(told))
        caller = asyncio.create_task(within(5.0, fail(), ABOUT))
        await asyncio.sleep(1.0)
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        assert now() == 1.0

    live(story())
    gc.collect()
    assert unread == []


async def leave() -> None:
    await asyncio.sleep(0)
    sys.exit(3)


async def press_ctrl_c() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("work", [leave, press_ctrl_c])
def test_work_cannot_end_the_server(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def story() -> None:
        with pytest.raises(RuntimeError, match="tried to end the server"):
            await within(5.0, work(), ABOUT)

    live(story())


@pytest.mark.parametrize("work", [leave, press_ctrl_c])
@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_X4_a_task_of_a_package_cannot_end_the_loop(
    work: Callable[[], Coroutine[Any, Any, None]], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def story() -> str:
        contain_exits(asyncio.get_running_loop())
        task = asyncio.create_task(work(), name="pigeon")
        await asyncio.wait([task])
        assert isinstance(task.exception(), RuntimeError)
        return task.get_name()

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(story()) == "pigeon"


def test_a_contained_task_is_cancelled_and_keeps_its_context_and_name() -> None:
    async def wait() -> None:
        await asyncio.sleep(1000)

    async def story() -> None:
        contain_exits(asyncio.get_running_loop())
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(wait(), name="patient")
            await asyncio.sleep(1)
            task.cancel()
        assert task.cancelled()
        assert task.get_name() == "patient"
        assert now() == 1.0

    live(story())
