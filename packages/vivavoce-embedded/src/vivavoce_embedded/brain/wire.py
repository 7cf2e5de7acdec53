"""The messages between the server and the processes of the brain.

A frame is its length (four bytes) and a message in MessagePack. Each request gets one answer, in
the order of the requests.
"""

from __future__ import annotations

import datetime as dt
import struct

import msgspec

from vivavoce.knowledge.chunks import Chunk

from .excerpt import Excerpt
from .utterance import BrainReply

HEADER = struct.Struct(">I")
ANSWER_S = 2.0  # how long a reply may take, many times what its budget allows
LOAD_S = 30.0  # how long it may take to index what an assistant knows


class Load(msgspec.Struct, frozen=True, tag=True):
    """Index what an assistant knows. `key` names it from now on.

    `fallback`: by language, the way to a person.
    """

    key: int
    name: str
    languages: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    fallback: dict[str, str] = {}


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Reply with what is known under this key. `now` is the local time."""

    key: int
    now: dt.datetime
    read: Excerpt


class Loaded(msgspec.Struct, frozen=True, tag=True):
    pass


class Answered(msgspec.Struct, frozen=True, tag=True):
    reply: BrainReply


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """Nothing is loaded under that key, or it had to make room."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Say which type of error it was, and where; never of what."""

    error: str
    place: str


Request = Load | Ask
Answer = Loaded | Answered | Unknown | Failed

_encoder = msgspec.msgpack.Encoder()
requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Request | Answer) -> bytes:
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body
