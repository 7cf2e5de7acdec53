"""A process that answers: requests in by stdin, answers out by stdout. It ends when stdin does.

Python's `re` holds the interpreter's lock while it searches. So the rules, which search a client's
words and tools, run in a process that the server can kill. The process also ends itself when a
request exceeds its deadline by half: the server may have died meanwhile.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from . import wire
from .responder import Responder

KEPT_BYTES = 3 * 1024 * 1024  # of what assistants know, as it came; the last one always stays
PATIENCE = 1.5  # times what the server waits


class Responders:
    """The indexed knowledge of each assistant. The one used least recently makes room."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most = most
        self._known: OrderedDict[int, tuple[Responder, int]] = OrderedDict()

    def do(self, request: wire.Request, size: int) -> wire.Answer:
        """`size`: of the request, in bytes."""
        try:
            if isinstance(request, wire.Load):
                return self._load(request, size)
            return self._ask(request)
        except Exception as error:  # this response is lost, but not the process
            return wire.Failed(type(error).__name__, _place(error))

    def _load(self, request: wire.Load, size: int) -> wire.Answer:
        responder = Responder(
            request.chunks,
            languages=request.languages,
            name=request.name,
            fallback=request.fallback,
        )
        self._known[request.key] = responder, size
        while len(self._known) > 1 and sum(s for _, s in self._known.values()) > self._most:
            self._known.popitem(last=False)
        return wire.Loaded()

    def _ask(self, request: wire.Ask) -> wire.Answer:
        if request.key not in self._known:
            return wire.Unknown()
        self._known.move_to_end(request.key)
        responder, _ = self._known[request.key]
        return wire.Answered(responder.reply(request.read, now=request.now))


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(last.filename)}:{last.lineno}"


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """End this process after `seconds`, by the signal's default action: it needs no Python."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def serve(source: BinaryIO, sink: BinaryIO, responders: Responders) -> None:
    """Answer until the source ends. Raises `msgspec.DecodeError` for an invalid message."""
    while len(header := source.read(wire.HEADER.size)) == wire.HEADER.size:
        (size,) = wire.HEADER.unpack(header)
        body = source.read(size)
        if len(body) < size:
            return
        with _deadline(PATIENCE * wire.LOAD_S):
            request = wire.requests.decode(body)
        asked = isinstance(request, wire.Ask)
        with _deadline(PATIENCE * (wire.ANSWER_S if asked else wire.LOAD_S)):
            answer = wire.frame(responders.do(request, size))
        sink.write(answer)
        sink.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the server is gone
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # printed text does not end up among the answers
        serve(sys.stdin.buffer, answers, Responders())


if __name__ == "__main__":
    main()
