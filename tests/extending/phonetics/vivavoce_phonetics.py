"""Embed texts by the sounds of their words: a name is found that was spelt as it was heard."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, Field

from vivavoce.api import AdapterRequest, AdapterSpec, Embedder, TextKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1  # another one makes other vectors
SOUNDS = str.maketrans("bfpvcgjkqsxzdtlmnr", "111122222222334556")  # as Soundex groups them
SILENT = re.compile(r"[^1-6]+|(?<=(\d))\1+")


class Options(BaseModel):
    """The table `[adapters.phonetics]` in vivavoce.toml."""

    dimension: int = Field(256, ge=16, le=4096)


class Phonetics:
    """Add 1 to one of the numbers for each word, by the sounds of the word."""

    def __init__(self, options: Options) -> None:
        self.dimension = options.dimension
        self.model = f"phonetics {VERSION} {self.dimension}"

    async def embed(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        """Return a vector for each text. Questions and passages have the same ones."""
        return await asyncio.to_thread(self._embed, texts)

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, zlib.crc32(sound(word).encode()) % self.dimension] += 1
        return vectors


def sound(word: str) -> str:
    """Return the consonants of a word as digits: `23` for "cat"."""
    return SILENT.sub("", word.translate(SOUNDS)) or "0"


async def make(request: AdapterRequest) -> Embedder:
    """Make the embedder of one assistant."""
    return Phonetics(request.options)


phonetics = AdapterSpec(kind="embedding", name="phonetics", make=make, settings_model=Options)
