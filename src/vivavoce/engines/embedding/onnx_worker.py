"""A process that embeds texts by an ONNX model: requests in by stdin, answers out by stdout.

A process, because to read the tokens of a multilingual model holds the interpreter for a second,
and the server's calls would be silent for that time. It has one thread for questions and one for
passages, so that a question never waits for the knowledge. It ends when stdin does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from ...errors import EngineError
from ...knowledge.base import TextKind
from .onnx_model import OnnxModel
from .onnx_wire import (
    CODE,
    HEADER,
    Answer,
    Embed,
    Embedded,
    Failed,
    Load,
    Loaded,
    Request,
    frame,
    requests,
)

PASSAGES_NICE = 10  # questions and the server come first


class Worker:
    """Answer requests: `tell` gets each answer, from any thread."""

    def __init__(self, tell: Callable[[Answer], None]) -> None:
        self._tell = tell
        self._model: OnnxModel | None = None
        self._threads: dict[TextKind, ThreadPoolExecutor] = {
            "query": ThreadPoolExecutor(1, "query"),
            "passage": ThreadPoolExecutor(1, "passage", initializer=_give_way),
        }

    def take(self, request: Request) -> None:
        if isinstance(request, Load):
            self._tell(self._answer(request.number, lambda: self._load(request)))
        else:
            self._threads[request.kind].submit(self._embed, request)

    def close(self) -> None:
        for each in self._threads.values():
            each.shutdown(cancel_futures=True)

    def _load(self, request: Load) -> Answer:
        self._model = model = OnnxModel(request.model)
        return Loaded(request.number, str(model.file), model.dimension, model.digest)

    def _embed(self, request: Embed) -> None:
        def work() -> Answer:
            if self._model is None:
                raise EngineError("no model was loaded", CODE)
            vector = self._model.embed(request.text)
            return Embedded(request.number, vector.astype("<f4").tobytes())

        self._tell(self._answer(request.number, work))

    def _answer(self, number: int, work: Callable[[], Answer]) -> Answer:
        try:
            return work()
        except EngineError as error:
            return Failed(number, str(error))
        except BaseException as error:  # a library in Rust raises its panics as this
            return Failed(number, f"the embedding model failed: {type(error).__name__}")


def _give_way() -> None:
    if sys.platform == "linux":  # elsewhere, a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PASSAGES_NICE)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the source ends. Raises `msgspec.DecodeError` for an invalid message."""
    turn = threading.Lock()

    def tell(answer: Answer) -> None:
        with turn:
            sink.write(frame(answer))
            sink.flush()

    worker = Worker(tell)
    try:
        while len(header := source.read(HEADER.size)) == HEADER.size:
            (size,) = HEADER.unpack(header)
            if len(body := source.read(size)) < size:
                return
            worker.take(requests.decode(body))
    finally:
        worker.close()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the server is gone
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # printed text does not end up among the answers
        serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
