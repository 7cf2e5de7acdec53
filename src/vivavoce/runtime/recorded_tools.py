"""The tools of one call, as the ledger records them.

It stands between `ToolWork` and the runners, and sees the events of its call. So it knows the item
of each tool call, whether the user spoke after a request for an approval, and whether arguments
come from documents or results and not from the user.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from ..core.inputs import ApprovedToolReturned
from ..knowledge.base import KnowledgeUse
from ..protocol import own_events, server
from ..protocol.items import FunctionCall, FunctionOutput, Item, McpCall, Message
from ..protocol.own_events import OwnEvent
from ..store.tool_runs import ToolRunRow
from ..tools.base import ToolContext, ToolRequest, ToolResult
from ..tools.ledger import ToolLedger, ToolOrigin
from ..tools.run_results import call_of
from ..tools.runners import ToolRunners
from .argument_origins import ArgumentOrigins

CALLS = 256  # the newest tool calls whose items are known


class RecordedTools:
    """Runs the tools of one call through the ledger. `ToolWork` uses it like a `ToolRunner`."""

    def __init__(
        self,
        ledger: ToolLedger,
        runners: ToolRunners,
        context: ToolContext,
        history: Iterable[Item] = (),
    ) -> None:
        """`history`: the items of earlier calls of the conversation."""
        self._ledger = ledger
        self._runners = runners
        self._conversation_id = context.conversation_id
        self._clock = asyncio.get_running_loop().time
        self._assistant_spoke_at: float | None = None
        self._replied_to_at: float | None = None  # the time of what the user replied to
        self._items: dict[str, str] = {}  # by the id of the tool call
        self._order: deque[str] = deque()
        self._listeners: list[Callable[[OwnEvent], None]] = []
        self._feed: Callable[[ApprovedToolReturned], None]
        self._origins = ArgumentOrigins()
        for item in history:
            self._note_words(item)

    def begin(self, feed: Callable[[ApprovedToolReturned], None]) -> None:
        """Pass outputs of approved runs to `feed`, which must not wait."""
        self._feed = feed
        self._ledger.attach(self._conversation_id, self._deliver)

    def close(self) -> None:
        """Pass nothing more, because the call is over."""
        self._ledger.detach(self._conversation_id, self._deliver)

    def listen(self, tell: Callable[[OwnEvent], None]) -> None:
        """Tell a client our own events from now on. `tell` must not wait."""
        self._listeners.append(tell)

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        call_id, name = request.tool_call_id, request.name
        shown = self._is_shown(name, context)
        if shown:
            self._tell(own_events.ToolStarted(call_id=call_id, name=name))

        async def report(text: str) -> None:
            if shown:
                self._tell(own_events.ToolProgress(call_id=call_id, text=text))
            await context.report(text)

        origin = ToolOrigin(
            item_id=self._items.get(call_id),
            replied_to_at=self._replied_to_at,
            has_data=lambda prepared: self._has_data(prepared, context),
        )
        reported = replace(context, report=report)
        outcome = await self._ledger.run(self._runners, request, reported, origin)
        if outcome.row.state == "requested":
            self._tell(_requested(outcome.row, call_id))
        if shown or outcome.row.approve != "never":
            self._tell(_done(outcome.row, call_id))
        return outcome.result

    def decline(self, tool_call_id: str) -> None:
        """Reject the run that a tool call of this conversation asked for: the user said no."""
        if row := self._ledger.decline(self._conversation_id, tool_call_id):
            self._tell(_done(row, tool_call_id))

    def note_knowledge(self, use: KnowledgeUse) -> None:
        """Note the passages that a response is given. They are data, whatever they say."""
        for passage in use.passages:
            self._origins.data(passage.text)

    def observe(self, event: server.ServerEvent) -> None:
        """Note an event of the call. This runs for each event."""
        match event:
            case server.TranscriptionCompleted(transcript=words):
                self._origins.user_said(words)
            case server.ItemAdded(item=Message(role="assistant")):
                self._assistant_spoke_at = self._clock()
            case server.AudioCommitted():
                self._replied_to_at = self._assistant_spoke_at
            case server.ItemAdded(item=Message(role="user") as item):
                self._replied_to_at = self._assistant_spoke_at
                self._note_words(item)
            case server.ItemAdded(item=FunctionOutput() as item):
                self._note_words(item)
            case server.ItemDone(item=McpCall() | FunctionCall() as item):
                self._note_words(item)
            case server.ItemAdded(item=FunctionCall(id=item_id, call_id=call_id)) if item_id:
                self._note(call_id, item_id)
            case _:
                pass

    def _note_words(self, item: Item) -> None:
        """Note the words of an item by where they come from: the user, a result, the model."""
        match item:
            case Message(role="user", content=parts):
                for part in parts:
                    for words in (part.text, part.transcript):
                        self._origins.user_said(words if isinstance(words, str) else "")
            case FunctionOutput(output=output) | McpCall(output=str() as output):
                self._origins.data(output)
            case FunctionCall(arguments=arguments):
                self._origins.model_chose(arguments)
            case _:
                pass

    def _has_data(self, request: ToolRequest, context: ToolContext) -> bool:
        schemas = {spec.name: spec.parameters for spec in self._runners.specs(context)}
        arguments = msgspec.json.decode(request.arguments)
        return self._origins.from_data(arguments, schemas[request.name])

    def _note(self, call_id: str, item_id: str) -> None:
        if call_id not in self._items:
            self._order.append(call_id)
        self._items[call_id] = item_id
        if len(self._order) > CALLS:
            del self._items[self._order.popleft()]

    def _is_shown(self, name: str, context: ToolContext) -> bool:
        rules = self._runners.rules(context).get(name)
        return rules is None or rules.show

    def _deliver(self, row: ToolRunRow, output: str) -> None:
        call = call_of(row)
        self._tell(_done(row, call.call_id))
        self._feed(ApprovedToolReturned(call, output))

    def _tell(self, event: OwnEvent) -> None:
        if self._listeners:
            event = msgspec.structs.replace(event, event_id=self._ledger.make_id("event"))
        for tell in self._listeners:
            tell(event)


def _done(row: ToolRunRow, call_id: str) -> own_events.ToolDone:
    return own_events.ToolDone(call_id=call_id, name=row.tool, run_id=row.id, state=row.state)


def _requested(row: ToolRunRow, call_id: str) -> own_events.ApprovalRequested:
    return own_events.ApprovalRequested(
        run_id=row.id,
        call_id=call_id,
        name=row.tool,
        arguments=row.arguments,
        arguments_sha256=row.arguments_sha256,
        approve=row.approve,
        expires_at=row.expires_at.isoformat() if row.expires_at else None,
    )
