"""Our own events, for clients that ask for them by `?events=vivavoce`.

Strict clients break on types that they do not know. So these are not in `ServerEvent`, and no
other client gets one.
"""

from __future__ import annotations

from .base import ServerMessage, Strict


class CallNamed(ServerMessage, frozen=True, kw_only=True, tag="vivavoce.call"):
    """The ids of the call and its conversation, as the HTTP API has them, after `session.created`.

    A browser cannot read the header of the handshake.
    """

    call_id: str
    conversation_id: str


class ToolStarted(ServerMessage, frozen=True, kw_only=True, tag="vivavoce.tool.started"):
    """The server begins a tool call. `call_id`: of the `function_call` item."""

    call_id: str
    name: str


class ToolProgress(ServerMessage, frozen=True, kw_only=True, tag="vivavoce.tool.progress"):
    """The tool reports its progress in one sentence."""

    call_id: str
    text: str


class ToolDone(ServerMessage, frozen=True, kw_only=True, tag="vivavoce.tool.done"):
    """The tool call has an output. `state`: of the run, `requested` if it waits for an approval."""

    call_id: str
    name: str
    run_id: str
    state: str


class ApprovalRequested(
    ServerMessage, frozen=True, kw_only=True, tag="vivavoce.approval.requested"
):
    """A run waits for a person: `approve` says for whom. `arguments`: a JSON object as text."""

    run_id: str
    call_id: str
    name: str
    arguments: str
    arguments_sha256: str
    approve: str
    expires_at: str | None  # RFC 3339


class Source(Strict, frozen=True, kw_only=True):
    """A passage of the assistant's knowledge that an answer was given or taken from.

    `score`: 0 to 1, how much of the question it covers.
    """

    id: str
    source: str  # the path of the document
    place: str = ""  # where in it, such as "page 3"
    title: str = ""
    score: float
    revision: str  # changes when the document changes


class AnswerSources(ServerMessage, frozen=True, kw_only=True, tag="vivavoce.sources"):
    """The sources of an assistant's message, the best one first."""

    item_id: str
    sources: tuple[Source, ...]


class Closing(ServerMessage, frozen=True, kw_only=True, tag="vivavoce.closing"):
    """The server closes the data channel, which has no close frame. It is the last event.

    `code` and `reason` are those of the close frame that a WebSocket would get.
    """

    code: int
    reason: str


OwnEvent = (
    CallNamed | ToolStarted | ToolProgress | ToolDone | ApprovalRequested | AnswerSources | Closing
)
