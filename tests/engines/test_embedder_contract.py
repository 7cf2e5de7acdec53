"""Hold every embedder to the contract. A new one joins by one line in `CASES`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from vivavoce.config import EmbeddingSection, Settings
from vivavoce.engines.builtin.onnx import embedding as onnx_model
from vivavoce.engines.builtin.openai import embedding
from vivavoce.engines.checked_embedder import PASSAGES_S, QUERY_S, CheckedEmbedder
from vivavoce.errors import EngineError
from vivavoce.knowledge.base import Embedder, TextKind
from vivavoce.testing.adapters import made
from vivavoce.testing.contracts import embedder

from ..support import small_embedder, virtual_time
from ..support.embedding_server import MODEL, embedding_server
from ..support.real_time import live

if TYPE_CHECKING:
    from numpy.typing import NDArray


@asynccontextmanager
async def openai(served: dict[str, Any] | None = None, **chosen: object) -> AsyncIterator[Embedder]:
    """Make the adapter in front of a real server."""
    with embedding_server(**(served or {})) as server:
        section = EmbeddingSection.model_validate({"base_url": server.url, "model": MODEL} | chosen)
        async with made(embedding, settings=Settings(embedding=section)) as adapter:
            yield adapter


@asynccontextmanager
async def onnx(*, broken: bool = False) -> AsyncIterator[Embedder]:
    """Make the adapter of a small model, in a process of its own."""
    with TemporaryDirectory() as place:
        folder = small_embedder.write(Path(place), content=b"" if broken else None)
        table = {"onnx": {"folder": str(folder), "query_prefix": "query: "}}
        settings = Settings.model_validate({"adapters": table})
        async with made(onnx_model, settings=settings) as adapter:
            yield adapter


BROKEN = {"fault": "500"}
CASES = {
    "openai": embedder.Case(openai, lambda: openai(BROKEN)),
    "openai, base64": embedder.Case(lambda: openai({"base64": True}), lambda: openai(BROKEN)),
    "openai, e5": embedder.Case(
        lambda: openai(query_prefix="query: ", passage_prefix="passage: ", batch_size=7),
        lambda: openai(BROKEN),
    ),
    "onnx": embedder.Case(onnx, lambda: onnx(broken=True)),
    "openai, small": embedder.Case(lambda: openai(dimensions=256), lambda: openai(BROKEN)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", [*embedder.CHECKS, *embedder.BACKEND_CHECKS])
def test_an_embedder_keeps_the_contract(check: embedder.Check, case: embedder.Case) -> None:
    check(case)


def test_requests_have_the_prefix_and_at_most_the_batch_size() -> None:
    async def story() -> None:
        with embedding_server() as server:
            section = EmbeddingSection(
                base_url=server.url, batch_size=2, dimensions=64, query_prefix="query: "
            )
            async with made(embedding, settings=Settings(embedding=section)) as adapter:
                assert (await adapter.embed(["a", "b", "c"], "passage")).shape == (3, 64)
                await adapter.embed(["a"], "query")
        assert [each["input"] for each in server.requests] == [["a", "b"], ["c"], ["query: a"]]
        assert {each["dimensions"] for each in server.requests} == {64}

    live(story())


NEVER = object()


class Odd:
    """An embedder that returns what it is given, or raises it."""

    model = "odd"

    def __init__(self, found: object, dimension: int | None = None) -> None:
        self._found = found
        self.dimension = dimension

    async def embed(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        if isinstance(self._found, BaseException):
            raise self._found
        if self._found is NEVER:
            await asyncio.Event().wait()
        return self._found  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (None, "embedding_count"),
        ("text", "embedding"),
        ([[1.0], [1.0, 2.0]], "embedding"),
        (np.ones((1, 3)), "embedding_count"),
        (np.ones(2), "embedding_count"),
        (np.ones((2, 0)), "embedding_count"),
        (np.ones((2, 4)), "embedding_dimension"),
        (np.array([[1.0, np.nan, 0.0], [1.0, 0.0, 0.0]]), "embedding"),
        (np.array([[1.0, np.inf, 0.0], [1.0, 0.0, 0.0]]), "embedding"),
        (ZeroDivisionError(), "engine_failed"),
        (TimeoutError(), "engine_failed"),
        (SystemExit(), "engine_failed"),
        (EngineError("no quota", "insufficient_quota"), "insufficient_quota"),
    ],
)
def test_an_odd_embedder_is_an_engine_error(found: object, code: str) -> None:
    async def story() -> None:
        with pytest.raises(EngineError) as caught:
            await CheckedEmbedder(Odd(found, 3)).embed(["a", "b"], "passage")
        assert caught.value.code == code

    live(story())


def test_vectors_have_the_length_1_or_0() -> None:
    async def story() -> None:
        checked = CheckedEmbedder(Odd([[3.0, 4.0], [0.0, 0.0]]))
        unit = await checked.embed(["a", ""], "query")
        assert unit.dtype == np.float32
        assert unit.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]

    live(story())


def test_an_embedder_has_a_deadline() -> None:
    async def story() -> None:
        clock = asyncio.get_running_loop().time
        for kind, seconds in (("query", QUERY_S), ("passage", PASSAGES_S)):
            began = clock()
            with pytest.raises(EngineError) as caught:
                await CheckedEmbedder(Odd(NEVER)).embed(["a"], cast("TextKind", kind))
            assert caught.value.code == "engine_timeout"
            assert clock() - began == pytest.approx(seconds)

    virtual_time.live(story())
