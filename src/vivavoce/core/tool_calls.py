"""Tool calls: which of them the server makes, and when all their outputs are known.

The server makes calls of its own tools, and starts another response with their outputs. All other
calls are the client's: it adds the outputs and asks for the response itself (protocol §4.6). No
client can add a call of a server's tool, or the output of one, neither to the conversation nor to
the input of a response that becomes a part of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count

import msgspec
from msgspec import UNSET

from ..errors import InvalidRequest
from ..protocol import error_body
from ..protocol.client import ContextItem, ResponseOptions
from ..protocol.config import FunctionTool, Tool
from ..protocol.items import FunctionCall, FunctionOutput, Item
from ..protocol.server import ErrorBody
from .types import NEVER, ToolSpec

LONGEST_ID = 512  # characters of a `call_id`; providers allow fewer
ROUNDS = 16
"""Responses that call tools of the server, one after the other, without input of the user.

A question needs one to five. Without a bound, a model that calls a tool after each output makes
hundreds of responses in a few seconds, and each costs money.
"""
NO_TOOLS = ResponseOptions(tool_choice="none")


class ServerToolCalls:
    """The calls of the server's tools in one conversation, by id."""

    def __init__(self, names: frozenset[str], history: Iterable[Item] = ()) -> None:
        self.names = names
        self._ids: set[str] = set()
        if names:
            for item in history:
                self.note(item)

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._ids

    def note(self, item: Item) -> None:
        """Note an item that the server or its model added."""
        if isinstance(item, FunctionCall) and item.name in self.names:
            self._ids.add(item.call_id)

    def refuse_forged(self, item: ContextItem, place: str = "item") -> None:
        """Raise `InvalidRequest` if a client adds an item that only the server may add."""
        match item:
            case FunctionCall(name=name):
                self.refuse_call(name, place)
            case FunctionOutput(call_id=call_id):
                self.refuse_output(call_id, place)
            case _:
                pass

    def refuse_forged_input(self, items: Iterable[ContextItem]) -> None:
        """Raise `InvalidRequest` if the input of a response has such an item."""
        for index, item in enumerate(items):
            self.refuse_forged(item, f"response.input[{index}]")

    def refuse_call(self, name: str, place: str = "item") -> None:
        """Raise `InvalidRequest` if a client's call names a tool of the server."""
        if name in self.names:
            message = "Only the assistant can call this tool."
            raise InvalidRequest("invalid_value", message, f"{place}.name")

    def refuse_output(self, call_id: str, place: str = "item") -> None:
        """Raise `InvalidRequest` if a client's output answers a call that the server makes."""
        if call_id in self._ids:
            message = "The server itself answers this tool call."
            raise InvalidRequest("invalid_value", message, f"{place}.call_id")


class PendingToolCalls:
    def __init__(self, server_tools: frozenset[str]) -> None:
        self._server_tools = server_tools
        self._pending: set[str] = set()  # ids of the server's calls without an output
        self._with_client: dict[str, float] = {}  # its calls without an output, and their deadlines
        self._unanswered = False  # are there outputs that no response has read?
        self._rounds = 0  # responses that called tools of the server since the user's last input

    def __bool__(self) -> bool:
        """Return True if an output of the server is still to come."""
        return bool(self._pending)

    @property
    def awaited_until(self) -> float:
        """The time until which an output may be expected; 0 if none is to come.

        A tool of the server ends by its own deadline.
        """
        return NEVER if self._pending else max(self._with_client.values(), default=0.0)

    @property
    def to_be_answered(self) -> bool:
        """True if all outputs are known and no response has read them."""
        return self._unanswered and not self._pending

    def begin(
        self, calls: Iterable[FunctionCall], client_deadline: float = NEVER
    ) -> list[FunctionCall]:
        """Take the calls of a response. Return those that the server makes.

        `client_deadline`: the time until which the outputs of the client's calls are expected.
        """
        ours: list[FunctionCall] = []
        for call in calls:
            if call.name in self._server_tools:
                ours.append(call)
                self._pending.add(call.call_id)
            else:
                self._with_client[call.call_id] = client_deadline
        self._rounds += bool(ours)
        return ours

    def user_acted(self) -> None:
        """Note input of the user: speech, an item or a request. The rounds count from here."""
        self._rounds = 0

    @property
    def options(self) -> ResponseOptions | None:
        """The options of the response to the outputs. After `ROUNDS` rounds it calls no tool."""
        return NO_TOOLS if self._rounds == ROUNDS else None

    def end_rounds(self) -> bool:
        """Return True if the model called a tool although it must not. Its output is not answered.

        The next response that the user causes reads the output.
        """
        if self._rounds <= ROUNDS:
            return False
        self._unanswered = False
        return True

    def answered_by_client(self, call_id: str) -> None:
        """Note that the client added the output of one of its calls, or deleted the call."""
        self._with_client.pop(call_id, None)

    def end(self, call_id: str) -> bool:
        """Take an output. Return False if its call is not pending."""
        if call_id not in self._pending:
            return False
        self._pending.discard(call_id)
        self._unanswered = True
        return True

    def note_output(self) -> None:
        """Note an output without a call of a response. The rounds count from here."""
        self._unanswered = True
        self._rounds = 0

    def answered(self) -> None:
        """Note that a response reads all known outputs."""
        self._unanswered = False

    def not_answered(self) -> None:
        """Note that the response that should read the outputs was not made."""
        self._unanswered = True


def rounds_exceeded() -> ErrorBody:
    """Return the error that tells clients why no response follows."""
    message = (
        f"The model called tools in more than {ROUNDS} responses in a row. The server makes no "
        "further response until the user speaks or the client sends an item or a request."
    )
    return error_body.server_error("tool_rounds_exceeded", message)


def calls_of_outputs(items: Sequence[Item]) -> dict[int, int]:
    """Match outputs with calls, both by their index. A `call_id` may occur more than once.

    An output belongs to the nearest open call before it, otherwise to the nearest one behind it.
    """
    matched: dict[int, int] = {}
    open_calls: defaultdict[str, list[int]] = defaultdict(list)
    early: defaultdict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        if isinstance(item, FunctionCall):
            if outputs := early[item.call_id]:
                matched[outputs.pop()] = index
            else:
                open_calls[item.call_id].append(index)
        elif isinstance(item, FunctionOutput):
            if calls := open_calls[item.call_id]:
                matched[index] = calls.pop()
            else:
                early[item.call_id].append(index)
    return matched


def with_unique_call_ids(items: Iterable[Item], longest: int = LONGEST_ID) -> list[Item]:
    """Return the items with a `call_id` of its own for each call, and for its output.

    Of several calls with one id the newest keeps it: its output may still come. `longest`: the
    most characters of an id.
    """
    given = list(items)
    calls = calls_of_outputs(given)
    renamed: dict[int, str] = {}
    used = {item.call_id for item in given if isinstance(item, FunctionCall)}
    kept: set[str] = set()
    numbers = count(1)
    for index in reversed(range(len(given))):
        item = given[index]
        if isinstance(item, FunctionCall):
            if item.call_id in kept or not 0 < len(item.call_id) <= longest:
                renamed[index] = next(n for i in numbers if (n := f"call_{i}") not in used)
            kept.add(item.call_id)
    return [_renamed(item, renamed.get(calls.get(i, i))) for i, item in enumerate(given)]


def _renamed(item: Item, call_id: str | None) -> Item:
    if call_id is None or not isinstance(item, FunctionCall | FunctionOutput):
        return item
    return msgspec.structs.replace(item, call_id=call_id)


def tool_specs(tools: Iterable[Tool]) -> tuple[ToolSpec, ...]:
    """Return a session's function tools for a brain. The tools of MCP servers are not known."""
    return tuple(_spec(tool) for tool in tools if isinstance(tool, FunctionTool))


def _spec(tool: FunctionTool) -> ToolSpec:
    spec = ToolSpec(name=tool.name, description=tool.description or "")
    if tool.parameters is UNSET or tool.parameters is None:
        return spec
    return ToolSpec(name=spec.name, description=spec.description, parameters=tool.parameters)
