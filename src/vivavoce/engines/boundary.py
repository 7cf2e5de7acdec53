"""The one boundary that every call of an adapter goes through.

An adapter raises `EngineError` on purpose. Every other exception is a failure of the engine too:
the response or the transcript fails, and the call goes on. The log shows the type and the place of
the exception only, because its message may quote a user.

    with contained(self._stt):
        transcript = await self._stt.listen(…)

    EngineError                        passes
    ExceptionGroup                     its first EngineError passes; the others are logged
    CancelledError, asked for          passes
    CancelledError, not asked for      EngineError: another task was cancelled
    anything else                      EngineError, also for `sys.exit` and `KeyboardInterrupt`

Ctrl-C is a signal that the server handles: it raises nothing inside a call.

An adapter that is cancelled may raise another exception. The caller that cancelled it drops the
result. A task's own count of cancellations is not reliable: until Python 3.13, a `TaskGroup` that
fails while it waits for its tasks leaves one behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType

from ..errors import EngineError, VivavoceError
from ..failures import describe, leaves

log = logging.getLogger(__name__)

MESSAGE = "The engine failed."

_about: ContextVar[Mapping[str, str]] = ContextVar("about")


def name(**ids: str) -> None:
    """Say what this task works on: the call, the response, the item. The log shows it."""
    _about.set(ids)


def named() -> Mapping[str, str]:
    return _about.get({})


class contained:
    """Let nothing out of the block but `EngineError` and a cancellation."""

    def __init__(
        self,
        adapter: object,
        *,
        passing: type[VivavoceError] = EngineError,
        message: str = MESSAGE,
        quiet: bool = False,
    ) -> None:
        """Guard the calls of `adapter`, which is an object or its name.

        `passing` is the type that the block raises on purpose. `message` is the text that the
        client reads. `quiet` omits the log line, because the failure has just been logged.
        """
        self._adapter = adapter if isinstance(adapter, str) else type(adapter).__name__
        self._passing = passing
        self._message = message
        self._quiet = quiet
        self._asked = 0

    def __enter__(self) -> None:
        self._asked = _cancelling()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if error is None:
            return
        found = leaves(error)
        unexpected = [each for each in found if not self._is_expected(each)]
        if unexpected and not self._quiet:
            told = describe(error, unexpected)
            log.error("engine_failed", extra={**named(), "adapter": self._adapter, **told})
        if unexpected or found[0] is not error:
            meant = [each for each in found if isinstance(each, self._passing)]
            raise (meant[0] if meant else EngineError(self._message)) from None

    def _is_expected(self, error: BaseException) -> bool:
        if isinstance(error, asyncio.CancelledError):
            return _cancelling() > self._asked
        if isinstance(error, GeneratorExit):  # a closed coroutine belongs to no task
            return _task() is None
        return isinstance(error, self._passing)


def _cancelling() -> int:
    """Return the number of requests to cancel this task; 0 outside of tasks."""
    task = _task()
    return 0 if task is None else task.cancelling()


def _task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a thread, or no loop
        return None
