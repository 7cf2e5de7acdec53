"""A local embedding model in ONNX's format. Settings: `[adapters.onnx]`."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...knowledge.base import Embedder
from ..registry import AdapterNotUsableError, AdapterRequest, AdapterSpec

if TYPE_CHECKING:
    from ..embedding.onnx import OnnxEmbedder

_FIX = (
    "[adapters.onnx] folder in vivavoce.toml names a folder with an ONNX model and its "
    "tokenizer.json."
)
_MISSING = {"en": "Install the server with its extra: pip install 'vivavoce[onnx]'."}


class Options(BaseModel):
    """The table `[adapters.onnx]` in vivavoce.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = None
    file: str | None = None  # of the network, in the folder; None: the only one
    # before each question and each piece of the knowledge, as the model was trained
    query_prefix: str = Field("", max_length=1000)
    passage_prefix: str = Field("", max_length=1000)
    max_tokens: int = Field(512, ge=8, le=8192)  # of one text; the rest is cut
    pooling: Literal["mean", "cls"] | None = None  # None: what the folder says, or "mean"
    threads: int = Field(1, ge=1, le=64)  # processors for one text


def _is_installed() -> bool:
    return importlib.util.find_spec("tokenizers") is not None


async def _make(request: AdapterRequest) -> Embedder:
    return await _shared(request)


async def _shared(request: AdapterRequest) -> OnnxEmbedder:
    """Return the one process of all assistants. Raises `EngineError`."""
    from ..embedding.onnx import OnnxEmbedder
    from ..embedding.onnx_wire import ModelChoice

    chosen: Options = request.options
    if not _is_installed():
        raise AdapterNotUsableError("the package tokenizers is not installed", _MISSING["en"])
    if chosen.folder is None:
        raise AdapterNotUsableError("[adapters.onnx] names no folder", _FIX)
    model = ModelChoice(
        str(chosen.folder.absolute()),
        chosen.file,
        chosen.max_tokens,
        chosen.pooling,
        chosen.threads,
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[OnnxEmbedder]:
        prefixes = {"query_prefix": chosen.query_prefix, "passage_prefix": chosen.passage_prefix}
        async with OnnxEmbedder(model, **prefixes) as embedder:
            yield embedder

    return await request.resources.once("vivavoce.onnx", opened)


async def _check(request: AdapterRequest) -> str:
    from ...errors import EngineError

    try:
        made = await _shared(request)
    except AdapterNotUsableError:
        raise
    except EngineError as error:
        raise AdapterNotUsableError(str(error), _FIX, error.code) from None
    return f"read {made.file}"


embedding = AdapterSpec(
    kind="embedding",
    name="onnx",
    make=_make,
    check=_check,
    installed=_is_installed,
    settings_model=Options,
    missing=(_MISSING,),
)
