"""Our own events, for clients that ask for them by `?events=vivavoce`.

Strict clients break on types that they do not know. So these are no part of `ServerEvent`, and no
other client gets one.
"""

from __future__ import annotations

from .base import ServerMessage


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


OwnEvent = ToolStarted | ToolProgress | ToolDone | ApprovalRequested
