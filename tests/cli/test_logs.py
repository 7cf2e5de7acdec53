"""A log line has the type and the place of an exception, and none of its words."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from vivavoce.cli import logs
from vivavoce.core.types import Frame
from vivavoce.failures import describe, leaves, log_failure, trace
from vivavoce.net.dial import dial

SECRET = "my grandmother's maiden name"


@pytest.fixture
def lines() -> Iterator[Lines]:
    names = ("vivavoce", "uvicorn", "uvicorn.error", "vivavoce.picows", "asyncio", None)
    loggers = [logging.getLogger(name) for name in names]
    kept = [(each, each.handlers[:], each.level, each.propagate) for each in loggers]
    hooks = sys.unraisablehook, threading.excepthook, warnings.showwarning
    logs.set_up()
    written = io.StringIO()
    (handler,) = logging.getLogger("vivavoce").handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield Lines(written)
    sys.unraisablehook, threading.excepthook, warnings.showwarning = hooks
    for logger, handlers, level, propagate in kept:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


class Lines:
    def __init__(self, written: io.StringIO) -> None:
        self._written = written

    def all(self) -> list[dict[str, str]]:
        written = self._written.getvalue()
        assert "maiden" not in written
        return [json.loads(line) for line in written.splitlines()]


def fail(words: str = SECRET) -> None:
    raise ValueError(words)


def failed(words: str = SECRET) -> ValueError:
    try:
        fail(words)
    except ValueError as error:
        return error
    raise AssertionError


def test_a_failure_is_described_by_its_type_and_its_innermost_place_of_ours() -> None:
    from vivavoce.protocol import codec

    with pytest.raises(TypeError) as caught:
        codec.encode({SECRET: object()})  # type: ignore[arg-type]
    told = describe(caught.value)
    assert told["error"] == "TypeError"
    assert told["place"].startswith("vivavoce.protocol.codec:encode:")
    assert trace(caught.value).startswith("Traceback: TypeError in ")
    assert SECRET not in str(told) + trace(caught.value)


def test_a_group_is_taken_apart_and_a_cause_is_named() -> None:
    group = ExceptionGroup(SECRET, [failed(), ExceptionGroup(SECRET, [KeyError(SECRET)])])
    assert [type(each) for each in leaves(group)] == [ValueError, KeyError]
    told = describe(group)
    assert (told["error"], told["besides"]) == ("ValueError", "KeyError")
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(SECRET) from failed()
    assert describe(caught.value)["cause"].startswith("ValueError ")
    assert SECRET not in str(describe(caught.value))
    assert describe(OSError(SECRET)) == {"error": "OSError", "place": "nowhere"}


def test_our_own_and_other_peoples_loggers_write_no_words(lines: Lines) -> None:
    log_failure(
        logging.getLogger("vivavoce.runtime.call_registry"), "call_failed", failed(), call="rtc_1"
    )
    for name in ("vivavoce.picows", "uvicorn.error", "asyncio"):
        logging.getLogger(name).error("it failed", exc_info=failed())
    ours, *others = lines.all()
    assert (ours["event"], ours["call"], ours["error"]) == ("call_failed", "rtc_1", "ValueError")
    assert [line["event"] for line in others] == ["it failed"] * 3
    assert all(line["trace"].startswith("Traceback: ValueError") for line in [ours, *others])


def test_the_values_in_a_librarys_message_are_not_logged(lines: Lines) -> None:
    library = logging.getLogger("a.library")
    library.warning("it failed: %s", SECRET)
    library.warning(f"it failed: {SECRET}", extra={"about": SECRET})
    library.error("it failed", exc_info=failed())
    pattern, formatted, with_error = lines.all()
    assert (pattern["logger"], pattern["event"]) == ("a.library", "it failed: %s")
    assert formatted["event"] == "logged_by_library"
    assert formatted["place"].startswith("test_logs:")
    assert (with_error["error"], with_error["event"]) == ("ValueError", "logged_by_library")


def test_a_bug_in_what_an_upstream_brings_is_logged_without_its_words(lines: Lines) -> None:
    """Picows formats the exception into its own message, on the side that connects."""

    class Broken:
        def __init__(self) -> None:
            self.gone = asyncio.Event()

        def frame(self, data: Frame) -> None:
            fail()

        def writable(self) -> None: ...

        def lost(self, code: int, reason: str) -> None:
            self.gone.set()

    async def greet(peer: ServerConnection) -> None:
        await peer.send(await peer.recv())
        await peer.wait_closed()

    async def story() -> None:
        logs.watch(asyncio.get_running_loop())
        async with serve(greet, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            socket = await dial(f"ws://127.0.0.1:{port}/", subprotocol=None)
            receiver = Broken()
            socket.join(receiver)
            socket.write(b"hello")
            await receiver.gone.wait()

    asyncio.run(story())
    gc.collect()  # picows keeps the exception for a task that waits
    (line,) = [each for each in lines.all() if each["logger"].startswith("picows")]
    assert "exception from WSListener.on_ws_frame" in line["event"]


def test_lines_for_people_have_no_words_either() -> None:
    record = logging.makeLogRecord(
        {
            "name": "vivavoce.runtime.call_registry",
            "msg": "call_failed",
            "exc_info": (None, failed(), None),
        }
    )
    line = logs.ConsoleFormatter().format(record)
    assert SECRET not in line
    assert "error=ValueError" in line


def test_exception_in_the_event_loop_is_logged_without_its_message(lines: Lines) -> None:
    async def story() -> None:
        logs.watch(asyncio.get_running_loop())

        async def forgotten() -> None:
            fail()

        task = asyncio.create_task(forgotten(), name=SECRET)
        await asyncio.wait([task])
        del task
        gc.collect()
        asyncio.get_running_loop().call_soon(fail)
        asyncio.get_running_loop().call_exception_handler({"message": SECRET})
        await asyncio.sleep(0)

    asyncio.run(story())
    found = lines.all()
    assert [line["event"] for line in found] == ["loop_failed"] * 3
    assert sorted(line.get("error", "") for line in found) == ["", "ValueError", "ValueError"]


class Falls:
    def __del__(self) -> None:
        fail()


@pytest.mark.filterwarnings("ignore")
def test_threads_destructors_and_warnings_are_logged_without_their_words(lines: Lines) -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    Falls()
    gc.collect()
    warnings.showwarning(SECRET, UserWarning, "a.py", 3)
    assert [line["event"] for line in lines.all()] == ["thread_failed", "unraisable", "warned"]


def test_half_a_surrogate_pair_is_logged_as_its_escape(lines: Lines) -> None:
    logging.getLogger("vivavoce").info("refused", extra={"name_": "a\ud800b"})
    (line,) = lines.all()
    assert line["name_"] == "a\ud800b"


def test_a_webrtc_peer_that_has_gone_is_not_a_failure_of_the_loop(lines: Lines) -> None:
    """A task of aiortc writes once more after DTLS is closed. Other exceptions are failures."""
    aiortc: dict[str, Any] = {"__name__": "aiortc.rtcsctptransport"}
    exec("def write():\n    raise ConnectionError('closed')", aiortc)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        logs.watch(loop)
        loop.call_soon(aiortc["write"])
        loop.call_soon(fail)
        await asyncio.sleep(0)

    asyncio.run(story())
    assert [line["event"] for line in lines.all()] == ["webrtc_peer_gone", "loop_failed"]
