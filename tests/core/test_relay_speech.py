"""Have a hosted model say words of the server while tools run, with the frames of both sides."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from vivavoce.core.effects import CallTool, CancelTool, CloseCall, SendUpstream
from vivavoce.core.inputs import ToolHangsUp, ToolProgress, ToolReturned, ToolSays
from vivavoce.core.relay import OWN_EVENT
from vivavoce.core.types import ToolRules
from vivavoce.core.validation import ACTIVE_RESPONSE

from ..support.upstream import CREATED, UPDATED, frame
from .relay_scenario import CREATE, RESPONSE, RelayScenario
from .test_relay_tools import call_item, response, sent
from .tool_listening import Listening, VirtualTime, tool_seconds

OWN = f"{OWN_EVENT}own_1_"
SPEECH = {"vivavoce": "speech"}
RULES = {
    "lookup": ToolRules(say={"en": "Let me look."}),
    "search": ToolRules(say={"en": "Let me look."}, interrupt="cancel"),
}
STARTED = frame("input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_u")
STOPPED = frame("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id="item_u")


def scenario(name: str = "lookup") -> RelayScenario:
    """Return a relayed call in which the model has just called a tool."""
    story = RelayScenario(server_tools=frozenset(RULES), tool_rules=RULES, language="en")
    story.hear(STOPPED, *response(call_item(1, name)))
    story.log.clear()
    return story


def words(story: RelayScenario) -> list[str]:
    """Return the words that the upstream was asked to say outside of the conversation."""
    asked = [
        e["response"] for e in sent(story) if e["type"] == "response.create" and "response" in e
    ]
    assert all(each["conversation"] == "none" and each["input"] == [] for each in asked)
    return [each["instructions"].partition(": ")[2] for each in asked]


def begun(id: str = "resp_s", metadata: dict[str, str] | None = None) -> bytes:
    about = RESPONSE | {"id": id, "metadata": SPEECH if metadata is None else metadata}
    return frame("response.created", response=about)


def voice(ms: int, id: str = "resp_s") -> bytes:
    delta = base64.b64encode(bytes(48 * ms)).decode()
    return frame("response.output_audio.delta", response_id=id, item_id=f"item_{id}",
                 output_index=0, content_index=0, delta=delta)  # fmt: skip


def ended(id: str = "resp_s", status: str = "completed") -> bytes:
    return frame("response.done", response=RESPONSE | {"id": id, "status": status})


def kinds(story: RelayScenario) -> list[str]:
    return [event["type"] for event in sent(story)]


def test_the_upstream_says_the_filler_outside_of_the_conversation() -> None:
    story = scenario()
    story.wait(0.85)
    assert sent(story) == []
    story.wait(0.1)
    (asked,) = sent(story)
    said = "Say exactly this, and nothing else: Let me look."
    assert asked == {
        "type": "response.create",
        "event_id": OWN + "speech",
        "response": {
            "conversation": "none", "instructions": said, "tools": [], "metadata": SPEECH,
            "input": [],
        },
    }  # fmt: skip
    story.hear(begun(), voice(800), ended())
    story.wait(3.5)
    assert words(story) == ["Let me look."], "once for the tools of a response"


def test_a_result_that_comes_first_cancels_the_filler() -> None:
    story = scenario()
    story.wait(0.8)
    story.tell(ToolReturned("call_1", "42"))
    story.wait(5)
    assert kinds(story) == ["conversation.item.create", "response.create"]
    assert words(story) == []


def test_the_answer_waits_for_the_end_of_the_filler() -> None:
    story = scenario()
    story.wait(1)
    story.tell(ToolReturned("call_1", "42"))
    assert kinds(story) == ["response.create", "conversation.item.create"]
    story.hear(begun(), voice(800))
    assert len(sent(story)) == 2
    story.hear(ended())
    assert sent(story)[2:] == [{"type": "response.create", "event_id": OWN + "tools"}]


def test_a_filler_that_the_upstream_refuses_delays_nothing() -> None:
    story = scenario()
    story.wait(1)
    story.tell(ToolReturned("call_1", "42"))
    error = {"type": "invalid_request_error", "code": "x", "message": "", "param": None,
             "event_id": OWN + "speech"}  # fmt: skip
    story.hear(frame("error", error=error))
    assert kinds(story)[-1] == "response.create"
    assert words(story) == ["Let me look."]
    assert story.errors == [], "no client asked for it"


@pytest.mark.parametrize("created", [True, False])
def test_the_user_interrupts_the_filler(created: bool) -> None:
    story = scenario()
    story.wait(1)
    story.hear(*([begun(), STARTED] if created else [STARTED, begun()]))
    assert sent(story)[1:] == [
        {"type": "response.cancel", "event_id": OWN + "cancel_speech", "response_id": "resp_s"}
    ]
    story.hear(ended(status="cancelled"))
    story.wait(5)
    assert words(story) == ["Let me look."]


def test_a_client_that_asks_for_a_response_ends_the_filler() -> None:
    story = scenario()
    story.wait(1)
    story.hear(begun())
    story.say(CREATE)
    assert kinds(story) == ["response.create", "response.cancel", "response.create"]


def test_no_filler_while_the_user_speaks_or_a_response_is_made() -> None:
    story = scenario()
    story.hear(STARTED)
    story.wait(5)
    assert words(story) == []
    story.hear(STOPPED, begun("resp_a", {}))
    story.wait(5)
    assert words(story) == []
    story.hear(voice(3000, "resp_a"), ended("resp_a"))
    story.wait(3.8)
    assert words(story) == [], "the model's own words are being played"
    story.wait(0.2)
    assert words(story) == ["Let me look."]


def test_a_session_of_text_has_no_filler() -> None:
    story = scenario()
    session: dict[str, Any] = {"type": "realtime", "output_modalities": ["text"]}
    story.hear(frame("session.updated", session=session))
    story.wait(5)
    assert words(story) == []


def test_an_interruption_cancels_a_tool_that_says_so() -> None:
    story = scenario("search")
    story.hear(STARTED)
    assert [e for e in story.log if isinstance(e, CancelTool)] == [CancelTool("call_1")]
    assert not [e for e in scenario().log if isinstance(e, CancelTool)]


def test_a_tool_says_a_text_and_ends_the_call() -> None:
    story = scenario()
    story.tell(ToolSays("call_1", "Goodbye."), ToolHangsUp("call_1"))
    assert words(story) == ["Goodbye."]
    story.tell(ToolReturned("call_1", "done"))
    story.hear(begun(), voice(800), ended())
    assert sent(story)[-1] == {"type": "response.create", "event_id": OWN + "tools"}
    story.hear(begun("resp_a", {}), voice(1000, "resp_a"), ended("resp_a"))
    story.wait(1.7)
    assert not story.relay.closed, "its words are being played, after the goodbye"
    story.wait(0.2)
    assert [e.reason for e in story.log if isinstance(e, CloseCall)] == ["hung_up"]


def test_the_answer_does_not_wait_for_a_filler_that_was_lost_with_its_upstream() -> None:
    story = scenario()
    story.wait(1)
    story.hear(begun())
    story.relay.replace_upstream(story.now)
    story.hear(CREATED, UPDATED)
    story.tell(ToolReturned("call_1", "42"))
    assert kinds(story)[-2:] == ["conversation.item.create", "response.create"]
    assert words(story) == ["Let me look."]


# A tool that goes on


def say_what_is_asked(story: RelayScenario, seconds: float) -> list[str]:
    """Let time pass, and let the upstream say at once what it is asked for. Return the words."""
    before, until = len(words(story)), story.now + seconds
    said = before
    while story.now < until:
        story.wait(0.1)
        if len(words(story)) > said:
            said += 1
            story.hear(begun(f"resp_{said}"), voice(500, f"resp_{said}"), ended(f"resp_{said}"))
    return words(story)[before:]


def test_the_upstream_speaks_again_after_growing_gaps_while_a_tool_goes_on() -> None:
    story = scenario()
    assert say_what_is_asked(story, 1.5) == ["Let me look."]
    assert say_what_is_asked(story, 3) == []
    assert say_what_is_asked(story, 1.5) == ["I'm still working on it."]
    story.tell(ToolProgress("call_1", "Two are free."))
    assert say_what_is_asked(story, 7) == ["Two are free."]
    assert say_what_is_asked(story, 7) == []
    assert say_what_is_asked(story, 2) == ["Thank you for waiting."]
    story.tell(ToolReturned("call_1", "42"))
    assert say_what_is_asked(story, 60) == []


def test_words_that_the_upstream_refuses_are_not_asked_for_at_once_again() -> None:
    story = scenario()
    error = {"type": "invalid_request_error", "code": "x", "message": "", "param": None,
             "event_id": OWN + "speech"}  # fmt: skip
    for _ in range(600):
        story.wait(0.1)
        story.hear(frame("error", error=error))
    assert 4 <= len(words(story)) <= 8


# 500 turns


class World:
    """A user, an upstream with a model and a voice, and tools, which all take their time."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.story = RelayScenario(server_tools=frozenset(RULES), tool_rules=RULES, language="en")
        self.time = VirtualTime()
        self.heard = Listening()
        self.active: dict[bool, str | None] = {True: None, False: None}  # by "for the relay"
        self._seen = 0

    def ask(self) -> None:
        self.heard.turn()
        self.hear(STARTED)
        self.heard.user_starts(self.story.now)
        if running := self.active[False]:
            self.cancelled(running, own=False)
        self.run(self.dice.uniform(0.5, 1))
        self.heard.user_stops(self.story.now)
        self.hear(STOPPED)
        self.respond(own=False)

    def run(self, seconds: float) -> None:
        until = self.story.now + seconds
        while True:
            due = self.story.relay.next_deadline()
            self.story.wait(max(min(due or until, self.time.next, until) - self.story.now, 0))
            self.react()
            while do := self.time.due(self.story.now):
                do()
                self.react()
            if self.story.now >= until - 1e-9:
                return

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.time.at(self.story.now + seconds, do)

    def hear(self, *frames: bytes) -> None:
        self.story.hear(*frames)
        self.react()

    # What the relay asks for

    def react(self) -> None:
        new, self._seen = self.story.log[self._seen :], len(self.story.log)
        for effect in new:
            match effect:
                case SendUpstream(data=data):
                    self.take(json.loads(data))
                case CallTool(call=call):
                    self.heard.begin(call.call_id)
                    self.later(tool_seconds(self.dice), partial(self.end, call.call_id, "42"))
                case CancelTool(tool_call_id=call_id):
                    self.later(0, partial(self.end, call_id, "cancelled"))
                case _:
                    pass

    def end(self, call_id: str, output: str) -> None:
        self.heard.end(call_id, self.story.now)
        self.story.tell(ToolReturned(call_id, output))

    def take(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "conversation.item.create", "item": item}:
                for kind in ("conversation.item.added", "conversation.item.done"):
                    self.hear(frame(kind, previous_item_id=None, item=item))
            case {"type": "response.cancel", "response_id": str(id)}:
                if self.active[True] == id:
                    self.later(0.02, partial(self.cancelled, id, own=True))
            case {"type": "response.create", "response": {"conversation": "none"}}:
                assert self.active == {True: None, False: None}, "two voices at once"
                self.heard.filler_asked(self.story.now)
                self.respond(own=True)
            case {"type": "response.create"} if self.active[False]:
                error = {"type": "invalid_request_error", "message": "", "param": None,
                         "code": ACTIVE_RESPONSE, "event_id": event["event_id"]}  # fmt: skip
                self.later(0.01, lambda: self.hear(frame("error", error=error)))
            case {"type": "response.create"}:
                self.respond(own=False)

    # What the upstream makes

    def respond(self, *, own: bool) -> None:
        id = self.active[own] = f"resp_{self.time.new_id()}"
        self.later(self.dice.uniform(0, 0.05), partial(self.begin, id, own=own))

    def begin(self, id: str, *, own: bool) -> None:
        if self.active[own] != id:
            return
        self.hear(begun(id, SPEECH if own else {}))
        calls = not own and self.heard.stopped_at is not None and self.dice.random() < 0.6
        then = self.call if calls else self.speak
        self.later(self.dice.uniform(0, 0.1), partial(then, id, own=own))

    def call(self, id: str, *, own: bool) -> None:
        if self.active[own] == id:
            self.active[own] = None
            number = int(id.rpartition("c")[2])
            self.hear(*response(call_item(number, self.dice.choice([*RULES])), id=id)[1:])

    def speak(self, id: str, *, own: bool) -> None:
        if self.active[own] == id:
            ms = self.dice.randint(300, 1500)
            self.heard.voice(self.story.now, ms / 1000)
            self.active[own] = None
            self.hear(voice(ms, id), ended(id))

    def cancelled(self, id: str, *, own: bool) -> None:
        if self.active[own] == id:
            self.active[own] = None
            self.hear(ended(id, "cancelled"))


@pytest.mark.parametrize("seed", range(10))
def test_each_silence_after_a_turn_and_while_a_tool_runs_is_bounded(seed: int) -> None:
    world = World(seed)
    for _ in range(50):
        world.ask()
        world.run(world.dice.choice([0.5, 3, 14, 40]))
    world.heard.check()
