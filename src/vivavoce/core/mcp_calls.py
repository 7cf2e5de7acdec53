"""The calls of MCP tools: after the response that makes them, and after the approval they need.

    response ─► mcp_call ─────────────────────────► in_progress ─► completed | failed
             └► mcp_approval_request ─► approved ─► mcp_call, and as above
                                     └► rejected

The events of a call name the response that made it, which is over by then (protocol §4.10). The
server makes no response to the result: the client asks for one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict

import msgspec

from ..errors import InvalidRequest
from ..protocol import server
from ..protocol.config import McpTool
from ..protocol.items import Item, McpApprovalRequest, McpApprovalResponse, McpCall, McpToolError
from ..protocol.validation_errors import shorten
from . import effects as do
from .call_settings import CallParts
from .inputs import McpToolReturned
from .reply import McpOutput, Reply


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for an approval, and the response that made it."""

    request: McpApprovalRequest
    server: McpTool
    response_id: str


@dataclass(frozen=True, slots=True)
class _Running:
    item: McpCall
    response_id: str
    index: int
    previous: str | None
    in_conversation: bool


class _At(TypedDict):
    response_id: str
    item_id: str
    output_index: int


class McpCalls:
    def __init__(self, parts: CallParts[do.CallMcpTool | do.CancelMcpTool]) -> None:
        self._effects = parts.effects
        self._conversation = parts.conversation
        self._quota = parts.quota
        self._asked: dict[str, _Asked] = {}  # by the id of the request
        self._running: dict[str, _Running] = {}  # by the id of the call
        self._items: dict[str, int] = {}  # of a response that asks: how many there are

    def __bool__(self) -> bool:
        """Return True while a tool runs."""
        return bool(self._running)

    def begin(self, reply: Reply, *, completed: bool) -> None:
        """Make the calls of a completed response. Wait for the approvals of any response."""
        for output in reply.mcp_outputs:
            if isinstance(output.item, McpCall):
                if completed:
                    self._begin(output.item, output, reply)
            elif reply.in_conversation:
                asked = _Asked(output.item, output.server, reply.id)
                self._asked[output.item.id] = asked
                self._items[reply.id] = reply.output_count

    def _begin(self, item: McpCall, output: McpOutput, reply: Reply) -> None:
        running = _Running(item, reply.id, output.index, output.previous, reply.in_conversation)
        self._run(running, output.server)

    def _run(self, running: _Running, server_: McpTool) -> None:
        item = running.item
        self._effects.send(server.McpCallInProgress(item_id=item.id, output_index=running.index))
        self._running[item.id] = running
        self._effects.request(do.CallMcpTool(item.id, server_, item.name, item.arguments))

    def validate(self, answer: McpApprovalResponse) -> None:
        """Raise `InvalidRequest` if there is no such request, or if it has an answer."""
        request_id = answer.approval_request_id
        if not isinstance(self._conversation.get(request_id), McpApprovalRequest):
            problem = "there is no approval request with id"
        elif any(_answers(item, request_id) for item in self._conversation):
            problem = "there is an answer already to the approval request with id"
        else:
            return
        message = f"Error adding item: {problem} '{shorten(request_id)}'."
        raise InvalidRequest("invalid_value", message, "item.approval_request_id")

    def answer(self, answer: McpApprovalResponse) -> None:
        """Make a call that was approved."""
        asked = self._asked.pop(answer.approval_request_id, None)
        if asked is None or not answer.approve:
            return
        request, index = asked.request, self._items[asked.response_id]
        self._items[asked.response_id] += 1
        item = McpCall(
            id=self._effects.new_id("mcp"),
            server_label=request.server_label,
            name=request.name,
            arguments=request.arguments,
            approval_request_id=request.id,
        )
        bare = msgspec.structs.replace(item, arguments="")
        previous = self._conversation.last_id
        at = _At(response_id=asked.response_id, item_id=item.id, output_index=index)
        self._effects.send(
            server.OutputItemAdded(response_id=asked.response_id, output_index=index, item=bare)
        )
        self._effects.send(server.ItemAdded(previous_item_id=previous, item=bare))
        self._effects.send(server.McpArgumentsDelta(**at, delta=item.arguments))
        self._effects.send(server.McpArgumentsDone(**at, arguments=item.arguments))
        self._run(_Running(item, asked.response_id, index, previous, True), asked.server)

    def forget(self, item_id: str) -> None:
        """Forget a call or a request that a client deleted. Its result is ignored."""
        self._asked.pop(item_id, None)
        if self._running.pop(item_id, None) is not None:
            self._effects.request(do.CancelMcpTool(item_id))

    def take(self, event: McpToolReturned) -> None:
        """Settle a call. A result of one that is not running is ignored."""
        running = self._running.pop(event.item_id, None)
        if running is None:
            return
        running = replace(running, item=self._settled(running, event))
        settled = server.McpCallCompleted if running.item.error is None else server.McpCallFailed
        self._effects.send(settled(item_id=event.item_id, output_index=running.index))
        if running.in_conversation:
            self._effects.send(
                server.ItemDone(previous_item_id=running.previous, item=running.item)
            )
        self._effects.send(
            server.OutputItemDone(
                response_id=running.response_id, output_index=running.index, item=running.item
            )
        )

    def _settled(self, running: _Running, event: McpToolReturned) -> McpCall:
        item = msgspec.structs.replace(running.item, output=event.output, error=event.error)
        if not running.in_conversation or self._quota.hold(item):
            return item
        error = McpToolError(message="The conversation has no room for the output.")
        return msgspec.structs.replace(running.item, error=error)


def _answers(item: Item, request_id: str) -> bool:
    return isinstance(item, McpApprovalResponse) and item.approval_request_id == request_id
