# SPDX-License-Identifier: GPL-3.0-or-later
"""Speak what standard input asks for, until it ends.

One thread reads, so that a `cancel` arrives while a text is being made; the other speaks. The queue
is bounded: a full one stops the reading, and then the pipe stops the writer.
"""

from __future__ import annotations

import json
import os
import queue
import struct
import sys
import threading
from io import FileIO
from typing import BinaryIO

from .library import Library, Manner, MissingLibraryError

LONGEST_TEXT = 10_000  # characters
LONGEST_MESSAGE = 1 << 20  # bytes; the process refuses a longer one
WAITING = 64  # requests

_LENGTHS = struct.Struct(">II")


class Pipe:
    """Messages over two streams of bytes."""

    def __init__(self, source: FileIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._writing = threading.Lock()

    def read(self) -> dict[str, object] | None:
        """Read the next message, or None at the end. Raises `ValueError` for invalid bytes."""
        lengths = self._exactly(_LENGTHS.size)
        if lengths is None:
            return None
        head, sound = _LENGTHS.unpack(lengths)
        if head > LONGEST_MESSAGE or sound:
            raise EOFError("the stream is out of step")
        data = self._exactly(head)
        if data is None:
            return None
        message = json.loads(data)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        return message

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            more = self._source.read(size - len(data))
            if not more:
                return None
            data += more
        return bytes(data)

    def write(self, message: dict[str, object], sound: bytes = b"") -> None:
        head = json.dumps(message).encode()
        with self._writing:
            self._sink.write(_LENGTHS.pack(len(head), len(sound)) + head + sound)
            self._sink.flush()


class Mouth:
    def __init__(self, library: Library, pipe: Pipe) -> None:
        self._library = library
        self._pipe = pipe
        self._requests: queue.Queue[dict[str, object] | None] = queue.Queue(WAITING)
        self._wanted: set[object] = set()

    def run(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        library = self._library
        voices, version = library.voices(), library.version
        self._pipe.write(
            {"type": "ready", "rate": library.rate, "version": version, "voices": voices}
        )
        while (request := self._requests.get()) is not None:
            self._speak(request)

    def _read(self) -> None:
        while True:
            try:
                message = self._pipe.read()
            except EOFError:
                message = None
            except ValueError:
                self._complain(None, "this is not JSON")
                continue
            if message is None:
                self._wanted.clear()
                self._requests.put(None)
                return
            name = message.get("id")
            if not isinstance(name, int):
                self._complain(None, "a message needs a whole number as its id")
            elif message.get("type") == "speak":
                self._wanted.add(name)
                self._requests.put(message)
            elif message.get("type") == "cancel":
                self._wanted.discard(name)

    def _speak(self, request: dict[str, object]) -> None:
        name = request["id"]

        def sound(pcm: bytes, words: list[tuple[int, int]]) -> bool:
            if name not in self._wanted:
                return False
            try:
                if pcm or words:
                    self._pipe.write({"type": "sound", "id": name, "words": words}, pcm)
            except OSError:  # no reader: `end` reports it later
                return False
            return True

        try:
            text = request.get("text")
            if not isinstance(text, str) or len(text) > LONGEST_TEXT:
                raise ValueError(f"a text has at most {LONGEST_TEXT} characters")
            if name in self._wanted:
                self._library.speak(text, _manner(request), sound)
        except ValueError as error:
            self._complain(name, str(error))
        else:
            cancelled = name not in self._wanted
            self._pipe.write({"type": "end", "id": name, "cancelled": cancelled})
        self._wanted.discard(name)

    def _complain(self, name: object, message: str) -> None:
        self._pipe.write({"type": "error", "id": name, "message": message})


def _manner(request: dict[str, object]) -> Manner:
    voice = request.get("voice")
    if not isinstance(voice, str) or "\0" in voice:
        raise ValueError("a voice is a name")
    return Manner(
        voice,
        pitch=_number(request, "pitch", 50, 0, 99),
        range=_number(request, "range", 50, 0, 99),
        rate=_number(request, "rate", 175, 80, 450),
        gap=_number(request, "gap", 0, 0, 500),
    )


def _number(request: dict[str, object], key: str, default: int, low: int, high: int) -> int:
    value = request.get(key, default)
    if not isinstance(value, int):
        raise ValueError(f"{key} is a whole number")
    return min(max(value, low), high)


def main() -> None:
    try:
        library = Library()
    except MissingLibraryError as error:
        sys.exit(str(error))
    # The pipe gets a descriptor of its own: whatever the library prints must not come between.
    # Reading is unbuffered, as a thread that waits inside a buffered reader holds up the exit.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        Mouth(library, Pipe(FileIO(0, "rb", closefd=False), sink)).run()
    except BrokenPipeError:
        os._exit(0)  # the reader went away


if __name__ == "__main__":
    main()
