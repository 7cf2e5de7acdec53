"""Check the rules that every embedder keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...api import Embedder, EngineError
from ..live import live

if TYPE_CHECKING:
    from numpy.typing import NDArray

Opened = Callable[[], AbstractAsyncContextManager[Embedder]]

MANY = 150  # texts, more than one request may have
SAME = 1e-3  # the most by which the cosine of equal texts may differ from 1


@dataclass(frozen=True)
class Case:
    """An embedder under test.

    `opened` makes it, and closes what it holds at the end of a test. `broken` makes one whose
    backend fails, if it has a backend. `query` is nearer to `passage` than to `other`.
    """

    opened: Opened
    broken: Opened | None = None
    query: str = "When does the keynote start?"
    passage: str = "The keynote starts at nine."
    other: str = "Coats are kept in the foyer."


Check = Callable[[Case], None]

TEXTS = (
    "",
    " \n",
    "…",
    "Ciao, è già più tardi: naïve 12:30 😀!",
    "<|endoftext|> [CLS] query: passage:",
    "one\x00two\x01\x1b[31m three\x7f\x9f four\r\n",
    "broken \ud800 pair",
    "and so on, " * 1000,
    "a" * 5000,
)


def returns_one_vector_for_each_text(case: Case) -> None:
    texts = [f"This is number {n}." for n in range(MANY)]

    async def story() -> tuple[NDArray[np.float32], NDArray[np.float32], int | None, str]:
        async with case.opened() as embedder:
            together = await embedder.embed(texts, "passage")
            alone = await embedder.embed([texts[-1]], "passage")
            return together, alone, embedder.dimension, embedder.model

    together, alone, dimension, model = live(story())
    assert model, "the model has no id"
    assert together.dtype == np.float32
    assert together.shape == (MANY, alone.shape[1])
    assert dimension in (None, alone.shape[1])
    assert np.isfinite(together).all()
    assert _cosine(together[-1], alone[0]) > 1 - SAME, "the vectors are not in the order of texts"
    assert _cosine(together[0], alone[0]) < 1 - SAME, "all texts have the same vector"


def returns_no_vector_for_no_text(case: Case) -> None:
    assert len(_embed(case, [], "passage")) == 0


def finds_the_passage_of_a_question(case: Case) -> None:
    (query,) = _embed(case, [case.query], "query")
    passage, other = _embed(case, [case.passage, case.other], "passage")
    assert _cosine(query, passage) > _cosine(query, other)


def embeds_any_text(case: Case) -> None:
    for kind in ("passage", "query"):
        vectors = _embed(case, TEXTS, kind)
        assert len(vectors) == len(TEXTS)
        assert np.isfinite(vectors).all(), "a number is not finite"


def embeds_several_texts_at_once(case: Case) -> None:
    texts = [case.query, case.passage, case.other] * 3

    async def story() -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        async with case.opened() as embedder:
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(embedder.embed([text], "passage")) for text in texts]
            return [task.result()[0] for task in asked], await embedder.embed(texts, "passage")

    for text, alone, together in zip(texts, *live(story()), strict=True):
        assert _cosine(alone, together) > 1 - SAME, text


def stops_when_it_is_cancelled(case: Case) -> None:
    async def story() -> None:
        async with case.opened() as embedder:
            await embedder.embed([case.query], "query")
            before = asyncio.all_tasks()
            embedding = asyncio.create_task(embedder.embed([case.passage] * MANY, "passage"))
            await asyncio.sleep(0)
            embedding.cancel()
            await asyncio.wait([embedding])
            assert asyncio.all_tasks() <= before
            await embedder.embed([case.query], "query")

    live(story())


def raises_engine_error_if_its_backend_fails(case: Case) -> None:
    assert case.broken is not None, "the case has no broken backend"
    broken = case.broken

    async def story() -> None:
        async with broken() as embedder:
            await embedder.embed([case.query], "query")

    try:
        live(story())
    except EngineError:
        return
    raise AssertionError("embed did not raise EngineError")


CHECKS: tuple[Check, ...] = (
    returns_one_vector_for_each_text,
    returns_no_vector_for_no_text,
    finds_the_passage_of_a_question,
    embeds_any_text,
    embeds_several_texts_at_once,
    stops_when_it_is_cancelled,
)
BACKEND_CHECKS: tuple[Check, ...] = (raises_engine_error_if_its_backend_fails,)
"""For an embedder with a model file or a server behind it: its case has `broken`."""


def _embed(case: Case, texts: Sequence[str], kind: str) -> NDArray[np.float32]:
    async def story() -> NDArray[np.float32]:
        async with case.opened() as embedder:
            return await embedder.embed(texts, "query" if kind == "query" else "passage")

    return live(story())


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0
