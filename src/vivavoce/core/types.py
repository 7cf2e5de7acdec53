"""Small value types that several packages share. They are frozen and have no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ..protocol.base import JsonObject as JsonObject
from ..protocol.server import Logprob

DIARIZES = "-diarize"  # suffix of the names of models that tell speakers apart
NEVER = float("inf")  # a deadline that does not come

Frame = bytes | bytearray | memoryview  # one message of a connection, as it came
IncompleteReason = Literal["max_output_tokens", "content_filter"]


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as a brain sees it: name, description and parameters (JSON Schema)."""

    name: str
    description: str = ""
    parameters: JsonObject = msgspec.field(default_factory=lambda: {"type": "object"})


ToolInterrupt = Literal["finish", "cancel"]
ToolRepeat = Literal["join", "reject", "allow"]
ToolApproval = Literal["never", "user", "staff"]
DataArguments = Literal["ask", "allow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRules:
    """The behaviour of one tool of the server around its work.

    `say`: what the assistant says by language, if the tool keeps the user waiting. The key
    "*" is for every language. Empty: nothing.
    `say_after_s`: the silence before that, in seconds, from the beginning of the tool.
    `timeout_s`: when the tool is cancelled. None: the server's limit.
    `interrupt`: whether the tool goes on when the user interrupts.
    `repeat`: what the same arguments mean while the tool runs, and for 60 s after it: the same
    result (`join`), an error (`reject`), or another run (`allow`).
    `approve`: the people who must agree before it runs.
    `ask`: the question whether it shall run, by language, with its arguments in braces. The key
    "*" is for every language. Empty: the server's own.
    `effects`: it changes the world, so it must not run twice by mistake.
    `data_arguments`: what a tool with effects does whose arguments come from a document or from a
    result of a tool. `ask`: the user must agree, as with `approve = "user"`. `allow`: it runs.
    `roles`: the roles whose calls may use it. Empty: all.
    `show`: whether clients that ask for our own events get those of its runs.
    """

    say: Mapping[str, str] = field(default_factory=dict)
    say_after_s: float = 0.9
    timeout_s: float | None = None
    interrupt: ToolInterrupt = "finish"
    repeat: ToolRepeat = "allow"
    approve: ToolApproval = "never"
    ask: Mapping[str, str] = field(default_factory=dict)
    effects: bool = False
    data_arguments: DataArguments = "ask"
    roles: tuple[str, ...] = ()
    show: bool = True


DEFAULT_RULES = ToolRules()


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of one speaker. Times count from the start of the item's audio."""

    text: str
    speaker: str
    start_ms: int
    end_ms: int


class Transcript(msgspec.Struct, frozen=True):
    """The words of an utterance. A recogniser may leave the other fields empty."""

    text: str
    logprobs: tuple[Logprob, ...] = ()  # of its tokens; joined, the tokens are the text
    languages: tuple[str, ...] = ()  # detected: `en`, `it`
    segments: tuple[Segment, ...] = ()  # by speaker


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of a call, and what its credential grants. It never holds a secret."""

    credential: str  # its kind, as the policy knows it: `key`, `secret`, `cookie`
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
    safety_identifier: str | None = None  # of the end user, bound at mint (protocol §1.13)
    browser: bool = False  # `limits.locked` applies
    visitor: bool = False  # of a website with a widget: nobody vouches for who this is
    defines_session: bool = False  # `limits.locked` applies only if the assistant names the fields


@dataclass(slots=True)
class TurnTimes:
    """The time at which the audio of a turn was written, and how long its stages took.

    The outbox and the engines measure, the recorder stores. The core has no clock.
    """

    first_audio: float | None = None  # seconds of the process's monotonic clock
    stages: dict[str, float] = field(default_factory=dict)  # stt, brain, tts: ms
