"""Runs code of packages, which may ignore a cancellation or try to end the server.

A package is code that this project does not control. `within` bounds the time for which a caller
waits for it. `contain_exits` keeps `sys.exit` in a task of a package from ending the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Generator, Mapping
from typing import Any, TypeVar

log = logging.getLogger("vivavoce.work")

STOPPING_S = 1.0  # for work to stop after it was cancelled

T = TypeVar("T")

_abandoned: set[asyncio.Task[Any]] = set()  # that ignored their cancellation, until they end


class LateError(Exception):
    """The work did not end before its deadline."""


async def within(seconds: float, work: Coroutine[Any, Any, T], about: Mapping[str, str]) -> T:
    """Await `work` for at most this time. Raise `LateError` then.

    Unlike `asyncio.timeout`, this also ends if the work ignores its cancellation. Whatever the work
    raises passes, but a cancellation by the work itself becomes a `RuntimeError`, and so does an
    attempt to end the server. A caller that is cancelled waits at most `STOPPING_S` for the work,
    and not at all if it is cancelled again. `about`: what the log says of work that does not stop.
    """
    task = asyncio.create_task(without_exit(work))
    task.add_done_callback(_read)
    try:
        await asyncio.wait({task}, timeout=seconds)
        late = not task.done()
    finally:
        if not task.done():
            await _stop(task, about)
    if late:
        raise LateError
    if task.cancelled():
        raise RuntimeError("the work was cancelled by itself") from asyncio.CancelledError()
    if (error := task.exception()) is not None and not isinstance(error, Exception):
        raise RuntimeError("the work raised what is not an Exception") from error
    return task.result()


async def _stop(task: asyncio.Task[Any], about: Mapping[str, str]) -> None:
    """Cancel the task, and wait `STOPPING_S` for its end."""
    task.cancel()
    try:
        await asyncio.wait({task}, timeout=STOPPING_S)
    finally:  # also after a second cancellation of the caller: the loop holds no task strongly
        if not task.done():
            log.error("work_not_stopped", extra=dict(about))
            _abandoned.add(task)


def _read(task: asyncio.Task[Any]) -> None:
    """Read the exception of a task, or asyncio logs it when the task is deleted."""
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()


async def without_exit(work: Coroutine[Any, Any, T]) -> T:
    """Await the work. It does not end the server, neither by `sys.exit` nor `KeyboardInterrupt`.

    Ctrl-C raises nothing here: it is a signal that the server handles.
    """
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError("the work tried to end the server") from error


def contain_exits(loop: asyncio.AbstractEventLoop) -> None:
    """Let no task that starts from now on end this loop by `sys.exit` or `KeyboardInterrupt`.

    asyncio lets both pass through a task into the loop, which then stops: all calls would end. Code
    of a package starts tasks of its own, which no `try` of the server surrounds. So every task of
    the loop is surrounded here. It fails with a `RuntimeError`, as a task with any other bug.
    """
    loop.set_task_factory(_contained_task)


def _contained_task(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, T] | Generator[Any, None, T],
    **options: Any,  # noqa: ANN401  # `name`, `context` and what later versions of Python add
) -> asyncio.Task[T]:
    contained = without_exit(work) if asyncio.iscoroutine(work) else work
    return asyncio.Task(contained, loop=loop, **options)
