"""A model that calls a tool of the server after each output is stopped, in both machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from vivavoce.core.effects import CallTool, ListenEnd, ReportToolRounds, Respond
from vivavoce.core.inputs import Finished, ToolRequested, ToolReturned, Transcribed
from vivavoce.core.tool_calls import ROUNDS
from vivavoce.protocol import client, server
from vivavoce.protocol.config import ServerVad
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Message, Part

from ..support.scenario import Scenario, config
from ..support.upstream import frame
from .relay_scenario import BEGUN, CREATE, ENDED, RelayScenario
from .test_relay_tools import LOOKUP, call_item, confirm, requests, response, sent

MANY = 40
HELLO = Message(role="user", content=(Part(type="input_text", text="hello"),))
COMMITTED = {"item_id": "item_u", "previous_item_id": None}


# An engine's call


def session(**settings: object) -> Scenario:
    return Scenario(server_tools=LOOKUP, **settings)  # type: ignore[arg-type]


def responses(s: Scenario) -> list[Respond]:
    return [effect for effect in s.log if isinstance(effect, Respond)]


def loop(s: Scenario, rounds: int = MANY) -> None:
    """Let each response call the tool, until no further response is made."""
    for _ in range(rounds):
        made = len(responses(s))
        number = f"c{len([e for e in s.log if isinstance(e, CallTool)]) + 1}"
        call = FunctionCall(call_id=number, name="lookup", arguments="{}")
        s.tell(ToolRequested(s.request.response_id, call), Finished(s.request.response_id))
        s.tell(ToolReturned(number, "42"))
        if len(responses(s)) == made:
            return


def errors(s: Scenario) -> list[server.ErrorBody]:
    return [event.error for event in s.sent if isinstance(event, server.Error)]


def test_a_model_that_calls_a_tool_after_each_output_is_stopped() -> None:
    s = session()
    s.tell(client.ResponseCreate())
    loop(s)
    choices = [asked.config.tool_choice for asked in responses(s)]
    assert choices == ["auto"] * ROUNDS + ["none"]
    (error,) = errors(s)
    assert (error.type, error.code) == ("server_error", "tool_rounds_exceeded")
    assert s.log[-1] == ReportToolRounds()
    kinds = [type(item) for item in s.session.conversation]
    assert kinds.count(FunctionCall) == kinds.count(FunctionOutput) == ROUNDS + 1
    assert not s.session.closed
    s.check()


def test_a_model_that_answers_in_the_end_is_not_reported() -> None:
    s = session()
    s.tell(client.ResponseCreate())
    loop(s, ROUNDS)
    s.tell(Finished(s.request.response_id))
    assert len(responses(s)) == ROUNDS + 1
    assert errors(s) == []


@pytest.mark.parametrize("rounds", [ROUNDS - 1, ROUNDS, MANY])
@pytest.mark.parametrize("how", ["speech", "a commit", "an item", "a request"])
def test_the_user_begins_the_count_again(how: str, rounds: int) -> None:
    s = session(settings=config(ServerVad() if how == "speech" else None))
    s.tell(client.ResponseCreate())
    loop(s, rounds)
    if rounds < MANY:
        s.tell(Finished(s.request.response_id))
    before = len(responses(s))
    match how:
        case "speech":
            s.hear(speech_ms=500, silence_ms=1000)
        case "a commit":
            s.hear(speech_ms=500)
            s.tell(client.AudioCommit(), client.ResponseCreate())
        case "an item":
            s.tell(client.ItemCreate(item=HELLO), client.ResponseCreate())
        case "a request":
            s.tell(client.ResponseCreate())
    if heard := [effect.item_id for effect in s.log if isinstance(effect, ListenEnd)]:
        s.tell(Transcribed(heard[-1], "hello"))
    loop(s)
    made = responses(s)[before:]
    assert [asked.config.tool_choice for asked in made] == ["auto"] * ROUNDS + ["none"]
    assert len(errors(s)) == (2 if rounds == MANY else 1)


@pytest.mark.parametrize("how", ["an output", "an out-of-band request"])
def test_a_program_of_the_client_does_not_begin_the_count_again(how: str) -> None:
    s = session()
    s.tell(client.ResponseCreate())
    loop(s, ROUNDS - 1)
    if how == "an output":
        s.tell(client.ItemCreate(item=FunctionOutput(call_id="c_of_the_client", output="{}")))
    else:
        last = s.request
        s.tell(client.ResponseCreate(response=client.ResponseOptions(conversation="none")))
        s.tell(Finished(s.request.response_id))
        s.log.append(last)
    loop(s)
    assert s.request.config.tool_choice == "none"
    assert len(errors(s)) == 1


# A relayed call


def relay_loop(story: RelayScenario, rounds: int = MANY) -> None:
    """Let each response of the upstream call the tool, until the relay asks for no further one."""
    for _ in range(rounds):
        asked = requests(story)
        number = len([e for e in story.log if isinstance(e, CallTool)]) + 1
        story.hear(*response(call_item(number), id=f"r{number}"))
        story.tell(ToolReturned(f"call_{number}", "42"))
        confirm(story)
        if requests(story) == asked:
            return


def choices(story: RelayScenario) -> list[str | None]:
    asked = [event for event in sent(story) if event["type"] == "response.create"]
    return [(event.get("response") or {}).get("tool_choice") for event in asked]


def choices_after(act: Callable[[RelayScenario], None]) -> list[str | None]:
    """Let an upstream call tools until it is stopped, then act, then let it call them again.

    Return the choices of tools in the requests that follow the act.
    """
    story = RelayScenario(server_tools=LOOKUP)
    relay_loop(story)
    act(story)
    before = len(choices(story))
    relay_loop(story)
    assert len(story.errors) == 2
    return choices(story)[before:]


def test_an_upstream_that_calls_a_tool_after_each_output_is_stopped() -> None:
    story = RelayScenario(server_tools=LOOKUP)
    relay_loop(story)
    assert choices(story) == [None] * (ROUNDS - 1) + ["none"]
    assert story.errors == ["tool_rounds_exceeded"]
    assert story.log.count(ReportToolRounds()) == 1
    outputs = [item for item in story.relay.conversation if isinstance(item, FunctionOutput)]
    assert len(outputs) == ROUNDS + 1
    story.hear(BEGUN, ENDED)
    assert (requests(story), len(story.errors)) == (ROUNDS, 1)
    assert not story.relay.closed


def user_speaks(story: RelayScenario) -> None:
    story.hear(frame("input_audio_buffer.committed", **COMMITTED))


def user_writes(story: RelayScenario) -> None:
    item: dict[str, Any] = {"type": "message", "role": "user", "content": []}
    story.say(frame("conversation.item.create", item=item))


def user_asks(story: RelayScenario) -> None:
    story.say(CREATE)


@pytest.mark.parametrize("act", [user_speaks, user_writes, user_asks])
def test_the_user_of_a_relayed_call_begins_the_count_again(
    act: Callable[[RelayScenario], None],
) -> None:
    assert choices_after(act) == [None] * (ROUNDS - 1) + ["none"]


def silence_is_committed(story: RelayScenario) -> None:
    story.hear(
        frame("input_audio_buffer.timeout_triggered", audio_start_ms=0, audio_end_ms=9,
              item_id="item_u"),
        frame("input_audio_buffer.committed", **COMMITTED),
    )  # fmt: skip


def client_answers(story: RelayScenario) -> None:
    item = {"type": "function_call_output", "call_id": "theirs", "output": "{}"}
    story.say(frame("conversation.item.create", item=item))


def client_asks_beside(story: RelayScenario) -> None:
    story.say(
        json.dumps({"type": "response.create", "response": {"conversation": "none"}}).encode()
    )


@pytest.mark.parametrize("act", [silence_is_committed, client_answers, client_asks_beside])
def test_no_program_begins_the_count_of_a_relayed_call_again(
    act: Callable[[RelayScenario], None],
) -> None:
    assert choices_after(act) == []
