"""The server's own tools in a relayed call.

The upstream's model calls them. The relay makes these calls, and sends the outputs upstream in the
order of the calls. When all of them are known, it asks for one response.

A response may also call tools of the client. The client answers those and asks for the response
itself, as in any other call (protocol §4.6). So the relay asks for none then. If the client asks
before the server's outputs are known, its request waits for them.

This state is the call's. It stays when the upstream is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...errors import InvalidRequest
from ...protocol import client, server
from ...protocol.items import FunctionCall, FunctionOutput, Item
from ..inputs import ToolReturned
from ..tool_calls import PendingToolCalls, ServerToolCalls
from ..validation import ACTIVE_RESPONSE
from .opening import HeldFrame

TOOLS_EVENT = "tools"  # ends the id of the relay's `response.create` after tool calls
ATTEMPTS = 3  # to get a response, while others are being made


class RelayTools:
    """The calls of the server's tools, and what their answers wait for."""

    def __init__(
        self, names: frozenset[str], history: Iterable[Item], new_id: Callable[[str], str]
    ) -> None:
        self.active = bool(names)
        self._new_id = new_id
        self._calls = ServerToolCalls(names, history)
        self._pending = PendingToolCalls(names)
        self._waiting: set[str] = set()  # ids of calls in the conversation that were not begun
        self._begun: list[FunctionCall] = []  # to be made
        self._order: list[str] = []  # ids of calls whose output the upstream has not received
        self._outputs: dict[str, str] = {}
        self._approved: dict[str, FunctionCall] = {}  # that the upstream does not know yet
        self._unconfirmed: dict[str, FunctionOutput] = {}  # sent, by item id
        self._clients: set[str] = set()  # ids of the client's calls beside ours, without an output
        self._mixed = False  # does the client ask for the response?
        self._held: HeldFrame | None = None  # its request
        self._speaking = False
        self._requested = False  # was a response requested that the upstream has not created?
        self._attempts = 0
        self._unread = False  # did the last response begin before the upstream had all outputs?
        self._silence: str | None = None  # id of the item that an idle timeout makes

    @property
    def pending(self) -> bool:
        """True if an output is still to come."""
        return bool(self._pending)

    # From the upstream

    def observe(self, event: server.ServerEvent, own_event: str) -> bool:
        """Follow the upstream's events. Return True if it refused to answer the outputs.

        `own_event` begins the ids of the relay's own events. Only for a call with tools: `active`.
        """
        match event:
            case server.OutputItemAdded(item=item):  # the client knows the call from here on
                self._calls.note(item)
            case server.ItemAdded(item=item) | server.ItemDone(item=item):
                self._calls.note(item)
                self._unconfirmed.pop(item.id, None)
                if isinstance(item, FunctionCall):
                    self._waiting.add(item.call_id)
                    self._approved.pop(item.call_id, None)
            case server.SpeechStarted():
                self._speaking = True
            case server.SpeechStopped() | server.AudioCleared():
                self._speaking = False
            case server.TimeoutTriggered(item_id=item_id):
                self._silence = item_id
            case server.AudioCommitted(item_id=item_id):
                self._speaking = False
                if item_id != self._silence:
                    self._pending.user_acted()
            case server.ResponseCreated(response=response):
                self._on_response_created(response)
            case server.ResponseDone(response=response):
                self._on_response_done(response)
            case server.Error(error=body):
                return self._on_error(body, own_event)
            case _:
                pass
        return False

    def _on_response_created(self, response: server.Response) -> None:
        if not self._requested and (response.conversation_id is None or self._unconfirmed):
            return  # it is out of band, or it began before the upstream had all outputs
        self._unread = bool(self._unconfirmed)
        self._requested = False
        self._pending.answered()
        self._mixed = self._mixed and self.pending

    def _on_response_done(self, response: server.Response) -> None:
        self._requested = False
        calls = {item.call_id: item for item in response.output if isinstance(item, FunctionCall)}
        new = [call for call_id, call in calls.items() if call_id in self._waiting]
        self._waiting.difference_update(calls)
        if response.status != "completed":
            return
        ours = [call for call in new if call.name in self._calls.names]
        if not ours:
            return
        self._attempts = 0
        theirs = {call.call_id for call in new} - {call.call_id for call in ours}
        self._clients = theirs | self._clients if self.pending else theirs
        self._mixed = bool(self._clients)
        begun = self._pending.begin(ours)
        self._begun += begun
        self._order += [call.call_id for call in begun]

    def _on_error(self, body: server.ErrorBody, own_event: str) -> bool:
        event_id = body.event_id or ""
        self._unconfirmed.pop(event_id.removeprefix(own_event), None)
        if event_id != own_event + TOOLS_EVENT:
            return False
        self._requested = False
        if body.code != ACTIVE_RESPONSE:
            self._pending.answered()
            return True
        if self._unread and self._attempts < ATTEMPTS:
            self._pending.not_answered()
        return False

    # From the clients

    def refuse_forged(self, event: object) -> None:
        """Raise `InvalidRequest` if a client adds a call of a server's tool, or its output."""
        try:
            self._refuse_forged(_added_item(event), "item")
            for index, item in enumerate(_response_input(event)):
                self._refuse_forged(item, f"response.input[{index}]")
        except InvalidRequest as error:
            error.event_id = _event_id(event)
            raise

    def _refuse_forged(self, item: object, place: str) -> None:
        match item:
            case {"type": "function_call", "name": str(name)}:
                self._calls.refuse_call(name, place)
            case {"type": "function_call_output", "call_id": str(call_id)}:
                self._calls.refuse_output(call_id, place)

    def holds(self, frame: HeldFrame, event: object) -> bool:
        """Note a client's event. Return True if it must wait until all outputs are known."""
        if not self.active or not isinstance(event, dict):
            return False
        item = _added_item(event)
        call_id = item.get("call_id")
        if isinstance(call_id, str):
            self._clients.discard(call_id)
        if item and item.get("type") != "function_call_output":
            self._pending.user_acted()
        if event.get("type") != "response.create" or _out_of_band(event):
            return False
        self._pending.user_acted()
        if not (self._mixed and self.pending) or self._clients:
            return False
        if self._held is not None:
            message = "A response has been requested already. It waits for outputs of tools."
            raise InvalidRequest(ACTIVE_RESPONSE, message, event_id=_event_id(event))
        self._held = frame
        return True

    # From the tools

    def take_output(self, event: ToolReturned) -> None:
        """Take an output. A call that is not pending is ignored."""
        if self._pending.end(event.tool_call_id):
            self._outputs[event.tool_call_id] = event.output

    def take_approved(self, call: FunctionCall, output: str) -> None:
        """Take a call that an approval has started, and its output."""
        self._calls.note(call)
        self._approved[call.call_id] = call
        self._order.append(call.call_id)
        self._outputs[call.call_id] = output
        self._pending.note_output()

    # To the tools and the upstream

    def begin_calls(self) -> list[FunctionCall]:
        """Return the calls to make now."""
        begun, self._begun = self._begun, []
        return begun

    def release_outputs(self, own_event: str) -> list[client.ItemCreate]:
        """Return the events that send the outputs upstream, in the order of the calls.

        In front of an output is its call, if the upstream does not know it.
        """
        released = []
        while self._order and self._order[0] in self._outputs:
            call_id = self._order.pop(0)
            text = self._outputs.pop(call_id)
            output = FunctionOutput(id=self._new_id("item"), call_id=call_id, output=text)
            self._unconfirmed[output.id] = output
            if approved := self._approved.get(call_id):
                released.append(client.ItemCreate(event_id=own_event + approved.id, item=approved))
            released.append(client.ItemCreate(event_id=own_event + output.id, item=output))
        return released

    def release_request(self) -> HeldFrame | None:
        """Return the client's request for a response, if it waited for outputs that are known."""
        if self.pending:
            return None
        held, self._held = self._held, None
        return held

    @property
    def waits_to_speak(self) -> bool:
        """True while the user speaks, or a response was requested and not created."""
        return self._speaking or self._requested

    @property
    def due(self) -> bool:
        """True if outputs are to be answered now, and the client does not ask for it."""
        return self._pending.to_be_answered and not (
            self._mixed or self._speaking or self._requested
        )

    def end_rounds(self) -> bool:
        """Return True if the model exceeded the limit of rounds. Then no response is due."""
        return self.due and self._pending.end_rounds()

    def request_response(self, own_event: str) -> client.ResponseCreate | None:
        """Return the request for a response, if the relay has to ask for one now."""
        if not self.due:
            return None
        self._requested = True
        self._attempts += 1
        self._pending.answered()
        self._unread = True
        event_id = own_event + TOOLS_EVENT
        return client.ResponseCreate(event_id=event_id, response=self._pending.options)

    def replace_upstream(self) -> None:
        """Send the next upstream what this one did not confirm."""
        lost, self._unconfirmed = self._unconfirmed, {}
        for output in lost.values():
            self._outputs[output.call_id] = output.output
        self._order = [output.call_id for output in lost.values()] + self._order
        if lost or self._requested:
            self._pending.not_answered()
        self._requested = self._speaking = False
        self._attempts = 0


def _added_item(event: object) -> dict[str, object]:
    """Return the item that an event adds to the conversation. Empty: it adds none."""
    if not isinstance(event, dict) or event.get("type") != "conversation.item.create":
        return {}
    item = event.get("item")
    return item if isinstance(item, dict) else {}


def _response_input(event: object) -> list[object]:
    """Return the input of a response that becomes a part of the conversation."""
    match event:
        case {"type": "response.create", "response": {"input": list(items)}}:
            return [] if _out_of_band(event) else items
        case _:
            return []


def asks_for_response(event: object) -> bool:
    """Return True if a client's event asks for a response of the conversation."""
    asks = isinstance(event, dict) and event.get("type") == "response.create"
    return asks and not _out_of_band(event)


def _out_of_band(event: object) -> bool:
    match event:
        case {"response": {"conversation": "none"}}:
            return True
        case _:
            return False


def _event_id(event: object) -> str | None:
    own = event.get("event_id") if isinstance(event, dict) else None
    return own if isinstance(own, str) else None
