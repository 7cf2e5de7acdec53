"""The relay: what follows from each frame of a client and of the upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import assert_never

from ...errors import InvalidRequest
from ...protocol import client, codec, error_body, server
from ...protocol.close_codes import HUNG_UP, CloseCode
from ...protocol.items import Item
from ...protocol.peek import peek_type
from .. import effects as do
from ..call_settings import DEFAULT_SETTINGS, CallSettings
from ..effects import ClientId, RelayEffect
from ..inactivity import UnreadFrames
from ..inputs import (
    ApprovedToolReturned,
    FromClient,
    FromUpstream,
    HungUp,
    KnowledgeFound,
    Played,
    PromptRendered,
    RelayInput,
    ToolHangsUp,
    ToolProgress,
    ToolReturned,
    ToolSays,
    UpstreamLost,
)
from ..ledger import Ledger
from ..tool_calls import rounds_exceeded
from ..types import NEVER, Frame, JsonObject
from .call_state import CallState
from .client_frames import ClientFrames, decode_frame
from .effect_queue import RelayEffectQueue
from .ending import RelayEnding, upstream_lost
from .frames import (
    AUDIO_DELTA,
    HEAD,
    TAKEN,
    TAKEN_FOR_MEDIA,
    TAKEN_FOR_TURNS,
    Direction,
    Verdict,
    in_conversation,
    is_only_append,
    response_in_conversation,
    session_of,
)
from .knowledge import RelayKnowledge
from .media import RelayMedia, is_clear
from .opening import OPENING_TIMEOUT_S, HeldFrame, Opened, OpeningFailed
from .prompt import INSTRUCTIONS, RelayPrompt
from .speech import RelaySpeech, has_voice, is_spoken
from .tools import RelayTools, asks_for_response
from .upstream_state import UpstreamState

_FORWARD, _TAKE, _UP = Verdict.FORWARD, Verdict.TAKE, Direction.UP


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
        self._call = CallState(call, history, ledger, now)
        self.conversation = self._call.conversation
        self.ledger = self._call.ledger
        self._session = session
        self._new_id = new_id
        self._conversation_id = call.conversation_id
        self._now = now
        self._greeting = call.greeting
        self._prompt = RelayPrompt()
        self._tools = RelayTools(call.server_tools, self.conversation, new_id)
        self._speech = RelaySpeech(call.tool_rules, call.language, now)
        self._spoken = is_spoken(session)  # do the responses have a voice?
        self._knowledge = RelayKnowledge(call.searches_knowledge, new_id, session)
        self._client_frames = ClientFrames(self._tools, self._knowledge, call.locked)
        self._inspects = self._client_frames.inspects or call.plays_out
        self._max_session_s = call.max_session_s
        self._expires_at = now + call.max_session_s
        self._announced = False  # has the client received `session.created`?
        self._effects = RelayEffectQueue(new_id)
        self._ending = RelayEnding(self._effects)
        self._media: RelayMedia | None = None  # of clients that play the audio by themselves
        if call.plays_out:
            self._media = RelayMedia(self._effects, self.conversation, self.ledger, session)
        self._upstream = UpstreamState(now, new_id, taken=self._taken)
        self._unread = UnreadFrames(call.inactivity_s)  # of clients
        self._configure()

    @property
    def _taken(self) -> frozenset[bytes | None]:
        """The types of the upstream's frames that the relay decodes."""
        if self._media is not None:
            return TAKEN_FOR_MEDIA
        return TAKEN_FOR_TURNS if self._tools.active or self._knowledge.active else TAKEN

    def encode_audio(self, pcm: bytes) -> bytes:
        """Return audio of a client's user as the upstream takes it. `pcm`: PCM16 at 24 kHz."""
        return pcm if self._media is None else self._media.encode(pcm)

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
            if upstream.greeting.running or not self._unread.passing:
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
                self._unread.read(now)
                self._call.inactivity.user_did(now)
                self._take_client(HeldFrame(event, client_id))
            case ToolReturned():
                self._speech.end(event.tool_call_id)
                self._tools.take_output(event)
                self._answer_tools()
            case ApprovedToolReturned(call=call, output=output):
                self._tools.take_approved(call, output)
                self._answer_tools()
            case ToolSays(tool_call_id=call_id, text=text):
                self._speech.say(call_id, text)
                self._answer_tools()
            case ToolHangsUp(tool_call_id=call_id):
                self._speech.hang_up(call_id, now)
            case ToolProgress(tool_call_id=call_id, text=text):
                self._speech.report(call_id, text)
            case KnowledgeFound(search_id=search_id, passages=passages):
                self._knowledge.take(search_id, passages)
                self._answer_turn()
            case UpstreamLost(code=code, reason=reason):
                self._ending.lose(self._upstream, code, reason)
                self.closed = True
            case HungUp(code=code, reason=reason):
                self._ending.hang_up(self._upstream, code, reason)
                self.closed = True
            case PromptRendered():
                self._take_prompt(event)
            case Played(item_id=item_id, ms=ms):
                if self._media is not None and self._media.played(item_id, ms):
                    self._call.inactivity.we_did(now)
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
        old, call = self._upstream, self._call
        ended = old.end_responses("failed", upstream_lost())
        for response in ended:
            done = server.ResponseDone(
                response=response_in_conversation(response, self._conversation_id)
            )
            self._effects.send(done)
            call.inactivity.we_did(now)
        self._session = old.with_session_changes(self._session, call.latest_session)
        call.latest_session = None
        self._tools.replace_upstream()
        self._speech.replace_upstream()
        self._knowledge.replace_upstream()
        if self._media is not None:
            self._media.replace_upstream(ended)
        self._upstream = UpstreamState(now, self._new_id, taken=self._taken)
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
        looks = self._unread.next_look
        due = min(self._upstream.deadline, self._expires_at, self._inactive_at, looks)
        if self._tools.active:  # without tools there is no filler and no hang-up
            due = min(due, self._filler_due, self._hangs_up_at)
        return min(due, self._knowledge.deadline) if self._knowledge.active else due

    @property
    def _quiet(self) -> bool:
        """True if neither the user nor the upstream speaks."""
        upstream = self._upstream
        makes = upstream.running or upstream.greeting.running or self._speech.out or self._playing
        return upstream.flowing and not (makes or self._tools.waits_to_speak)

    @property
    def _playing(self) -> bool:
        """True if the server plays audio that the user has not heard."""
        return self._media is not None and self._media.playing

    @property
    def _filler_due(self) -> float:
        return self._speech.due() if self._spoken and self._quiet else NEVER

    @property
    def _hangs_up_at(self) -> float:
        busy = not self._quiet or self._tools.pending or self._tools.due
        return self._speech.ends_at(busy=busy)

    @property
    def _pending(self) -> bool:
        """True if the server works for the upstream: it runs a tool, or searches the knowledge."""
        tools, knowledge = self._tools, self._knowledge
        return (tools.active and tools.pending) or (knowledge.active and knowledge.pending)

    @property
    def _inactive_at(self) -> float:
        upstream, call = self._upstream, self._call
        if not upstream.flowing or upstream.running or self._playing or self._pending:
            return NEVER
        return max(call.inactivity.due(), max(call.open_calls.values(), default=0.0))

    def on_deadline(self, now: float) -> None:
        """Perform what is due at this time."""
        self._now = now
        if now >= self._expires_at:
            self._ending.expire(self._upstream, self._max_session_s)
            self.closed = True
        elif now >= self._upstream.deadline:
            if self.flowing:
                self._end_greeting()
            else:
                reason = f"the provider did not confirm the session within {OPENING_TIMEOUT_S:g} s"
                self._ending.give_up(retryable=True, reason=reason)
                self.closed = True
        elif now >= self._hangs_up_at:
            self._ending.hang_up(self._upstream, CloseCode.NORMAL, HUNG_UP)
            self.closed = True
        elif now >= self._filler_due:
            request = self._speech.filler_request(self._upstream.own_event, now)
            self._effects.send_upstream(request)
        elif now >= self._knowledge.deadline:
            self._knowledge.expire()
            self._answer_turn()
        elif now >= self._unread.next_look:
            self._unread.look()
            self._call.inactivity.user_did(now)  # perhaps just now
        elif now >= self._inactive_at:
            self._ending.end_inactive(self._call.inactivity.message)
            self.closed = True

    # Opening

    def _open(self, data: bytes) -> None:
        step = self._upstream.opening.receive(data)
        match step:
            case Opened():
                self._begin(step)
            case OpeningFailed(retryable=retryable, error=error):
                reason = "the provider sent too much before it confirmed the session"
                self._ending.give_up(retryable=retryable, reason=reason, error=error)
                self.closed = True
            case None:
                pass
            case _:
                assert_never(step)

    def _configure(self) -> None:
        """Ask the upstream for the assistant's session, before anything else."""
        self._prompt.asked(self._session)
        event_id = self._upstream.own_event + "session"
        self._effects.send_upstream(client.SessionUpdate(event_id=event_id, session=self._session))

    def _begin(self, opened: Opened) -> None:
        upstream = self._upstream
        upstream.flowing = True
        upstream.confirmed = opened.session
        if self._media is not None:
            self._media.take_session(opened.session)
        if not self._announced:
            self._announced = True
            self._effects.forward(opened.created, codec.decode_server(opened.created))
        if update := self._prompt.opened(opened.session, self._session, upstream.own_event):
            self._effects.send_upstream(update)
        for create in upstream.retell(self.conversation, self.ledger):
            self._effects.send_upstream(create)
        if self._greeting and not upstream.opening.response_requested:
            self._effects.send_upstream(upstream.greeting.start(self._greeting))
        self._greeting = None  # a call has one greeting, however often its upstream is replaced
        for data in upstream.opening.release_upstream_frames():
            self._take_upstream(data)
        for held in upstream.opening.release_client_frames():
            self._take_client(held)
        self._answer_tools()
        self._answer_turn()

    def _take_prompt(self, event: PromptRendered) -> None:
        """Ask the upstream for another prompt, unless a client has set instructions of its own."""
        self._speech.speak(event.language)
        if self._session.get(INSTRUCTIONS) != event.before or event.instructions == event.before:
            return
        self._session = self._session | {INSTRUCTIONS: event.instructions}
        if not self.flowing:
            return  # `_begin` asks for it when the upstream has confirmed the session
        latest, event_id = self._call.latest_session, self._upstream.own_event
        if update := self._prompt.change(event, latest, event_id):
            self._effects.send_upstream(update)

    # From the client

    def _take_client(self, held: HeldFrame) -> None:
        upstream, frame = self._upstream, held.frame
        if self._media is not None and is_clear(frame.data):
            self._media.clear(upstream)
        elif not upstream.flowing:
            upstream.opening.hold(held)
        elif upstream.greeting.delays(frame):
            if cancel := upstream.greeting.hold(held, self._now):
                self._effects.send_upstream(cancel)
        else:
            self._forward_upstream(held)

    def _forward_upstream(self, held: HeldFrame) -> None:
        try:
            errors = self._upstream.sideband_errors
            data = self._client_frames.for_upstream(held, errors, self._now)
        except InvalidRequest as error:
            self._effects.send_error(error_body.invalid_request(error), held.client_id)
        else:
            if data is not None:
                self._end_speech(held)
                self._effects.request(do.SendUpstream(data))
            self._answer_turn()

    def _answer_turn(self) -> None:
        """Search for the user's turn, or give the upstream the passages and request a response."""
        knowledge, upstream = self._knowledge, self._upstream
        if not (knowledge.active and upstream.flowing):
            return
        for search in knowledge.begin_searches():
            self._effects.request(do.SearchKnowledge(search.search_id, search.query))
        turn = knowledge.release(responding=bool(upstream.running) or upstream.greeting.running)
        if turn is None:
            return
        if turn.search_id is not None:
            self._effects.request(do.UseKnowledge(turn.search_id, turn.item_id))
        for event in knowledge.events(turn, upstream.own_event, upstream.retold):
            self._effects.send_upstream(event)
        if turn.held is not None:
            self._forward_upstream(turn.held)

    def _end_speech(self, held: HeldFrame) -> None:
        """End the relay's own words if this frame asks for a response."""
        if self._speech.out and asks_for_response(decode_frame(held.frame.data)):
            self._speech.stop()
            if cancel := self._speech.cancel(self._upstream.own_event):
                self._effects.send_upstream(cancel)

    def _answer_tools(self) -> None:
        """Send the upstream what the server's tools returned, then ask for one response."""
        upstream, tools = self._upstream, self._tools
        if not upstream.flowing:
            return
        for create in tools.release_outputs(upstream.own_event):
            self._effects.send_upstream(create)
        if held := tools.release_request():
            self._forward_upstream(held)
        elif upstream.running or upstream.greeting.running or self._speech.out:
            pass  # its end is the next occasion
        elif not tools.waits_to_speak and (
            say := self._speech.next_request(upstream.own_event, self._now)
        ):
            self._effects.send_upstream(say)
        elif tools.end_rounds():
            self._effects.send_error(rounds_exceeded())
            self._effects.request(do.ReportToolRounds())
        elif request := tools.request_response(upstream.own_event):
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
        if self._knowledge.active and self._knowledge.observe(event, self._now):
            return
        if has_tools:
            self._follow_speech(event, data)
        refused = has_tools and self._tools.observe(event, self._upstream.own_event)
        if not refused and self._upstream.answers_relay(event):
            if isinstance(event, server.Error):
                reason = "the provider refused an event of this server"
                self._effects.request(do.ReportUpstream.of("upstream_error", reason, event.error))
        else:
            self._call.observe(event, data, self._upstream, self._now)
            self._pass_on(event, data)
        if self._upstream.greeting.is_ended_by(event):
            self._end_greeting()
        self._answer_turn()
        if not has_tools:
            return
        if calls := self._tools.begin_calls():
            self._speech.begin(calls, self._now)
        for call in calls:
            self._effects.request(do.CallTool(call))
        if isinstance(event, (server.ResponseDone, server.AudioCleared, server.Error)):
            self._answer_tools()  # not at the end of a turn: most often a response follows it

    def _pass_on(self, event: server.ServerEvent, data: bytes) -> None:
        """Give clients an event of the upstream. Play its audio, if they do not play it."""
        media = self._media
        if isinstance(event, server.Error):
            self._route_error(event, data)
        elif media is not None and isinstance(event, server.AudioDelta):
            media.play(event, data, self._upstream)
        else:
            self._effects.forward(in_conversation(event, data, self._conversation_id), event)
        if media is None:
            return
        match event:
            case server.SpeechStarted():
                media.interrupt(self._upstream)
            case server.ResponseDone(response=response):
                media.close(response.id)
            case server.SessionUpdated():
                media.take_session(session_of(data))
            case _:
                pass

    def _follow_speech(self, event: server.ServerEvent, data: bytes) -> None:
        """Note who speaks. The user interrupts the relay's own words, and tools that allow it."""
        current = self._upstream.audio.current
        own_event = self._upstream.own_event
        self._speech.observe(event, own_event, self._now, current.ms if current else 0)
        if isinstance(event, server.SessionUpdated):
            self._spoken = has_voice(data)
        if isinstance(event, server.SpeechStarted):
            for call_id in self._speech.interrupt(self._now):
                self._effects.request(do.CancelTool(call_id))
        if cancel := self._speech.cancel(own_event):
            self._effects.send_upstream(cancel)

    def _route_error(self, error: server.Error, data: bytes) -> None:
        """Send an error to the sideband whose event caused it, otherwise to the call's client."""
        if routed := self._upstream.sideband_errors.route(error):
            self._effects.request(do.Send(*routed))
        else:
            self._effects.request(do.ForwardToClients(data, error, sidebands=False))
