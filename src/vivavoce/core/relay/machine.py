"""The relay: what follows from each frame of a client and of the upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, assert_never

import msgspec

from ...errors import InvalidRequest
from ...protocol import client, codec, error_body, server
from ...protocol.close_codes import HUNG_UP, CloseCode, is_lost, is_retryable, sendable
from ...protocol.items import FunctionCall, FunctionOutput, Item, Message
from ...protocol.peek import peek_type
from .. import effects as do
from ..call_settings import DEFAULT_SETTINGS, CallSettings
from ..conversation import Conversation
from ..effects import ClientId, RelayEffect
from ..inactivity import InactivityTimeout
from ..inputs import (
    FromClient,
    FromUpstream,
    HungUp,
    Played,
    RelayInput,
    ToolProgress,
    ToolReturned,
    UpstreamLost,
)
from ..ledger import Ledger
from ..tool_calls import rounds_exceeded, with_unique_call_ids
from ..types import NEVER, Frame, JsonObject
from ..upstream_session import as_upstream_item, with_session_changes
from .client_frames import decode_frame, without_locked_fields
from .effect_queue import RelayEffectQueue
from .frames import (
    AUDIO_DELTA,
    HEAD,
    Direction,
    Verdict,
    is_only_append,
    session_of,
    with_conversation_id,
)
from .opening import OPENING_TIMEOUT_S, HeldFrame, Opened, OpeningFailed
from .tools import TOOLS_EVENT, RelayTools
from .upstream_state import UpstreamState

_FORWARD, _TAKE, _UP = Verdict.FORWARD, Verdict.TAKE, Direction.UP

_EndStatus = Literal["cancelled", "failed"]
_KEY_REFUSED = {"invalid_api_key", "authentication_error", "401", "403"}
_MESSAGES = {
    "upstream_unavailable": "The model cannot be reached at the moment.",
    "upstream_refused": "The model's provider did not accept this call.",
    "upstream_lost": "The connection to the model was lost.",
}


class Relay:
    """The machine of a relayed call."""

    def __init__(
        self,
        session: JsonObject,
        call: CallSettings = DEFAULT_SETTINGS,
        *,
        now: float,
        new_id: Callable[[str], str],
        history: Iterable[Item] = (),
        ledger: Ledger | None = None,
    ) -> None:
        """`session`: what the assistant asks of the upstream, as a `session.update` says it.

        The responses name `call.conversation_id` instead of the upstream's: a client needs it to
        continue the conversation. Other fields of an upstream's frame stay as they are.
        `history` and `ledger` continue a conversation: the relay sends it to the upstream, not to
        the client. The relay learns what the user does from the upstream's events.
        """
        self.closed = False
        self.conversation = Conversation(history)
        self.ledger = Ledger() if ledger is None else ledger
        self._session = session
        self._new_id = new_id
        self._conversation_id = call.conversation_id
        self._inactivity = InactivityTimeout(call.inactivity_s, now)
        self._now = now
        self._greeting = call.greeting
        self._locked = call.locked
        self._tools = RelayTools(call.server_tools, self.conversation, new_id)
        self._inspects = bool(call.locked or call.server_tools)  # the frames of clients
        self._max_session_s = call.max_session_s
        self._expires_at = now + call.max_session_s
        self._announced = False  # has the client received `session.created`?
        self._latest_session: msgspec.Raw | None = None  # of the last `session.updated`
        self._effects = RelayEffectQueue(new_id)
        self._upstream = UpstreamState(now, new_id, tools=self._tools.active)
        self._calls_out: set[str] = set()  # ids of function calls without an output
        self._client_acts = False  # were frames of a client forwarded unread since the last check?
        self._configure()

    @property
    def flowing(self) -> bool:
        """True if the call has opened, so that frames pass."""
        return self._upstream.flowing

    # Frames

    def glance(self, direction: Direction, frame: Frame) -> Verdict:
        """Decide whether the machine needs this frame. This is the hot path."""
        upstream = self._upstream
        if not upstream.flowing:
            return _TAKE
        if direction is _UP:
            self._client_acts = True
            if upstream.greeting.running:
                return _TAKE
            return _TAKE if self._inspects and not is_only_append(frame) else _FORWARD
        kind = peek_type(frame[:HEAD])
        audio = upstream.audio
        if kind in audio.taken:
            return _TAKE
        if kind == AUDIO_DELTA and (current := audio.current):
            current.frames += 1
            current.total_bytes += len(frame)
        return _FORWARD

    # Inputs

    def receive(self, event: RelayInput, now: float, client_id: ClientId | None = None) -> None:
        """Take one input. Collect the consequences with `effects`."""
        assert not self.closed, "the relay is closed"
        self._now = now
        match event:
            case FromUpstream(data=data):
                (self._take_upstream if self.flowing else self._open)(data)
            case FromClient():
                self._take_client(HeldFrame(event, client_id))
            case ToolReturned():
                self._tools.take_output(event)
                self._answer_tools()
            case ToolProgress():
                pass  # no event of the protocol reports it
            case UpstreamLost(code=code, reason=reason):
                self._lose(code, reason)
            case HungUp(code=code, reason=reason):
                details = server.StatusDetails(type="cancelled", reason="client_cancelled")
                self._record_responses("cancelled", details)
                code = sendable(code, CloseCode.GOING_AWAY)
                self._effects.request(do.CloseUpstream(code, reason))
                self._close(CloseCode.NORMAL, HUNG_UP)
            case Played():
                pass  # the upstream learns it from the client's own `conversation.item.truncate`
            case _:
                assert_never(event)

    def replace_upstream(self, now: float) -> None:
        """Go on with another connection to the upstream; the call's own state stays.

        The relay opens the new connection like the first one: it sends the session with the
        changes that the old upstream confirmed, then the conversation as it was heard. Clients
        receive a `response.done` for each response that was being made, and no second
        `session.created`. Their frames are held until the new upstream has confirmed the session.

        From now on, all input from an upstream must be from the new connection.
        """
        assert not self.closed, "the relay is closed"
        self._now = now
        old = self._upstream
        for response in self._ended_responses("failed", _upstream_lost()):
            self._effects.send(server.ResponseDone(response=self._renamed(response)))
            self._inactivity.we_did(now)
        if old.confirmed is not None and self._latest_session is not None:
            self._session = with_session_changes(
                self._session, _json_object(old.confirmed), _json_object(self._latest_session)
            )
        self._latest_session = None
        self._tools.replace_upstream()
        self._upstream = UpstreamState(now, self._new_id, tools=self._tools.active)
        for held in old.unsent_frames():
            self._upstream.opening.hold(held)
        self._configure()

    @property
    def over_limit(self) -> bool:
        """True if more client frames wait for the greeting to end than its limit allows."""
        return self._upstream.greeting.over_limit

    def effects(self) -> list[RelayEffect]:
        """Return the consequences since the last call, oldest first."""
        return self._effects.drain()

    # Deadlines

    def next_deadline(self) -> float | None:
        """Return when to call `on_deadline`, or None if nothing is due."""
        if self.closed:
            return None
        return min(self._upstream.deadline, self._inactive_at, self._expires_at)

    @property
    def _inactive_at(self) -> float:
        if not self.flowing or self._upstream.running or self._calls_out or self._tools.pending:
            return NEVER
        return self._inactivity.due()

    def on_deadline(self, now: float) -> None:
        """Perform what is due at this time."""
        self._now = now
        if now >= self._expires_at:
            self._expire()
        elif now >= self._upstream.deadline:
            if self.flowing:
                self._end_greeting()
            else:
                reason = f"the provider did not confirm the session within {OPENING_TIMEOUT_S:g} s"
                self._give_up(retryable=True, reason=reason)
        elif now >= self._inactive_at and self._client_acts:
            self._client_acts = False  # their time is not known, so the count starts again
            self._inactivity.user_did(now)
        elif now >= self._inactive_at:
            message = self._inactivity.message
            self._reject(InvalidRequest("session_idle", message))
            self._close(CloseCode.NORMAL, message)

    def _expire(self) -> None:
        minutes = round(self._max_session_s / 60)
        message = f"Your session hit the maximum duration of {minutes} minutes."
        self._reject(InvalidRequest("session_expired", message))
        self._record_responses("failed", _failed("session_expired", message))
        self._close(CloseCode.GOING_AWAY, message)

    # Opening

    def _open(self, data: bytes) -> None:
        step = self._upstream.opening.receive(data)
        match step:
            case Opened():
                self._begin(step)
            case OpeningFailed(retryable=retryable, error=error):
                reason = "the provider sent too much before it confirmed the session"
                self._give_up(retryable=retryable, reason=reason, error=error)
            case None:
                pass
            case _:
                assert_never(step)

    def _configure(self) -> None:
        """Ask the upstream for the assistant's session, before anything else."""
        event_id = self._upstream.own_event + "session"
        self._effects.send_upstream(client.SessionUpdate(event_id=event_id, session=self._session))

    def _begin(self, opened: Opened) -> None:
        upstream = self._upstream
        upstream.flowing = True
        upstream.confirmed = opened.session
        if not self._announced:
            self._announced = True
            self._effects.forward(opened.created, codec.decode_server(opened.created))
        self._retell()
        if self._greeting and not upstream.opening.response_requested:
            self._effects.send_upstream(upstream.greeting.start(self._greeting))
        self._greeting = None  # a call has one greeting, however often its upstream is replaced
        for data in upstream.opening.release_upstream_frames():
            self._take_upstream(data)
        for held in upstream.opening.release_client_frames():
            self._take_client(held)
        self._answer_tools()

    def _retell(self) -> None:
        """Send the conversation to an upstream that does not know it."""
        for item in with_unique_call_ids(self.conversation):
            if retold := as_upstream_item(self.ledger.as_heard(item)):
                self._upstream.retold.add(item.id)
                create = client.ItemCreate(event_id=self._upstream.own_event + item.id, item=retold)
                self._effects.send_upstream(create)

    def _give_up(
        self, *, retryable: bool, reason: str, error: server.ErrorBody | None = None
    ) -> None:
        """End a call that did not open.

        The client does not receive the provider's own words: they may quote the provider's key. The
        log gets their code, or the `reason` if the provider gave none.
        """
        self._effects.request(
            do.ReportUpstream.of("upstream_refused", _refusal(error, reason), error)
        )
        code = "upstream_unavailable" if retryable else "upstream_refused"
        close = CloseCode.TRY_AGAIN_LATER if retryable else CloseCode.DO_NOT_RETRY
        self._effects.send_error(error_body.server_error(code, _MESSAGES[code]))
        self._close(close, f"server_error.{code}")

    # From the client

    def _take_client(self, held: HeldFrame) -> None:
        upstream, frame = self._upstream, held.frame
        if not upstream.flowing:
            upstream.opening.hold(held)
        elif upstream.greeting.delays(frame):
            if cancel := upstream.greeting.hold(held, self._now):
                self._effects.send_upstream(cancel)
        else:
            self._forward_upstream(held)

    def _forward_upstream(self, held: HeldFrame) -> None:
        try:
            allowed = self._inspect(held) if self._inspects else self._unlocked(held)
        except InvalidRequest as error:
            self._reject(error, held.client_id)
        else:
            if allowed is not None:
                self._effects.request(do.SendUpstream(allowed))

    def _unlocked(self, held: HeldFrame) -> bytes:
        """Return a frame as it came. That of a sideband gets an event id of the relay's own."""
        data = held.frame.data
        if held.frame.sideband:
            return self._upstream.sideband_errors.rename_event(data, held.client_id)
        return data

    def _inspect(self, held: HeldFrame) -> bytes | None:
        """Return what the upstream receives of a frame. None: it waits for outputs of tools.

        Raises `InvalidRequest`.
        """
        data = held.frame.data
        if is_only_append(data):
            return self._unlocked(held)
        event = decode_frame(data)
        self._tools.refuse_forged(event)
        if self._tools.holds(held, event):
            return None
        if held.frame.sideband:  # it came with an API key, so no field is locked for it
            return self._unlocked(held)
        return without_locked_fields(event, self._locked)

    def _answer_tools(self) -> None:
        """Send the upstream what the server's tools returned, then ask for one response."""
        upstream, tools = self._upstream, self._tools
        if not upstream.flowing:
            return
        for output in tools.release_outputs():
            create = client.ItemCreate(event_id=upstream.own_event + output.id, item=output)
            self._effects.send_upstream(create)
        if held := tools.release_request():
            self._forward_upstream(held)
        elif upstream.running or upstream.greeting.running:
            pass  # its end is the next occasion
        elif tools.end_rounds():
            self._effects.send_error(rounds_exceeded())
            self._effects.request(do.ReportToolRounds())
        elif tools.request_response():
            event_id = upstream.own_event + TOOLS_EVENT
            request = client.ResponseCreate(event_id=event_id, response=tools.options)
            self._effects.send_upstream(request)

    def _end_greeting(self) -> None:
        for held in self._upstream.greeting.end():
            self._take_client(held)

    # From the upstream

    def _take_upstream(self, data: bytes) -> None:
        event = codec.decode_server(data)
        if event is None:
            self._effects.forward(data, None)
            return
        if isinstance(event, server.SessionCreated):
            return  # the client has one already: it was made when the upstream confirmed it
        has_tools = self._tools.active
        refused = has_tools and self._tools.observe(event, self._upstream.own_event)
        if not refused and self._upstream.answers_relay(event):
            if isinstance(event, server.Error):
                reason = "the provider refused an event of this server"
                self._effects.request(do.ReportUpstream.of("upstream_error", reason, event.error))
        else:
            self.conversation.apply(event)
            self._observe(event, data)
            if isinstance(event, server.Error):
                self._route_error(event, data)
            else:
                self._effects.forward(self._with_conversation_id(event, data), event)
        if self._upstream.greeting.is_ended_by(event):
            self._end_greeting()
        if not has_tools:
            return
        for call in self._tools.begin_calls():
            self._effects.request(do.CallTool(call))
        if isinstance(event, (server.ResponseDone, server.AudioCleared, server.Error)):
            self._answer_tools()  # not at the end of a turn: most often a response follows it

    def _route_error(self, error: server.Error, data: bytes) -> None:
        """Send an error to the sideband whose event caused it, otherwise to the call's client."""
        if routed := self._upstream.sideband_errors.route(error):
            self._effects.request(do.Send(*routed))
        else:
            self._effects.request(do.ForwardToClients(data, error, sidebands=False))

    def _with_conversation_id(self, event: server.ServerEvent, data: bytes) -> bytes:
        """Return the frame with the call's conversation id, if it names the upstream's."""
        if not isinstance(event, server.ResponseCreated | server.ResponseDone):
            return data
        upstream_id = event.response.conversation_id
        if self._conversation_id is None or upstream_id is None:  # None: out of band
            return data
        return with_conversation_id(data, upstream_id, self._conversation_id)

    def _observe(self, event: server.ServerEvent, data: bytes) -> None:
        """Update the call's state. The conversation is already up to date."""
        self._upstream.observe(event, len(data))
        match event:
            case server.SessionUpdated():
                self._latest_session = session_of(data)
            case server.SpeechStopped() | server.ItemAdded(item=Message(role="user")):
                self._inactivity.user_did(self._now)
            case server.ItemDone(item=FunctionCall(status="completed", call_id=call_id)):
                self._calls_out.add(call_id)
            case server.ItemDone(item=FunctionOutput(call_id=call_id)):
                self._calls_out.discard(call_id)
                self._inactivity.user_did(self._now)
            case server.ItemDone(item=Message(role="assistant") as item):
                self._record_spoken(item.id, _text(item))
            case server.ItemTruncated(item_id=item_id, audio_end_ms=ms):
                if item_id not in self.ledger:
                    self._record_spoken(item_id, "")
                if item_id in self.ledger:
                    self.ledger.truncate(item_id, ms)
            case server.ResponseDone():
                self._inactivity.we_did(self._now)
            case _:
                pass

    def _record_spoken(self, item_id: str, text: str) -> None:
        """Enter an item into the ledger: its text, and how much audio of it was forwarded."""
        sent_ms = self._upstream.audio.ms_of(item_id)
        if sent_ms is not None:
            earlier = self.ledger.get(item_id)
            self.ledger.restore(item_id, text, sent_ms, earlier.heard_ms if earlier else None)

    def _lose(self, code: int, reason: str) -> None:
        """End the call, because the upstream closed the connection or it broke."""
        if not self.flowing:
            why = f"the connection ended with {code} before the session was confirmed"
            self._give_up(retryable=is_retryable(code), reason=why)
            return
        if is_lost(code):
            message = _MESSAGES["upstream_lost"]
            self._effects.send_error(error_body.server_error("upstream_lost", message))
        self._record_responses("failed", _upstream_lost())
        self._close(sendable(code, CloseCode.INTERNAL_ERROR), reason)

    # Consequences

    def _reject(self, error: InvalidRequest, client_id: ClientId | None = None) -> None:
        self._effects.send_error(error_body.invalid_request(error), client_id)

    def _record_responses(self, status: _EndStatus, details: server.StatusDetails) -> None:
        """End the running responses in the store. The client learns it from the call's end."""
        for response in self._ended_responses(status, details):
            self._effects.request(do.Record(server.ResponseDone(response=response)))

    def _ended_responses(
        self, status: _EndStatus, details: server.StatusDetails
    ) -> list[server.Response]:
        running = self._upstream.running
        ended = [
            msgspec.structs.replace(response, status=status, status_details=details)
            for response in running.values()
        ]
        running.clear()
        return ended

    def _renamed(self, response: server.Response) -> server.Response:
        """Return the response with the call's conversation id instead of the upstream's."""
        if self._conversation_id is None or response.conversation_id is None:
            return response
        return msgspec.structs.replace(response, conversation_id=self._conversation_id)

    def _close(self, code: int, reason: str) -> None:
        self._effects.request(do.CloseCall(code, reason))
        self.closed = True


def _refusal(error: server.ErrorBody | None, reason: str) -> str:
    """Return why the provider refused, for the log."""
    if error is None:
        return reason
    if _KEY_REFUSED & {error.code, error.type}:
        return "the provider did not accept this server's key"
    return "the provider refused the session"


def _text(item: Message) -> str:
    return "".join(part.text or part.transcript or "" for part in item.content)


def _upstream_lost() -> server.StatusDetails:
    return _failed("upstream_lost", _MESSAGES["upstream_lost"])


def _failed(code: str, message: str) -> server.StatusDetails:
    error = server.Failure(type="server_error", code=code, message=message)
    return server.StatusDetails(type="failed", error=error)


def _json_object(raw: msgspec.Raw) -> JsonObject:
    """Return the decoded object. An upstream's session that is not one counts as empty."""
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
