"""What a client asks for, and the plan of the call that comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..assistants import Assistant
from ..core.types import Caller, JsonObject, ToolRules, ToolSpec
from ..protocol.config import AnySession
from ..store.base import ItemRow
from ..tools.base import ToolContext
from .client_port import AudioKind
from .dialects import DialectName
from .running_prompt import Prompt, PromptChoice


@dataclass(frozen=True, slots=True)
class CallRequest:
    """The request of a client, with the credential that it presents."""

    credential: str | None
    transport: str
    query: Mapping[str, str] = field(default_factory=dict)
    dialect: DialectName = "ga"
    audio: AudioKind = "events"
    safety_identifier: str | None = None  # of the end user, for a hosted model (protocol §1.13)
    session: JsonObject | None = None  # that a key begins the call with, as a secret would

    def asked(self, *names: str) -> str | None:
        """Return the first of these query parameters that is not empty."""
        return next((self.query[name] for name in names if self.query.get(name)), None)

    def served_by_client(self, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        """Return those tools that the client runs: those it names, or all if it names none.

        The model is not offered the others, because their calls would get no output. A client that
        runs no tool sends an empty list.
        """
        named = self.query.get("client_tools", "*").split(",")
        return tuple(tool for tool in tools if "*" in named or tool.name in named)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of one call: its length, the user's silence, and the context of the brain."""

    max_session_s: float
    inactivity_s: float
    context_tokens: int


@dataclass(frozen=True, slots=True)
class CallSpec:
    """The plan of a call. Its machine, its engine and its clients are built from this alone."""

    call_id: str
    conversation_id: str
    caller: Caller
    assistant: Assistant
    language: str
    role: str
    session: AnySession
    limits: CallLimits
    transport: str = "websocket"
    dialect: DialectName = "ga"
    audio: AudioKind = "events"
    tools: tuple[ToolSpec, ...] = ()  # of the assistant: the client's and the server's
    server_tools: frozenset[str] = frozenset()  # names of those that the server runs
    tool_rules: Mapping[str, ToolRules] = field(default_factory=dict)  # of these, by name
    tool_context: ToolContext = field(default_factory=ToolContext)
    history: tuple[ItemRow, ...] = ()
    locked: tuple[str, ...] = ()  # fields of the session that the call's own client may not change
    greet: bool = False
    names_mcp_servers: bool = False  # the session may name servers that this one asks
    choice: PromptChoice | None = None  # None: a transcription session, which has no prompt
    prompt: Prompt | None = None  # rendered from `choice`
    variables_revision: int = 0  # of the operator's values in `choice`
    paced: bool = True  # spoken answers stay near real time
    own_events: bool = False  # the client asked for the events named `vivavoce.…`
    safety_identifier: str | None = None
