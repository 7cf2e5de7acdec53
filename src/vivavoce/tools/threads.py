"""Run functions that block in a few threads, which do not keep the server from stopping.

A thread cannot be cancelled. So a task that is cancelled leaves its function to end by itself, and
the thread is free for others only then. The threads are daemons: a function without an end
does not hang the exit of the process, as it would in a `ThreadPoolExecutor`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

THREADS = 8  # of one assistant


class DaemonThreads:
    """A bounded number of threads. Further functions wait for one to end."""

    def __init__(self, name: str, most: int = THREADS) -> None:
        self._name = name
        self._slots = asyncio.Semaphore(most)

    async def run(self, function: Callable[[], T]) -> T:
        """Return the result of the function. Raises what it raises."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def end(result: T | None, error: BaseException | None) -> None:
            self._slots.release()
            if done.cancelled():
                return
            if error is None:
                done.set_result(result)  # type: ignore[arg-type]
            else:
                done.set_exception(error)

        def work() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = context.run(function)
            except StopIteration:  # no future can carry it
                error = RuntimeError("the function raised StopIteration")
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(end, result, error)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return await done
