"""The messages between the server and the process of a local embedding model.

Each is a MessagePack map with `type`, after its size in bytes as a big-endian number of 4 bytes.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from ...knowledge.base import TextKind

HEADER = struct.Struct(">I")
CODE = "embedding_model"  # of an `EngineError` for a model that cannot be used

Pooling = Literal["mean", "cls"]
"""How the vectors of the tokens become one: their mean, or the first one."""


class ModelChoice(msgspec.Struct, frozen=True):
    """Say which model to read, and how. `file` and `pooling`: None is what the folder says."""

    folder: str
    file: str | None = None
    max_tokens: int = 512
    pooling: Pooling | None = None
    threads: int = 1


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Read a model. It is the first request."""

    number: int
    model: ModelChoice


class Embed(msgspec.Struct, frozen=True, tag="embed"):
    number: int
    kind: TextKind
    text: str


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """Say what was read. `digest`: of the model's files."""

    number: int
    file: str
    dimension: int
    digest: str


class Embedded(msgspec.Struct, frozen=True, tag="embedded"):
    number: int
    vector: bytes  # float32, little-endian


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    number: int
    message: str
    code: str = CODE


Request = Load | Embed
Answer = Loaded | Embedded | Failed

requests = msgspec.msgpack.Decoder(Request)
answers = msgspec.msgpack.Decoder(Answer)


def frame(message: Request | Answer) -> bytes:
    body = msgspec.msgpack.encode(message)
    return HEADER.pack(len(body)) + body
