"""The effects of the machines: what the driver and its work do for them. None of them waits."""

from __future__ import annotations

from dataclasses import dataclass

from ..audio import g711
from ..protocol.config import McpTool, SessionConfig
from ..protocol.items import FunctionCall, Item
from ..protocol.server import ErrorBody, ServerEvent

ClientId = int  # one of the clients attached to a call


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event to one client. None: to all of them."""

    event: ServerEvent
    to: ClientId | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Store an event that no client receives."""

    event: ServerEvent


@dataclass(frozen=True, slots=True)
class Listen:
    """Start transcribing an utterance: this audio, then that of each `ListenTo`."""

    item_id: str
    pre_roll: bytes
    language: str | None = None  # that the session names
    logprobs: bool = False  # with log probabilities?
    law: g711.Law | None = None  # `pre_roll` is a whole sound in G.711, at 8 kHz


@dataclass(frozen=True, slots=True)
class ListenTo:
    """Transcribe more audio of this utterance."""

    item_id: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class ListenEnd:
    """End the utterance and complete its transcript."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ListenDrop:
    """Stop transcribing: the words are not needed any more."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ScoreEndOfTurn:
    """Score whether the user's turn is over. `EndOfTurnScored` brings the result.

    `sound`: the last seconds, PCM16 at 24 kHz, up to now. It is requested at each
    pause, and the work on an older pause may stop.
    """

    item_id: str
    pause: int
    sound: bytes


@dataclass(frozen=True, slots=True)
class Respond:
    """Make this response. Its audio is PCM16 at 24 kHz.

    The output encoder converts it to `config.audio.output.format`. That stays this response's
    format, even if the session changes.
    """

    response_id: str
    config: SessionConfig  # the session's, with this response's options
    history: tuple[Item, ...]
    paced: bool = True  # the user listens while it is made: stay near real time
    verbatim: str | None = None  # say exactly this, without a brain


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the work on this response. Results that still come are ignored."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Hush:
    """Discard the audio of this item that waits to be played."""

    item_id: str


@dataclass(frozen=True, slots=True)
class CallTool:
    """Call a tool of the server. `ToolReturned` brings the output."""

    call: FunctionCall


@dataclass(frozen=True, slots=True)
class CancelTool:
    """Cancel a tool of the server, because the user interrupted. `ToolReturned` says so."""

    tool_call_id: str


@dataclass(frozen=True, slots=True)
class ReportToolRounds:
    """Log that the model called tools in more responses in a row than the limit allows."""


@dataclass(frozen=True, slots=True)
class ListTools:
    """List the tools of an MCP server. `ToolsListed` or `ListToolsFailed` brings the result."""

    item_id: str
    server: McpTool


@dataclass(frozen=True, slots=True)
class SearchKnowledge:
    """Search the assistant's knowledge for the user's words. `KnowledgeFound` brings the result."""

    search_id: str
    query: str


@dataclass(frozen=True, slots=True)
class CallMcpTool:
    """Call a tool of an MCP server. `McpToolReturned` brings the result.

    `item_id`: of its `mcp_call`. `arguments`: a JSON object as text, if the model wrote one.
    """

    item_id: str
    server: McpTool
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class CancelMcpTool:
    """Stop waiting for this call of an MCP tool: its item was deleted."""

    item_id: str


@dataclass(frozen=True, slots=True)
class UseKnowledge:
    """The next response of the upstream is given what a search found, for the user's item."""

    search_id: str
    item_id: str | None


@dataclass(frozen=True, slots=True)
class ForwardToClients:
    """Forward a frame of the upstream to the clients. `event`: its decoded form, if known.

    `sidebands`: also to sidebands.
    """

    data: bytes
    event: ServerEvent | None
    sidebands: bool = True


@dataclass(frozen=True, slots=True)
class SendUpstream:
    """Send a frame to the upstream."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CloseUpstream:
    """Close the connection to the upstream."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class CloseCall:
    """End the call, and close the connections of its clients."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class ReportUpstream:
    """Log what went wrong with the upstream: our reason, and the short fields of its own error.

    Its message is left out, because it may quote a key or what people said.
    """

    event: str
    reason: str
    code: str | None = None
    type: str | None = None
    param: str | None = None

    @classmethod
    def of(cls, event: str, reason: str, error: ErrorBody | None) -> ReportUpstream:
        if error is None:
            return cls(event, reason)
        return cls(event, reason, error.code, error.type, error.param)


EventEffect = Send | Record
"""Effects of every machine: an event that is true."""

ListeningEffect = Listen | ListenTo | ListenEnd | ListenDrop | ScoreEndOfTurn
"""Work for a recogniser."""

ToolEffect = CallTool | CancelTool | ReportToolRounds
"""Work for the tools of the server."""

McpEffect = ListTools | CallMcpTool | CancelMcpTool
"""Work for the MCP servers that a session names."""

EngineEffect = ListeningEffect | Respond | ToolEffect | McpEffect
"""Work for an engine and its tools."""

UpstreamEffect = (
    SendUpstream | CloseUpstream | ReportUpstream | ToolEffect | SearchKnowledge | UseKnowledge
)
"""Work for the connection to an upstream, and for the tools and the knowledge of the server."""

DriverEffect = EventEffect | ForwardToClients | Cancel | Hush | CloseCall
"""Effects that a driver performs itself, whichever machine it drives."""

SessionEffect = EventEffect | EngineEffect | Cancel | Hush | CloseCall
TranscriptionEffect = EventEffect | ListeningEffect | CloseCall
RelayEffect = EventEffect | UpstreamEffect | ForwardToClients | Hush | CloseCall
Effect = SessionEffect | TranscriptionEffect | RelayEffect
