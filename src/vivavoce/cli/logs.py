"""Log to stderr: lines on a terminal, JSON elsewhere. Logs never contain what people said.

The message of an exception may quote a caller. So no line has such a message, and that holds for
the web server, the event loop, threads and the interpreter itself. A library may format such a
message into its own: of a library's record a line has the pattern and the place alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from traceback import walk_tb
from typing import TYPE_CHECKING, TextIO

from ..failures import describe, log_failure, trace
from .printable import printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OTHERS = ("uvicorn", "asyncio")  # they log exceptions
_READ = ("vivavoce", *_OTHERS)  # we know what these write


def _event(record: logging.LogRecord) -> str:
    """Return what happened, without the values that a library put into its message."""
    if _is_read(record):
        return record.getMessage()
    return str(record.msg) if record.args else "logged_by_library"


def _extra(record: logging.LogRecord) -> dict[str, object]:
    if not _is_read(record):
        return {"place": f"{record.module}:{record.lineno}"}
    return {key: value for key, value in vars(record).items() if key not in _PLAIN}


def _is_read(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _READ


def _failure(record: logging.LogRecord) -> dict[str, str]:
    """Return the type and places of a record's exception."""
    error = record.exc_info[1] if record.exc_info else None
    return describe(error) | {"trace": trace(error)} if error else {}


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "logger": record.name,
                "event": _event(record)} | _extra(record) | _failure(record)  # fmt: skip
        return printable_json(json.dumps(line, default=str, ensure_ascii=False))


class ConsoleFormatter(logging.Formatter):
    """One line per record, for people."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        fields = _extra(record) | _failure(record)
        extra = " ".join(f"{key}={value}" for key, value in fields.items())
        return printable(f"{at} {record.levelname.lower():7} {_event(record)} {extra}").rstrip()


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Write a fixed line: the standard way prints the record, which may quote a caller."""
        with suppress(OSError, ValueError):
            sys.stderr.write(
                f'{{"level": "error", "event": "not_logged", "by": "{record.name}"}}\n'
            )


def set_up(level: int = logging.INFO) -> None:
    """Install the handler and the hooks for all exceptions that no code catches."""
    handler = _Handler()
    handler.setFormatter(ConsoleFormatter() if sys.stderr.isatty() else JsonLines())
    root = logging.getLogger("vivavoce")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
    _catch_libraries(handler)
    for name in ("uvicorn", "uvicorn.error", "vivavoce.picows"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _OTHERS:
        logging.getLogger(name).handlers[:] = [handler]
        logging.getLogger(name).propagate = False
    sys.unraisablehook = _unraisable
    threading.excepthook = _of_a_thread
    warnings.showwarning = _warned


def _catch_libraries(handler: _Handler) -> None:
    """Write what has no handler of its own: Python would print it as it is."""
    every = logging.getLogger()
    every.handlers[:] = [each for each in every.handlers if not isinstance(each, _Handler)]
    every.addHandler(handler)


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Log exceptions that the loop catches: its own handler prints their messages."""
    loop.set_exception_handler(_of_the_loop)


def _of_the_loop(loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    error = context.get("exception")
    if isinstance(error, ConnectionError) and _is_raised_by(error, "aiortc"):
        log.info("webrtc_peer_gone")  # its tasks write once more after the peer has closed
    elif isinstance(error, BaseException):
        log_failure(log, "loop_failed", error)
    else:
        log.error("loop_failed", extra={"about": sorted(context)})


def _is_raised_by(error: BaseException, package: str) -> bool:
    """Return True if a frame of the traceback is of this package."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(module.partition(".")[0] == package for module in modules)


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """Log an exception of a destructor or a C callback, such as a warning that is an error."""
    if found.exc_value is not None:
        log_failure(log, "unraisable", found.exc_value)


def _of_a_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        log_failure(log, "thread_failed", args.exc_value)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    log.warning("warned", extra={"category": category.__name__, "place": f"{filename}:{lineno}"})
