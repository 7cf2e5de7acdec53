"""Say words while tools of the server run, on a virtual clock."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count

import pytest

from vivavoce.audio.pcm import silence
from vivavoce.core.effects import CallTool, CancelTool, CloseCall, Respond
from vivavoce.core.inputs import (
    Finished,
    OutputChunk,
    PromptRendered,
    ToolHangsUp,
    ToolRequested,
    ToolReturned,
    ToolSays,
)
from vivavoce.core.types import ToolRules
from vivavoce.protocol import client, server
from vivavoce.protocol.items import FunctionCall

from ..support.scenario import Scenario, config, update

LOOKUP = "Let me look."
RULES = {
    "lookup": ToolRules(say={"en": LOOKUP, "it": "Guardo subito."}),
    "search": ToolRules(say={"*": LOOKUP}, interrupt="cancel"),
    "silent": ToolRules(),
}


def scenario(language: str = "en", **settings: object) -> Scenario:
    return Scenario(
        config(transcribe=False),
        server_tools=frozenset(RULES),
        tool_rules=RULES,
        language=language,
        **settings,
    )


def fillers(s: Scenario) -> list[str]:
    return [effect.verbatim for effect in s.log if isinstance(effect, Respond) and effect.verbatim]


def call_tool(s: Scenario, *names: str) -> None:
    """Let the user ask, and let the brain call tools at once."""
    s.hear(speech_ms=300, silence_ms=600)
    request = s.request.response_id
    for number, name in enumerate(names or ("lookup",), start=1):
        call = FunctionCall(call_id=f"call_{number}", name=name, arguments="{}")
        s.tell(ToolRequested(request, call))
    s.tell(Finished(request))


def speak(s: Scenario, ms: int = 800) -> None:
    """Let the engine make the response that it was asked for last."""
    request = s.request.response_id
    s.tell(OutputChunk(request, "Words.", silence(ms)), Finished(request))


def test_a_filler_is_in_the_language_that_the_call_changed_to() -> None:
    s = scenario()
    s.tell(PromptRendered("Sii breve.", "", "it"))
    call_tool(s)
    s.wait(1)
    assert fillers(s) == ["Guardo subito."]


def test_the_assistant_says_a_filler_after_a_silence() -> None:
    s = scenario()
    call_tool(s)
    s.wait(0.85)
    assert fillers(s) == []
    s.wait(0.1)
    assert fillers(s) == [LOOKUP]
    speak(s)
    s.wait(20)
    assert fillers(s) == [LOOKUP], "once for the tools of a response"
    s.tell(ToolReturned("call_1", "42"))
    assert s.request.verbatim is None
    speak(s)
    s.check(whole=False)


def test_a_result_that_comes_first_cancels_the_filler() -> None:
    s = scenario()
    call_tool(s)
    s.wait(0.8)
    s.tell(ToolReturned("call_1", "42"))
    s.wait(5)
    assert fillers(s) == []


def test_the_filler_is_in_the_language_of_the_call() -> None:
    def said(language: str, name: str = "lookup") -> list[str]:
        s = scenario(language)
        call_tool(s, name)
        s.wait(2)
        return fillers(s)

    assert said("it-CH") == ["Guardo subito."]
    assert said("es") == ["Un momento, por favor."], "the author wrote none in Spanish"
    assert said("sw") == []
    assert said("sw", "search") == [LOOKUP]
    assert said("en", "silent") == []


def test_a_session_of_text_has_no_filler() -> None:
    s = scenario()
    s.tell(update(output_modalities=["text"]))
    call_tool(s)
    s.wait(5)
    assert fillers(s) == []


def test_a_filler_waits_for_the_users_words() -> None:
    s = scenario()
    call_tool(s)
    s.wait(0.5)
    s.hear(speech_ms=2000)
    assert fillers(s) == []


def test_a_filler_waits_for_the_assistants_own_words() -> None:
    s = scenario()
    s.hear(speech_ms=300, silence_ms=600)
    request = s.request.response_id
    call = FunctionCall(call_id="call_1", name="lookup", arguments="{}")
    s.tell(OutputChunk(request, "Sure.", silence(3000)), ToolRequested(request, call))
    s.tell(Finished(request))
    s.wait(3.8)
    assert fillers(s) == []
    s.wait(0.2)
    assert fillers(s) == [LOOKUP]


def test_a_client_that_truncates_hears_silence_from_then_on() -> None:
    s = scenario()
    s.hear(speech_ms=300, silence_ms=600)
    request = s.request.response_id
    call = FunctionCall(call_id="call_1", name="lookup", arguments="{}")
    s.tell(OutputChunk(request, "Sure.", silence(60_000)), ToolRequested(request, call))
    item = next(e.item.id for e in s.sent if isinstance(e, server.OutputItemAdded))
    s.tell(Finished(request), client.ItemTruncate(item_id=item, content_index=0, audio_end_ms=100))
    s.wait(1)
    assert fillers(s) == [LOOKUP]


def test_a_late_call_of_the_brain_does_not_prolong_the_silence() -> None:
    s = scenario()
    s.hear(speech_ms=300, silence_ms=600)
    request = s.request.response_id
    s.wait(0.7)
    call = FunctionCall(call_id="call_1", name="lookup", arguments="{}")
    s.tell(ToolRequested(request, call), Finished(request))
    s.wait(0.3)
    assert fillers(s) == [LOOKUP]


def test_two_tools_have_one_filler_and_one_answer() -> None:
    s = scenario()
    call_tool(s, "silent", "lookup")
    s.wait(0.5)
    s.tell(ToolReturned("call_1", "1"))
    s.wait(0.5)
    assert fillers(s) == [LOOKUP]
    before = sum(isinstance(e, Respond) for e in s.log)
    s.tell(ToolReturned("call_2", "2"))
    assert sum(isinstance(e, Respond) for e in s.log) == before, "the filler is being said"
    speak(s)
    assert sum(isinstance(e, Respond) for e in s.log) == before + 1


def test_a_result_that_comes_while_the_user_speaks_is_answered_afterwards_in_one_response() -> None:
    s = scenario()
    call_tool(s)
    s.hear(speech_ms=300)
    before = sum(isinstance(e, Respond) for e in s.log)
    s.tell(ToolReturned("call_1", "42"))
    assert sum(isinstance(e, Respond) for e in s.log) == before
    s.hear(silence_ms=600)
    assert sum(isinstance(e, Respond) for e in s.log) == before + 1
    speak(s)
    s.wait(5)
    assert sum(isinstance(e, Respond) for e in s.log) == before + 1


def test_an_interruption_cancels_the_tools_that_say_so() -> None:
    s = scenario()
    call_tool(s, "search", "lookup")
    s.hear(speech_ms=300)
    assert [e for e in s.log if isinstance(e, CancelTool)] == [CancelTool("call_1")]


def test_an_interrupted_filler_is_not_repeated() -> None:
    s = scenario()
    call_tool(s)
    s.wait(1)
    s.tell(OutputChunk(s.request.response_id, "Let me", silence(400)))
    s.hear(speech_ms=300)
    assert s.responses[-1].status == "cancelled"
    s.hear(silence_ms=600)
    speak(s)
    s.wait(5)
    assert fillers(s) == [LOOKUP]


# The words of tools


def test_a_tool_has_a_text_said_in_a_silence() -> None:
    s = scenario()
    call_tool(s)
    s.tell(ToolSays("call_1", "Two are free."), ToolSays("call_1", "I book one."))
    assert fillers(s) == ["Two are free."]
    s.tell(ToolReturned("call_1", "booked"))
    speak(s)
    assert fillers(s) == ["Two are free.", "I book one."]
    speak(s)
    assert s.request.verbatim is None, "then the result is answered"
    speak(s)
    s.wait(5)
    assert fillers(s) == ["Two are free.", "I book one."], "and no filler follows"


def test_the_words_of_a_tool_that_has_returned_are_ignored() -> None:
    s = scenario()
    call_tool(s)
    s.tell(ToolReturned("call_1", "booked"), ToolSays("call_1", "Late."), ToolHangsUp("call_1"))
    speak(s)
    s.wait(60)
    assert fillers(s) == []
    assert not s.session.closed


def test_the_words_of_a_tool_are_dropped_when_the_user_speaks() -> None:
    s = scenario()
    call_tool(s)
    s.hear(speech_ms=300)
    s.tell(ToolSays("call_1", "Before the turn ends."))
    s.hear(silence_ms=600)
    assert s.request.verbatim is None
    s.hear(speech_ms=300)
    s.hear(silence_ms=600)
    speak(s)
    assert fillers(s) == []


def test_a_tool_ends_the_call_after_the_last_words() -> None:
    s = scenario()
    call_tool(s)
    s.tell(ToolHangsUp("call_1"), ToolReturned("call_1", "bye"))
    s.wait(0.1)
    assert not s.session.closed
    speak(s, ms=1500)
    s.wait(1.4)
    assert not s.session.closed, "its audio is still being played"
    s.wait(0.2)
    assert s.session.closed
    assert [e.reason for e in s.log if isinstance(e, CloseCall)] == ["hung_up"]


def test_a_call_ends_also_if_its_tool_never_returns() -> None:
    s = scenario()
    call_tool(s)
    s.tell(ToolHangsUp("call_1"))
    s.wait(31)
    assert s.session.closed


# 500 turns


class World:
    """A user, a brain, a voice and tools, which all take their time."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.s = scenario(official=False)
        self.playhead = 0.0  # when the client has played what it received
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._seen = 0
        self.stopped_at: float | None = None  # end of the user's turn, until something is heard
        self.silences: list[float] = []
        self.slowest = 0.0  # of the tools of this turn
        self.filled = 0

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.s.now + seconds, next(self._numbers), do))

    def ask(self) -> None:
        self.slowest, self.filled = 0.0, 0
        self.stopped_at = None
        frames = [(1.0, self.dice.randint(8, 30)), (0.0, 16)]
        for probability, number in frames:
            for _ in range(number):
                before = self.s.session.next_deadline()
                assert before is None or before > self.s.now - 1e-9
                self.run(0.032)
                kind = {"speech_ms": 32} if probability else {"silence_ms": 32}
                self.s.now -= 0.032
                self.s.hear(**kind)
                self.react()

    def run(self, seconds: float) -> None:
        until = self.s.now + seconds
        while True:
            due = self.s.session.next_deadline()
            at = min(due or until, self._events[0][0] if self._events else until, until)
            self.s.wait(max(at - self.s.now, 0))
            self.react()
            while self._events and self._events[0][0] <= self.s.now + 1e-9:
                heapq.heappop(self._events)[2]()
                self.react()
            if self.s.now >= until - 1e-9:
                return

    def react(self) -> None:
        new, self._seen = self.s.log[self._seen :], len(self.s.log)
        for effect in new:
            match effect:
                case Respond():
                    self.respond(effect)
                case CallTool(call=call):
                    seconds = self.dice.choice([self.dice.uniform(0, 1), self.dice.uniform(0, 10)])
                    self.slowest = max(self.slowest, seconds)
                    self.later(seconds, lambda id=call.call_id: self.tell(ToolReturned(id, "42")))  # type: ignore[misc]
                case CancelTool(tool_call_id=call_id):
                    self.later(0, lambda id=call_id: self.tell(ToolReturned(id, "cancelled")))  # type: ignore[misc]
                case _:
                    self.listen(getattr(effect, "event", None))

    def listen(self, event: object) -> None:
        if isinstance(event, server.SpeechStarted):
            self.playhead = min(self.playhead, self.s.now)
        elif isinstance(event, server.SpeechStopped):
            self.stopped_at = self.s.now
        elif isinstance(event, server.AudioDelta):
            begins = max(self.playhead, self.s.now)
            if self.stopped_at is not None:
                self.silences.append(begins - self.stopped_at)
                self.stopped_at = None
            self.playhead = begins + len(event.delta) / 48_000

    def tell(self, *events: object) -> None:
        self.s.tell(*events)  # type: ignore[arg-type]

    def respond(self, asked: Respond) -> None:
        assert len([1 for r in self.s.session._replies.all if r.in_conversation]) == 1
        calls_tools = not asked.verbatim and self.dice.random() < 0.6
        if asked.verbatim:
            self.filled += 1
            assert self.filled <= 2, "at most once for the tools of a response"
            assert not self.s.session._input_audio.speaking
            assert self.playhead <= self.s.now + 0.001, "two voices at once"
            if self.stopped_at is not None:
                assert self.s.now - self.stopped_at >= 0.9 - 1e-6, "no filler before 0.9 s"
        if calls_tools and self.stopped_at is not None:
            self.later(self.dice.uniform(0, 0.1), lambda: self.call(asked.response_id))
        else:
            ms = self.dice.randint(300, 1500)
            self.later(self.dice.uniform(0.02, 0.2), lambda: self.speak(asked.response_id, ms))

    def call(self, response_id: str) -> None:
        for _ in range(self.dice.randint(1, 2)):
            name = self.dice.choice(["lookup", "search"])
            number = f"c{next(self._numbers)}"
            call = FunctionCall(call_id=number, name=name, arguments="{}")
            self.tell(ToolRequested(response_id, call))
        self.tell(Finished(response_id))

    def speak(self, response_id: str, ms: int) -> None:
        self.tell(OutputChunk(response_id, "Words.", silence(ms)), Finished(response_id))


@pytest.mark.parametrize("seed", range(10))
def test_no_silence_after_the_users_turn_is_longer_than_1_2_seconds(seed: int) -> None:
    world = World(seed)
    for _ in range(50):
        world.ask()
        world.run(world.dice.choice([0.5, 3, 14]))
    assert len(world.silences) > 25
    assert max(world.silences) <= 1.2 + 1e-6
