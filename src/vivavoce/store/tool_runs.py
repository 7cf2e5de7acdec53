"""Define the row of one tool run. The tool ledger writes it, and stores keep it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

ToolRunState: TypeAlias = Literal["requested", "approved", "started", "done", "failed", "unknown"]
Approver: TypeAlias = Literal["never", "user", "staff"]

UNFINISHED: tuple[ToolRunState, ...] = ("requested", "approved", "started")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRunRow:
    """Hold one run of a tool, or the request for an approval of it.

    `item_id` and `tool_call_id` name the model's `function_call`. A run that no call asked for has
    neither, and no `call_id`. `arguments`: a JSON object as text. `result`: what the model reads.
    """

    id: str  # `run_…`
    assistant: str
    tool: str
    arguments: str
    arguments_sha256: str
    idempotency_key: str
    state: ToolRunState
    requested_at: datetime
    call_id: str | None = None
    item_id: str | None = None
    tool_call_id: str | None = None
    subject: str | None = None
    approve: Approver = "never"
    approved_by: str | None = None
    expires_at: datetime | None = None  # of the request for an approval
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: str | None = None


class ToolRuns(Protocol):
    """Find tool runs. `Store.commit` writes them, as a part of a `Change`."""

    async def get(self, run_id: str) -> ToolRunRow | None: ...

    async def with_key(self, idempotency_key: str) -> ToolRunRow | None:
        """Return the newest run with this key."""

    async def of_call(self, call_id: str) -> list[ToolRunRow]:
        """List the runs of a call, the oldest first."""

    async def of_conversation(self, conversation_id: str) -> list[ToolRunRow]:
        """List the runs of all calls of a conversation, the oldest first."""

    async def in_states(
        self, states: Collection[ToolRunState], *, limit: int = 1000
    ) -> list[ToolRunRow]:
        """List the runs in one of these states, the oldest first."""
