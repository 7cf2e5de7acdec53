"""What the programs of all Python clients have in common.

Each runs in its client's own environment (`python -m tests.clients.environments.NAME.story`), so
this knows nothing but the standard library. It reads a `Place` from its standard input and prints
what happened:

    {"versions": {"openai": "3.57.0"},
     "chapters": {"text": {"answer": "…"}, "spoken": {"failed": "Traceback …"}},
     "complaints": ["openai: …"]}
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ANSWER_TIMEOUT_S = 60.0
CHUNK_MS = 20
BYTES_PER_MS = 48  # PCM16 at 24 kHz

Facts = dict[str, Any]
Chapter = Callable[["Place"], Awaitable[Facts]]


@dataclass(frozen=True)
class Place:
    """Where the server is, and what is said there."""

    base_url: str  # http://localhost:1234/v1
    key: str
    cutter: int  # a port: who connects to it cuts every connection with the server
    spoken: str  # a file with the question, and silence after it: PCM16 at 24 kHz
    question: str
    wish: str  # for a tool
    tale: str  # so long that its echo can be interrupted
    tool: dict[str, Any]  # name, description, parameters
    output: str  # of the tool

    @property
    def ws_url(self) -> str:
        return self.base_url.replace("http", "ws", 1) + "/realtime"

    def voice(self) -> list[bytes]:
        """Yield the question, 20 ms at a time."""
        pcm, size = Path(self.spoken).read_bytes(), CHUNK_MS * BYTES_PER_MS
        return [pcm[i : i + size] for i in range(0, len(pcm), size)]

    async def cut(self) -> None:
        """Break the connection as a network does: no close frame, no goodbye."""

        def connect() -> None:
            with socket.create_connection(("localhost", self.cutter)) as cutter:
                cutter.recv(1)

        await asyncio.to_thread(connect)


async def speak(place: Place, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Say the question, in real time."""
    began = time.monotonic()
    for i, piece in enumerate(place.voice()):
        await asyncio.sleep(began + i * CHUNK_MS / 1000 - time.monotonic())
        await send(piece)


class News:
    """Wakes who waits for something whenever anything happens."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def happened(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self._changed.wait()


_complaints: list[str] = []
_complained = News()


def complain(about: object) -> None:
    """Note an error that the client has shown to its user."""
    _complaints.append(str(about))
    _complained.happened()


async def complained(about: str) -> None:
    """Wait until somebody has complained about this."""
    await _complained.until(lambda: any(about in text for text in _complaints))


@contextmanager
def excused(about: str) -> Iterator[None]:
    """Complaints about this are right: the connection was cut."""
    before = len(_complaints)
    yield
    _complaints[before:] = [text for text in _complaints[before:] if about not in text]


class _Complaints(logging.Handler):
    """Warnings and errors of every logger, and of Python itself."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(f"{record.name}: {self.format(record)}")


def tell(distributions: tuple[str, ...], chapters: tuple[Chapter, ...]) -> None:
    """Live through each chapter and print the report."""
    place = Place(**json.load(sys.stdin))
    logging.captureWarnings(True)
    logging.getLogger().addHandler(_Complaints(logging.WARNING))
    told = {chapter.__name__: asyncio.run(_live(chapter, place)) for chapter in chapters}
    versions = {name: version(name) for name in distributions}
    print(json.dumps({"versions": versions, "chapters": told, "complaints": _complaints}))


async def _live(chapter: Chapter, place: Place) -> Facts:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await chapter(place)
    except Exception:
        return {"failed": traceback.format_exc()}
