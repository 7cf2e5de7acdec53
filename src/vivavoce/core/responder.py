"""Answers the user: decides when a response begins, and what follows from its output and its end.

Turns and outputs of the server's tools may have to wait for another response to end, or for the
user to stop speaking. One response then answers all of them.
"""

from __future__ import annotations

import msgspec

from ..protocol import client, server
from ..protocol.config import SessionConfig
from ..protocol.items import FunctionCall, FunctionOutput, Item, ItemReference, McpApprovalResponse
from . import effects as do
from . import images, validation
from .call_settings import CallParts, CallSettings
from .idle_prompt import IdlePromptTimer
from .inactivity import CLIENT_TOOL_S
from .input_audio import InputAudioBuffer
from .inputs import (
    ApprovedToolReturned,
    CutShort,
    Failed,
    Finished,
    OutputChunk,
    ToolRequested,
    ToolReturned,
)
from .item_editor import ItemEditor
from .mcp_calls import McpCalls
from .playout import Playout
from .replies import Replies, cancelled, failed, incomplete
from .reply import Reply, ReplyOutcome
from .tool_calls import PendingToolCalls, ServerToolCalls, rounds_exceeded
from .tool_speech import ToolSpeech
from .types import NEVER

SESSION_DECIDES = client.ResponseOptions()


class Responder:
    """Begins the responses of a session, feeds them and ends them."""

    def __init__(
        self,
        parts: CallParts[do.SessionEffect],
        call: CallSettings,
        config: SessionConfig,
        replies: Replies,
        input_audio: InputAudioBuffer,
        editing: ItemEditor,
        idle_prompt: IdlePromptTimer,
        now: float,
    ) -> None:
        self._ledger = parts.ledger
        self.playout = Playout(parts.effects, parts.conversation, parts.ledger, self._truncate)
        self.server_calls = ServerToolCalls(call.server_tools, parts.conversation)
        self.calls = PendingToolCalls(call.server_tools)
        self.speech = ToolSpeech(call.tool_rules, call.language, now)
        self.mcp_calls = McpCalls(parts)
        self.voiced = False  # was audio of the assistant sent, apart from its greeting?
        self._effects = parts.effects
        self._conversation = parts.conversation
        self._quota = parts.quota
        self._voices = call.voices
        self._plays_out = call.plays_out
        self._replies = replies
        self._input_audio = input_audio
        self._editing = editing
        self._idle_prompt = idle_prompt
        self._turn_waits = False  # for the running response to end, to be answered
        self._stopped = False
        self.configure(config)

    @property
    def busy_until(self) -> float:
        """The time until which a response is being made or played, or a tool's output expected."""
        busy = self._replies.all or self.playout or self.mcp_calls
        return NEVER if busy else self.calls.awaited_until

    # The beginning of a response

    def configure(self, config: SessionConfig) -> None:
        """Set the session that applies to responses which begin from now on."""
        self._config = config
        detection = config.audio.input.turn_detection
        if detection is None or not detection.create_response:  # the client asks for responses now
            self._turn_waits = False

    def create(self, options: client.ResponseOptions | None, now: float) -> None:
        """Begin a response that a client asks for. Raises `InvalidRequest`."""
        options = options or SESSION_DECIDES
        if options.conversation != "none":
            self.server_calls.refuse_forged_input(options.input or ())
        self._begin(options, now, asked=True)
        if options.conversation != "none":
            self.user_acted(now)

    def greet(self, greeting: str, now: float) -> None:
        """Begin a response that says exactly this."""
        self._begin(SESSION_DECIDES, now, verbatim=greeting)

    def answer_silence(self, now: float) -> None:
        """Begin a response to a silence, which is an item of the conversation already."""
        self.speech.user_acted(now)
        self._begin(SESSION_DECIDES, now)

    def answer_turn(self, now: float) -> None:
        """Answer a turn that has ended, now or as soon as the running response has ended."""
        self._turn_waits = True
        self.answer_waiting(now)

    def answer_waiting(self, now: float) -> None:
        """Answer, with one response, the turns and tool outputs that no response has read.

        It waits while the user speaks and while another response runs.
        """
        if self._stopped or self._replies.current or self._input_audio.speaking:
            return
        if not self._turn_waits and (text := self.speech.next_saying(now)):
            self._say(text, now)
        elif not (self._turn_waits or self.calls.to_be_answered):
            return
        elif self.calls.end_rounds():
            self._effects.send(server.Error(error=rounds_exceeded()))
            self._effects.request(do.ReportToolRounds())
        else:
            self._begin(self.calls.options or SESSION_DECIDES, now)

    def _begin(
        self,
        options: client.ResponseOptions,
        now: float,
        *,
        verbatim: str | None = None,
        asked: bool = False,
    ) -> None:
        active = self._replies.current
        greeting = active if active and active.verbatim is not None else None
        validation.validate_response_create(
            self._conversation,
            self._config,
            options,
            active=active.id if active and not greeting else None,
            beside=sum(not reply.in_conversation for reply in self._replies.all),
            asked=asked,
            quota=self._quota,
            voiced=self.voiced,
            voices=self._voices,
        )
        if options.conversation != "none":
            self._turn_waits = False
            if greeting:  # no client asked for it, so it does not block a response
                self._end(greeting, "cancelled", now, cancelled("client_cancelled"))
            self.calls.answered()
            self._idle_prompt.end()
        self._replies.begin(self._config, self._transcribe_input(options), verbatim)
        self.start_ready(now)

    def _transcribe_input(self, options: client.ResponseOptions) -> client.ResponseOptions:
        given = options.input
        if given is None:
            return options
        items = tuple(
            item
            if isinstance(item, ItemReference)
            else self._input_audio.transcribe_given(images.checked(item, "response.input", ""))
            for item in given
        )
        return msgspec.structs.replace(options, input=items)

    def start_ready(self, now: float) -> None:
        """Request the responses from the engine that need no further transcript."""
        for reply, why in self._replies.start_ready(now):
            self._end(reply, "failed", now, why)

    # The words of the server

    @property
    def _quiet(self) -> bool:
        """True if neither the user nor the assistant speaks."""
        return not (self._replies.current or self.playout or self._input_audio.speaking)

    @property
    def filler_due(self) -> float:
        """The time of the filler. A session of text has none."""
        due = self.speech.due()  # first, because mostly no tool runs, and this is asked per frame
        if due == NEVER or not self._quiet or "audio" not in self._config.output_modalities:
            return NEVER
        return due

    @property
    def hangs_up_at(self) -> float:
        """The end of the call, if a tool hung up."""
        if not self.speech.hangs_up:
            return NEVER
        busy = not self._quiet or self.calls.to_be_answered or self._turn_waits
        return self.speech.ends_at(busy=busy)

    def say_filler(self, now: float) -> None:
        """Say that a tool needs time."""
        self._say(self.speech.filler(now), now)

    def say(self, call_id: str, text: str, now: float) -> None:
        """Say a text of a running tool, in the next silence."""
        self.speech.say(call_id, text)
        self.answer_waiting(now)

    def _say(self, text: str, now: float) -> None:
        """Begin a response that says exactly this. It does not answer the outputs of tools."""
        self._replies.begin(self._config, SESSION_DECIDES, text)
        self.start_ready(now)

    # Items of clients

    def on_item_created(self, item: Item, now: float) -> None:
        """Note an item of a client: an output of its own tool, or input of the user."""
        if isinstance(item, McpApprovalResponse):
            self.mcp_calls.answer(item)
        if isinstance(item, FunctionOutput):
            self.calls.answered_by_client(item.call_id)
        else:
            self.user_acted(now)

    def user_acted(self, now: float) -> None:
        """Note input of the user: speech, an item or a request."""
        self.calls.user_acted()
        self.speech.user_acted(now)

    def on_item_deleted(self, item: Item, now: float) -> None:
        """Note that a client deleted an item. No response waits for its transcript any longer."""
        if isinstance(item, FunctionCall):
            self.calls.answered_by_client(item.call_id)
        self.mcp_calls.forget(item.id)
        self._replies.forget(item.id)
        self.start_ready(now)

    # What the engine and the tools made

    def add_chunk(self, event: OutputChunk, now: float) -> None:
        """Send a chunk of output. A response that reaches its token limit ends."""
        reply = self._replies.get(event.response_id)
        if reply is None:
            return
        was_silent = reply.voiced_at is None
        whole = self._replies.on_chunk(reply, event, now)
        if was_silent and reply.voiced_at is not None:
            self.voiced = self.voiced or (reply.in_conversation and reply.verbatim is None)
            if self._plays_out:
                assert reply.item_id is not None
                self.playout.add(reply.id, reply.item_id)
        if not whole:
            self._end(reply, "incomplete", now, incomplete("max_output_tokens"))

    def take_result(self, event: ToolRequested | Finished | CutShort | Failed, now: float) -> None:
        """Take any other result of the engine. One of a response that is over is ignored."""
        reply = self._replies.get(event.response_id)
        if reply is None:
            return
        match event:
            case ToolRequested(call=call):
                if reply.in_conversation:
                    self.server_calls.note(call)
                self._effects.send_all(reply.call(call))
            case Finished(usage=usage):
                self._end(reply, "completed", now, usage=usage)
            case CutShort(reason=reason, usage=usage):
                self._end(reply, "incomplete", now, incomplete(reason), usage)
            case Failed(code=code, message=message):
                self._end(reply, "failed", now, failed("server_error", code, message))

    def take_output(self, event: ToolReturned, now: float) -> None:
        """Add the output of a tool of the server to the conversation, and answer it."""
        if self.calls.end(event.tool_call_id):
            self.speech.end(event.tool_call_id)
            output = FunctionOutput(
                id=self._effects.new_id("item"), call_id=event.tool_call_id, output=event.output
            )
            self._editing.add(output, self._conversation.last_id)
            self.answer_waiting(now)

    def take_approved(self, event: ApprovedToolReturned, now: float) -> None:
        """Add the call of an approved tool with its output, as if the model had called it now."""
        call = event.call
        self.server_calls.note(call)
        self._editing.add(call, self._conversation.last_id)
        output = FunctionOutput(
            id=self._effects.new_id("item"), call_id=call.call_id, output=event.output
        )
        self._editing.add(output, self._conversation.last_id)
        self.calls.note_output()
        self.answer_waiting(now)

    # The end of a response

    def cancel(self, response_id: str | None, now: float) -> None:
        """Cancel a response for a client. None: the conversation's. Raises `InvalidRequest`."""
        replies = self._replies
        reply = replies.current if response_id is None else replies.get(response_id)
        reply = validation.validate_cancel(reply)
        self._end(reply, "cancelled", now, cancelled("client_cancelled"))

    def interrupt(self, now: float) -> None:
        """Stop what is heard, because the user speaks. A WebSocket client truncates it itself.

        If the server plays the audio, an out-of-band response is heard like any other.
        """
        self.playout.clear(truncate=True)
        for reply in self._replies.all:
            if reply.in_conversation or (self._plays_out and reply.spoken):
                self._end(reply, "cancelled", now, cancelled("turn_detected"))
        for call_id in self.speech.interrupt(now):
            self._effects.request(do.CancelTool(call_id))

    def _truncate(self, item_id: str, ms: int) -> None:
        self._ledger.truncate(item_id, ms)
        self._effects.send(server.ItemTruncated(item_id=item_id, content_index=0, audio_end_ms=ms))

    def stop(self, status: ReplyOutcome, details: server.StatusDetails, now: float) -> None:
        """End all responses. From now on none begins."""
        self._stopped = True
        for reply in self._replies.all:
            self._end(reply, status, now, details)

    def _end(
        self,
        reply: Reply,
        status: ReplyOutcome,
        now: float,
        details: server.StatusDetails | None = None,
        usage: server.Usage | None = None,
    ) -> None:
        self._replies.end(reply, status, details, usage, now=now)
        if not self._stopped:
            self.mcp_calls.begin(reply, completed=status == "completed")
            self.start_ready(now)  # others may have waited for a transcript that only it needed
        self.playout.close(reply.id)
        if not reply.in_conversation:
            return
        if reply.voiced_at is not None:
            self.speech.voice_until(now if status == "cancelled" else _played_at(reply, now))
        self._start_idle_timer(reply, now)
        if status == "completed":
            calls = self.calls.begin(reply.calls, now + CLIENT_TOOL_S)
            self.speech.begin(calls, now)
            for call in calls:
                self._effects.request(do.CallTool(call))
        if status == "completed" or self._turn_waits:
            self.answer_waiting(now)

    # The silence after a response

    @property
    def _somebody_acts(self) -> bool:
        """True if a tool or the user is busy, so that a silence is not the user's."""
        return bool(self.calls) or self._input_audio.speaking

    def _start_idle_timer(self, reply: Reply, now: float) -> None:
        """Start the idle timer, from the estimated end of the reply's playout."""
        if reply.calls or self.playout or self._somebody_acts:
            return
        self._idle_prompt.start(now, _played_at(reply, now), self._input_audio.received_ms)

    def take_playout(self, item_id: str, ms: int, now: float) -> None:
        """Note a report of playout. When all was played, the idle timer starts exactly here."""
        was_playing = bool(self.playout)
        self.playout.played(item_id, ms)
        if was_playing and not self.playout:
            self.speech.voice_until(now)
        if was_playing and not (self.playout or self._replies.current or self._somebody_acts):
            self._idle_prompt.start(now, now, self._input_audio.received_ms)


def _played_at(reply: Reply, now: float) -> float:
    """Estimate when the sound of a reply will have been played. Without any: now."""
    return now if reply.voiced_at is None else reply.voiced_at + reply.meter.out_ms / 1000
