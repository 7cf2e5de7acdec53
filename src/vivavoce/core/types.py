"""Small facts that several rooms share. Frozen, and without behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ..protocol.base import JsonObject as JsonObject
from ..protocol.server import Logprob

DIARIZES = "-diarize"  # how the names of models end that tell speakers apart
NEVER = float("inf")  # a deadline that does not come

Frame = bytes | bytearray | memoryview  # one message of a connection, as it came
IncompleteReason = Literal["max_output_tokens", "content_filter"]


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as a brain sees it: what it is called, what it does, what it takes (JSON Schema)."""

    name: str
    description: str = ""
    parameters: JsonObject = msgspec.field(default_factory=lambda: {"type": "object"})


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one voice in an item. Times count from where the item's sound begins."""

    text: str
    speaker: str
    start_ms: int
    end_ms: int


class Transcript(msgspec.Struct, frozen=True):
    """What was said, and what its recogniser knows besides. Each may be empty: it knows nothing."""

    text: str
    logprobs: tuple[Logprob, ...] = ()  # of its tokens, which joined are the text
    languages: tuple[str, ...] = ()  # that were heard: `en`, `it`
    segments: tuple[Segment, ...] = ()  # who said what


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on the other end, and what they were granted. Never holds a secret."""

    credential: Literal["key", "secret", "cookie"]
    key_id: str | None = None  # of the key, or of the key that minted the secret
    secret_id: str | None = None
    sign_in_id: str | None = None  # of the cookie, or of the cookie that minted the secret
    subject: str | None = None  # the user, in the operator's own words
    assistant: str | None = None  # None: any
    role: str | None = None
    language: str | None = None
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    conversation_id: str | None = None
    session: JsonObject | None = None  # the session a client secret was minted with
    browser: bool = False  # `limits.locked` applies


@dataclass(slots=True)
class TurnTimes:
    """When things of one turn were written to the client, and how long its stages took.

    Stamped by the outbox and the engines, folded by the recorder; the core measures nothing.
    """

    first_audio: float | None = None  # seconds of the process's monotonic clock
    stages: dict[str, float] = field(default_factory=dict)  # stt, brain, tts: ms
