"""Say words while tools of the server run, on a virtual clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest

from vivavoce.audio.pcm import silence
from vivavoce.core.effects import CallTool, CancelTool, CloseCall, Respond
from vivavoce.core.inputs import (
    Failed,
    Finished,
    OutputChunk,
    PromptRendered,
    ToolHangsUp,
    ToolProgress,
    ToolRequested,
    ToolReturned,
    ToolSays,
)
from vivavoce.core.types import ToolRules
from vivavoce.protocol import client, server
from vivavoce.protocol.items import FunctionCall

from ..support.scenario import Scenario, config, update
from .tool_listening import Listening, VirtualTime, tool_seconds

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


def ended(s: Scenario) -> bool:
    """Return whether the response that was requested last is over."""
    return s.request.response_id in [response.id for response in s.responses]


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
    s.wait(3.5)
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
    s.wait(4)
    assert fillers(s) == [LOOKUP]


# A tool that goes on


def wait_and_hear(s: Scenario, seconds: float) -> list[str]:
    """Let time pass, and let the voice say at once what it is asked for. Return the new words."""
    before = len(fillers(s))
    until = s.now + seconds
    while s.now < until:
        s.wait(0.1)
        if fillers(s)[before:] and s.request.verbatim and not ended(s):
            speak(s, ms=500)
    return fillers(s)[before:]


def test_the_assistant_speaks_again_after_growing_gaps_while_a_tool_goes_on() -> None:
    s = scenario()
    call_tool(s)
    assert wait_and_hear(s, 1.5) == [LOOKUP]
    assert wait_and_hear(s, 3) == []
    assert wait_and_hear(s, 1.5) == ["I'm still working on it."]
    assert wait_and_hear(s, 5) == []
    assert wait_and_hear(s, 1.5) == ["It takes a little longer."]
    assert wait_and_hear(s, 8) == []
    assert wait_and_hear(s, 1.5) == ["Thank you for waiting."]
    said = wait_and_hear(s, 120)
    assert 9 <= len(said) <= 10, "then every 12 seconds"
    s.tell(ToolReturned("call_1", "42"))
    speak(s)
    assert wait_and_hear(s, 30) == []


def test_the_assistant_says_the_newest_progress_instead_and_once() -> None:
    s = scenario("it")
    call_tool(s)
    s.tell(ToolProgress("call_1", "Ho chiamato."))
    assert wait_and_hear(s, 1.5) == ["Guardo subito."]
    s.tell(ToolProgress("call_1", "Due tavoli."), ToolProgress("call_1", "Un tavolo."))
    s.tell(ToolProgress("call_2", "Nessuno."))
    assert wait_and_hear(s, 4) == ["Un tavolo."]
    assert wait_and_hear(s, 7) == ["Ci vuole ancora un po'."]


def test_a_text_of_a_tool_counts_as_its_first_words() -> None:
    s = scenario()
    call_tool(s)
    s.tell(ToolSays("call_1", "Two are free."))
    speak(s)
    assert wait_and_hear(s, 4) == []
    assert wait_and_hear(s, 1) == ["I'm still working on it."]


def test_a_tool_whose_author_wants_no_words_stays_silent() -> None:
    s = scenario()
    call_tool(s, "silent")
    s.tell(ToolProgress("call_1", "Half of it."))
    assert wait_and_hear(s, 60) == []
    s.tell(ToolSays("call_1", "Two are free."))
    speak(s)
    assert wait_and_hear(s, 60) == []


def test_a_language_that_only_the_author_speaks_has_the_filler_again() -> None:
    s = scenario("sw")
    call_tool(s, "search")
    assert wait_and_hear(s, 6) == [LOOKUP, LOOKUP]


def test_a_voice_that_fails_is_not_asked_again_before_the_gap() -> None:
    s = scenario()
    call_tool(s)
    for _ in range(60):
        s.wait(1)
        if s.request.verbatim and not ended(s):
            s.tell(Failed(s.request.response_id, "no voice"))
    assert 4 <= len(fillers(s)) <= 8


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
        self.time = VirtualTime()
        self.heard = Listening()
        self._seen = 0

    def ask(self) -> None:
        self.heard.turn()
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
            self.s.wait(max(min(due or until, self.time.next, until) - self.s.now, 0))
            self.react()
            while do := self.time.due(self.s.now):
                do()
                self.react()
            if self.s.now >= until - 1e-9:
                return

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.time.at(self.s.now + seconds, do)

    def react(self) -> None:
        new, self._seen = self.s.log[self._seen :], len(self.s.log)
        for effect in new:
            match effect:
                case Respond():
                    self.respond(effect)
                case CallTool(call=call):
                    self.heard.begin(call.call_id)
                    self.later(tool_seconds(self.dice), partial(self.end, call.call_id, "42"))
                case CancelTool(tool_call_id=call_id):
                    self.later(0, partial(self.end, call_id, "cancelled"))
                case _:
                    self.listen(getattr(effect, "event", None))

    def end(self, call_id: str, output: str) -> None:
        self.heard.end(call_id, self.s.now)
        self.s.tell(ToolReturned(call_id, output))

    def listen(self, event: object) -> None:
        if isinstance(event, server.SpeechStarted):
            self.heard.user_starts(self.s.now)
        elif isinstance(event, server.SpeechStopped):
            self.heard.user_stops(self.s.now)
        elif isinstance(event, server.AudioDelta):
            self.heard.voice(self.s.now, len(event.delta) / 48_000)

    def respond(self, asked: Respond) -> None:
        assert len([1 for r in self.s.session._replies.all if r.in_conversation]) == 1
        calls_tools = not asked.verbatim and self.dice.random() < 0.6
        if asked.verbatim:
            self.heard.filler_asked(self.s.now)
        if calls_tools and self.heard.stopped_at is not None:
            self.later(self.dice.uniform(0, 0.1), lambda: self.call(asked.response_id))
        else:
            ms = self.dice.randint(300, 1500)
            self.later(self.dice.uniform(0.02, 0.2), lambda: self.speak(asked.response_id, ms))

    def call(self, response_id: str) -> None:
        for _ in range(self.dice.randint(1, 2)):
            name = self.dice.choice(["lookup", "search"])
            call = FunctionCall(call_id=self.time.new_id(), name=name, arguments="{}")
            self.s.tell(ToolRequested(response_id, call))
        self.s.tell(Finished(response_id))

    def speak(self, response_id: str, ms: int) -> None:
        self.s.tell(OutputChunk(response_id, "Words.", silence(ms)), Finished(response_id))


@pytest.mark.parametrize("seed", range(10))
def test_each_silence_after_a_turn_and_while_a_tool_runs_is_bounded(seed: int) -> None:
    world = World(seed)
    for _ in range(50):
        world.ask()
        world.run(world.dice.choice([0.5, 3, 14, 40]))
    world.heard.check()
