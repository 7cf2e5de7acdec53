"""An embedding model behind `/embeddings`.

The answer may hold vectors as lists of numbers, or as base64 of little-endian float32. The request
asks for neither: a server that knows only one sends that one.
"""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ...core.types import JsonObject
from ...errors import EngineError
from ...knowledge.base import TextKind
from ..openai_endpoint import Endpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATH = "/embeddings"
EMPTY = " "  # servers refuse an empty text


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingOptions:
    """Options of the requests to a model. The prefixes are those of its training, if any."""

    model: str
    dimensions: int | None = None
    batch_size: int = 64
    query_prefix: str = ""
    passage_prefix: str = ""


class _Embedding(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Embedding]


class OpenAIEmbedder:
    """Embeds texts by requests of at most `batch_size` texts, one after another."""

    def __init__(self, endpoint: Endpoint, options: EmbeddingOptions) -> None:
        self._endpoint = endpoint
        self._options = options

    @property
    def model(self) -> str:
        chosen = self._options
        return msgspec.json.encode(
            [self._endpoint.address, chosen.model, chosen.dimensions, chosen.query_prefix,
             chosen.passage_prefix]
        ).decode()  # fmt: skip

    @property
    def dimension(self) -> int | None:
        return self._options.dimensions

    async def embed(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        chosen = self._options
        prefix = chosen.query_prefix if kind == "query" else chosen.passage_prefix
        given = [prefix + text if text.strip() else prefix or EMPTY for text in texts]
        parts = [
            await self._ask(given[start : start + chosen.batch_size])
            for start in range(0, len(given), chosen.batch_size)
        ]
        if len({part.shape[1] for part in parts}) > 1:
            raise EngineError(f"{PATH}: the vectors differ in their dimension", "embedding")
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension or 0), np.float32)

    async def _ask(self, texts: list[str]) -> NDArray[np.float32]:
        body: JsonObject = {"model": self._options.model, "input": texts}
        if self._options.dimensions is not None:
            body["dimensions"] = self._options.dimensions
        async with self._endpoint.post(PATH, body) as answer:
            data = await answer.read()
        return await asyncio.to_thread(_read, data, len(texts))


def _read(data: bytes, texts: int) -> NDArray[np.float32]:
    """Return the vectors of an answer, in the order of the texts. Raises `EngineError`."""
    try:
        found = msgspec.json.decode(data, type=_Answer).data
        ordered = sorted(enumerate(found), key=lambda each: _place(*each))
        vectors = [_vector(each.embedding) for _, each in ordered]
        indices = [_place(*each) for each in ordered]
        if indices != list(range(texts)):
            message = f"{PATH}: the answer has {len(found)} vectors for {texts} texts"
            raise EngineError(message, "embedding_count")
        return np.stack(vectors)
    except (ValueError, RecursionError):
        raise EngineError(f"{PATH}: the answer has no vectors that can be read") from None


def _place(position: int, embedding: _Embedding) -> int:
    return position if embedding.index is None else embedding.index


def _vector(embedding: list[float] | str) -> NDArray[np.float32]:
    if isinstance(embedding, str):
        return np.frombuffer(binascii.a2b_base64(embedding, strict_mode=True), "<f4")
    return np.array(embedding, np.float32)
