"""The passages that tools of a call have found, until a response reads them.

    a tool searches ─► found ─► its output is in the conversation ─► take, for the next response

While another tool of the server still runs, a response is a filler, or it answers something else.
So the passages wait for the response that reads all outputs. A response that calls tools again
passes them on, because its answer is still to come.
"""

from __future__ import annotations

from collections.abc import Container

import msgspec

from ..knowledge.base import KnowledgeUse
from ..protocol import server
from ..protocol.items import FunctionCall, FunctionOutput, Message

CALLS = 64  # the newest tool calls whose user's item is known
PASSAGES = 32  # of one answer


class ToolSearches:
    """The searches by tools in one call. `server_tools`: the names of tools the server runs."""

    def __init__(self, server_tools: Container[str] = ()) -> None:
        self._server_tools = server_tools
        self._user_item: str | None = None  # the last one
        self._askers: dict[str, str | None] = {}  # user's items by the id of the tool call
        self._pending: set[str] = set()  # ids of the server's calls without an output
        self._found: dict[str, KnowledgeUse] = {}  # by the id of a tool call without an output
        self._next: KnowledgeUse | None = None

    def found(self, tool_call_id: str, use: KnowledgeUse) -> None:
        """Note what a tool has found. A call that is not pending is ignored."""
        if tool_call_id in self._pending:
            asker = self._askers.get(tool_call_id)
            self._found[tool_call_id] = msgspec.structs.replace(use, item_id=asker)

    def take(self) -> KnowledgeUse | None:
        """Return what the response that begins now reads. None: nothing, or it is no answer."""
        if self._pending:
            return None
        use, self._next = self._next, None
        return use

    def pass_on(self, use: KnowledgeUse | None, response: server.Response) -> None:
        """Keep what a response has read for the next one, if it called a tool."""
        calls = [each for each in response.output if isinstance(each, FunctionCall)]
        if response.status != "completed":  # its calls are not made
            for call in calls:
                self._end(call.call_id)
        elif calls and use is not None and use.item_id == self._user_item:
            self._next = use if self._next is None else merged(use, self._next)

    def observe(self, event: server.ServerEvent) -> None:
        """Follow the events of the call. This runs for each event."""
        match event:
            case server.ItemAdded(item=Message(role="user", id=item_id)):
                self._user_item = item_id
            case server.ItemAdded(item=FunctionCall(call_id=call_id, name=name)):
                if name in self._server_tools:
                    self._begin(call_id)
            case server.ItemAdded(item=FunctionOutput(call_id=call_id)):
                if (use := self._end(call_id)) is not None:
                    self._next = use if self._next is None else merged(self._next, use)
            case _:
                pass

    def _begin(self, call_id: str) -> None:
        self._pending.add(call_id)
        self._askers[call_id] = self._user_item
        while len(self._askers) > CALLS:
            self._end(next(iter(self._askers)))

    def _end(self, call_id: str) -> KnowledgeUse | None:
        self._pending.discard(call_id)
        self._askers.pop(call_id, None)
        return self._found.pop(call_id, None)


def merged(one: KnowledgeUse, other: KnowledgeUse) -> KnowledgeUse:
    """Return two uses for one item as one, with the question that found more.

    Of uses for two items, the later one remains, because the answer is to the later item.
    """
    if one.item_id != other.item_id:
        return other
    scores = [each for each in (one.score, other.score) if each is not None]
    passages = {
        (each.source, each.id, each.text): each for each in (*one.passages, *other.passages)
    }
    better = one if (one.score or 0.0) > (other.score or 0.0) else other
    return KnowledgeUse(
        passages=tuple(passages.values())[:PASSAGES],
        answered=one.answered or other.answered,
        score=max(scores, default=None),
        question=better.question,
        item_id=one.item_id,
    )
