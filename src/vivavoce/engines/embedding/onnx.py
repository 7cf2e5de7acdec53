"""A local embedding model, in a process of its own. All assistants share it.

    embed(texts, kind) ─► one text at a time, for each kind ─► `onnx_worker` ─► vector

The process works on at most one question and one passage. A text whose caller went away is answered
too, and the answer is dropped by its number. If the process dies, the texts in work fail, and the
next one starts another process.
"""

from __future__ import annotations

import asyncio
from asyncio import IncompleteReadError
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec
import numpy as np

from ...errors import EngineError
from ...knowledge.base import TextKind
from ..child_process import ChildProcess
from . import onnx_wire as wire
from .onnx_wire import Answer, ModelChoice, Request

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODULE = f"{__package__}.onnx_worker"
LOAD_S = 60.0  # for gigabytes from a slow disk
TEXT_S = 30.0  # after that, the process is replaced
LONGEST_ANSWER = 1024 * 1024  # bytes; a vector has a few thousand

_Answer = TypeVar("_Answer", bound=Answer)


@dataclass(slots=True)
class _Lane:
    """The texts of one kind, one after another."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    owed: asyncio.Future[Answer] | None = None


class OnnxEmbedder:
    """Use it by `async with`, which reads the model. Raises `EngineError` if that fails."""

    def __init__(
        self, chosen: ModelChoice, *, query_prefix: str = "", passage_prefix: str = ""
    ) -> None:
        self._chosen = chosen
        self._prefixes: dict[TextKind, str] = {"query": query_prefix, "passage": passage_prefix}
        self._child = ChildProcess(MODULE, "embedding model")
        self._starting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._loaded = False
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._lanes: dict[TextKind, _Lane] = {"query": _Lane(), "passage": _Lane()}
        self._digest = ""
        self.dimension = 0
        self.file = ""

    async def __aenter__(self) -> Self:
        try:
            await self._ready()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    @property
    def model(self) -> str:
        chosen = self._chosen
        told = [self._digest, chosen.max_tokens, chosen.pooling, *self._prefixes.values()]
        return "onnx " + msgspec.json.encode(told).decode()

    async def embed(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        vectors = [await self._embed(self._prefixes[kind] + text, kind) for text in texts]
        return np.stack(vectors) if vectors else np.zeros((0, self.dimension), np.float32)

    async def _embed(self, text: str, kind: TextKind) -> NDArray[np.float32]:
        lane = self._lanes[kind]
        async with lane.turn:
            if lane.owed is not None:  # of a caller that went away
                await asyncio.wait([lane.owed])
            await self._ready()
            plain = text.encode("utf-8", "replace").decode()  # UTF-8 has no half of a pair
            lane.owed = self._send(wire.Embed(next(self._numbers), kind, plain), TEXT_S)
            answer = _expected(await asyncio.shield(lane.owed), wire.Embedded)
        return np.frombuffer(answer.vector, "<f4").astype(np.float32)

    async def _ready(self) -> None:
        """Start the process and have it read the model, unless it has. Raises `EngineError`."""
        async with self._starting:
            if self._loaded and self._child.running:
                return
            await self._stop()
            await self._child.start()
            self._reading = asyncio.create_task(self._read())
            try:
                await self._load()
            except BaseException:  # also if it is cancelled: the next text starts another one
                self._child.kill()
                raise
            self._loaded = True

    async def _load(self) -> None:
        answer = await self._send(wire.Load(next(self._numbers), self._chosen), LOAD_S)
        loaded = _expected(answer, wire.Loaded)
        if self._digest not in ("", loaded.digest):
            message = f"{loaded.file}: the model has changed: start the server again to use it"
            raise EngineError(message, wire.CODE)
        self._digest, self.dimension, self.file = loaded.digest, loaded.dimension, loaded.file

    def _send(self, request: Request, within_s: float) -> asyncio.Future[Answer]:
        """Return the answer to come. If it is not there in time, the process is killed."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting[request.number] = answer
        late = loop.call_later(within_s, self._child.kill)
        answer.add_done_callback(lambda _: late.cancel())
        self._child.write(wire.frame(request))
        return answer

    async def _read(self) -> None:
        """Pass on the answers until the process ends. Then all that waits fails."""
        reader = self._child.answers
        try:
            while True:
                (size,) = wire.HEADER.unpack(await reader.readexactly(wire.HEADER.size))
                if size > LONGEST_ANSWER:
                    raise ValueError(f"an answer of {size} bytes")
                self._pass_on(wire.answers.decode(await reader.readexactly(size)))
        except IncompleteReadError:
            message = str(self._child.stopped())
        except ValueError:
            message = str(self._child.garbled())
        self._loaded = False
        for number in list(self._waiting):
            self._pass_on(wire.Failed(number, message, "engine_failed"))

    def _pass_on(self, answer: Answer) -> None:
        waiting = self._waiting.pop(answer.number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def _stop(self) -> None:
        await self._child.stop()
        if self._reading is not None:
            await asyncio.wait([self._reading])
            self._reading = None


def _expected(answer: Answer, kind: type[_Answer]) -> _Answer:
    """Return an answer of this kind. Raises `EngineError` for a failure."""
    if isinstance(answer, kind):
        return answer
    message = getattr(answer, "message", "The embedding model gave an odd answer.")
    raise EngineError(message, getattr(answer, "code", "engine_failed"))
