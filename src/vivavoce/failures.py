"""Say where an exception came from, and nothing that it says: it may quote what people said.

A message and its arguments quote values. Types, modules, functions and lines do not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from types import TracebackType

OURS = ("vivavoce", "vivavoce_embedded", "vivavoce_espeak", "vivavoce_tools")
FRAMES = 20  # of a trace, the innermost
LEAVES = 8  # of a group of exceptions


def describe(error: BaseException, only: Sequence[BaseException] | None = None) -> dict[str, str]:
    """Name its type and the innermost place of ours that it went through.

    A group is described by its first exception, and by the types of the others; `only` by these.
    """
    first, *others = (only or leaves(error))[:LEAVES]
    told = {"error": _type(first), "place": _place(first if first.__traceback__ else error)}
    if others:
        told["besides"] = ", ".join(_type(other) for other in others)
    if (cause := first.__cause__) is not None:
        told["cause"] = f"{_type(cause)} {_place(cause)}"
    return told


def trace(error: BaseException) -> str:
    """Name all places that it went through, the innermost last."""
    first = leaves(error)[0]
    places = [_named(frame) for frame in _frames(first.__traceback__)]
    return f"Traceback: {_type(first)} in {' > '.join(places[-FRAMES:])}"


def log_failure(log: logging.Logger, event: str, error: BaseException, **about: object) -> None:
    """Log a bug: its type and places. `about`: ids, sizes, times."""
    log.error(event, extra=about | describe(error) | {"trace": trace(error)})


def leaves(error: BaseException) -> list[BaseException]:
    """Take a group apart: the exceptions that are in it, in order. At least one."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseExceptionGroup):
            waiting += reversed(each.exceptions)
        else:
            found.append(each)
    return found


def _type(error: BaseException) -> str:
    return type(error).__name__


def _place(error: BaseException) -> str:
    """Return the innermost frame of our own code; of other code if none is ours."""
    frames = list(_frames(error.__traceback__))
    ours = [each for each in frames if _module(each).partition(".")[0] in OURS]
    return _named((ours or frames)[-1]) if frames else "nowhere"


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _named(at: TracebackType) -> str:
    return f"{_module(at)}:{at.tb_frame.f_code.co_name}:{at.tb_lineno}"


def _module(at: TracebackType) -> str:
    return str(at.tb_frame.f_globals.get("__name__", "?"))
