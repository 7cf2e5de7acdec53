"""Have the upstream's model say fillers, and the words of the server's tools.

Each is a response outside of the conversation, with instructions to say exactly these words. An
upstream makes such a response beside another one, so the relay asks only while none is made, and
asks for no other until it is done. So the user never hears two voices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ...protocol import client, server
from ...protocol.items import FunctionCall, Message
from ..tool_speech import ToolSpeech
from ..types import NEVER, JsonObject, ToolRules

SPEECH_EVENT = "speech"  # ends the id of the relay's `response.create` for given words
MARK = {"vivavoce": SPEECH_EVENT}
"""The metadata of such a response. The upstream repeats it, so that the relay knows its id."""


class RelaySpeech:
    """The words that the relay itself has said, on whichever upstream."""

    def __init__(self, rules: Mapping[str, ToolRules], language: str | None, now: float) -> None:
        self._words = ToolSpeech(rules, language, now)
        self._requested = False  # was a response requested that the upstream has not created?
        self._response_id: str | None = None  # of the response that is being made
        self._stopped = False  # is that response to be cancelled?
        self._voice_began: float | None = None  # the sound of the response in progress
        self._voice_until = now

    @property
    def out(self) -> bool:
        """True from the request for the words to the end of their response."""
        return self._requested or self._response_id is not None

    def speak(self, language: str) -> None:
        """Say the words of tools in another language from now on."""
        self._words.language = language

    # The server's tools

    def begin(self, calls: Sequence[FunctionCall], now: float) -> None:
        """Note that the tools of a response begin."""
        self._words.begin(calls, now)

    def end(self, call_id: str) -> None:
        """Note that a tool has returned."""
        self._words.end(call_id)

    def say(self, call_id: str, text: str) -> None:
        """Take a text of a running tool for the user."""
        self._words.say(call_id, text)

    def report(self, call_id: str, text: str) -> None:
        """Take the progress of a running tool."""
        self._words.report(call_id, text)

    def hang_up(self, call_id: str, now: float) -> None:
        """Note that a running tool ends the call."""
        self._words.hang_up(call_id, now)

    # When, and what

    def due(self) -> float:
        """Return the time of the filler, if both sides are silent until then."""
        return NEVER if self.out else self._words.due()

    def ends_at(self, *, busy: bool) -> float:
        """Return when the call ends because a tool hung up. `busy`: more words follow."""
        return self._words.ends_at(busy=busy or self.out)

    def next_request(self, own_event: str, now: float) -> client.ResponseCreate | None:
        """Return the request to say the next text of a tool. None: nothing waits."""
        text = self._words.next_saying(now)
        return None if text is None else self._request(text, own_event)

    def filler_request(self, own_event: str, now: float) -> client.ResponseCreate:
        """Return the request to say the filler that is due."""
        return self._request(self._words.filler(now), own_event)

    def _request(self, text: str, own_event: str) -> client.ResponseCreate:
        self._requested = True
        options = client.ResponseOptions(
            conversation="none",
            instructions=f"Say exactly this, and nothing else: {text}",
            input=(),
            tools=(),
            metadata=dict(MARK),
        )
        return client.ResponseCreate(event_id=own_event + SPEECH_EVENT, response=options)

    def stop(self) -> None:
        """Stop the words, also if the upstream has not begun."""
        self._stopped = self.out

    def cancel(self, own_event: str) -> client.ResponseCancel | None:
        """Return the request to stop the words, once, as soon as their response has an id."""
        if not self._stopped or self._response_id is None:
            return None
        self._stopped = False
        event_id = f"{own_event}cancel_{SPEECH_EVENT}"
        return client.ResponseCancel(event_id=event_id, response_id=self._response_id)

    # From the upstream

    def observe(self, event: server.ServerEvent, own_event: str, now: float, sent_ms: int) -> None:
        """Follow the upstream's events. `sent_ms`: of the audio of the item before this event."""
        match event:
            case server.SpeechStopped() | server.AudioCommitted():
                self._words.user_acted(now)
            case server.ItemAdded(item=Message(role="user")):
                self._words.user_acted(now)
            case server.ResponseCreated(response=response) if response.metadata == MARK:
                self._requested, self._response_id = False, response.id
            case server.AudioDelta():
                self._add_voice(sent_ms)
                self._voice_began = max(now, self._voice_until)
            case server.ResponseDone(response=response):
                if response.id == self._response_id:
                    self._response_id, self._stopped = None, False
                self._add_voice(sent_ms)
                if response.status == "cancelled":
                    self._stop_voice(now)
            case server.ItemTruncated():
                self._stop_voice(now)
            case server.Error(error=body) if body.event_id == own_event + SPEECH_EVENT:
                self._requested = self._stopped = False
            case _:
                pass

    def interrupt(self, now: float) -> list[str]:
        """Stop the words, because the user speaks. Return the ids of tool calls to cancel."""
        self.stop()
        self._stop_voice(now)
        return self._words.interrupt(now)

    def _add_voice(self, ms: int) -> None:
        """Note how long the sound lasts that was sent since the voice began."""
        if self._voice_began is not None:
            self._voice_until = self._voice_began + ms / 1000
            self._words.voice_until(self._voice_until)
            self._voice_began = None

    def _stop_voice(self, now: float) -> None:
        self._voice_until = min(self._voice_until, now)
        self._words.voice_stopped(now)

    def replace_upstream(self) -> None:
        """Forget what the lost upstream was saying."""
        self._requested = self._stopped = False
        self._response_id = self._voice_began = None


def is_spoken(session: JsonObject) -> bool:
    """Return True if the responses of a session have a voice, as they do by default."""
    found = session.get("output_modalities")
    return "audio" in found if isinstance(found, list | tuple) else True


def has_voice(updated: bytes) -> bool:
    """Return the same for the session in a `session.updated` of the upstream."""
    try:
        return "audio" in msgspec.json.decode(updated, type=_Updated).session.output_modalities
    except msgspec.MsgspecError:
        return True


class _Session(msgspec.Struct):
    output_modalities: tuple[str, ...] = ("audio",)


class _Updated(msgspec.Struct):
    session: _Session
