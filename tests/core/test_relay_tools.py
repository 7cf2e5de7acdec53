"""The server's own tools in a relayed call, told in the words of both sides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vivavoce.core.effects import CallTool, ForwardToClients, Send
from vivavoce.core.inputs import FromClient, ToolProgress, ToolReturned
from vivavoce.core.relay import OWN_EVENT as OWN_EVENTS
from vivavoce.core.relay import Verdict
from vivavoce.protocol import server
from vivavoce.protocol.items import FunctionCall

from ..support.upstream import APPEND, CREATED, SOUND, UPDATED, frame
from .relay_scenario import BEGUN, CREATE, DOWN, ENDED, RESPONSE, UP, RelayScenario

LOOKUP = frozenset({"lookup"})
OWN_EVENT = f"{OWN_EVENTS}own_1_"  # `own_1`: the first id that the relay makes
REQUEST = {"type": "response.create", "event_id": OWN_EVENT + "tools"}


def scenario(*, tools: frozenset[str] = LOOKUP, **settings: object) -> RelayScenario:
    return RelayScenario(**{"server_tools": tools}, **settings)  # type: ignore[arg-type]


def call_item(number: int, name: str = "lookup") -> dict[str, Any]:
    return {"id": f"fc_{number}", "type": "function_call", "status": "completed", "name": name,
            "call_id": f"call_{number}", "arguments": "{}"}  # fmt: skip


def response(*items: dict[str, Any], status: str = "completed", id: str = "r") -> list[bytes]:
    """Return the frames of a response with these tool calls."""
    about = RESPONSE | {"id": id, "conversation_id": "conv_9"}
    frames = [frame("response.created", response=about)]
    for index, item in enumerate(items):
        begun = item | {"status": "in_progress", "arguments": ""}
        frames += [
            frame("response.output_item.added", response_id=id, output_index=index, item=begun),
            frame("conversation.item.added", previous_item_id=None, item=begun),
            frame("conversation.item.done", previous_item_id=None, item=item),
        ]
    done = about | {"status": status, "output": list(items)}
    return [*frames, frame("response.done", response=done)]


def calls(story: RelayScenario) -> list[str]:
    return [effect.call.call_id for effect in story.log if isinstance(effect, CallTool)]


def sent(story: RelayScenario) -> list[dict[str, Any]]:
    """Return the events that the upstream received."""
    return [json.loads(data) for data in story.up]


def outputs(story: RelayScenario) -> list[tuple[str, str]]:
    items = [event["item"] for event in sent(story) if "item" in event]
    return [(item["call_id"], item["output"]) for item in items]


def requests(story: RelayScenario) -> int:
    return sum(event["type"] == "response.create" for event in sent(story))


def confirm(story: RelayScenario) -> None:
    """Let the upstream add all outputs that it received."""
    for event in sent(story):
        if event["type"] == "conversation.item.create":
            for kind in ("conversation.item.added", "conversation.item.done"):
                story.hear(frame(kind, previous_item_id=None, item=event["item"]))


def answer(number: int, text: str = "{}") -> bytes:
    """Return the client's output for a call."""
    item = {"type": "function_call_output", "call_id": f"call_{number}", "output": text}
    return frame("conversation.item.create", item=item)


# One call


def test_the_relay_answers_a_call_of_a_server_tool_by_itself() -> None:
    story = scenario()
    frames = response(call_item(1))
    story.hear(*frames)
    assert [e.call for e in story.log if isinstance(e, CallTool)] == [
        FunctionCall(id="fc_1", name="lookup", call_id="call_1", arguments="{}")
    ]
    assert story.down == frames, "the client sees the call"
    assert sent(story) == []
    story.tell(ToolProgress("call_1", "Half of it is done."))
    assert sent(story) == []
    story.tell(ToolReturned("call_1", "42"))
    create, request = sent(story)
    assert create["item"]["output"] == "42"
    assert create["item"]["call_id"] == "call_1"
    assert create["event_id"] == OWN_EVENT + create["item"]["id"]
    assert request == REQUEST


def test_the_client_sees_the_output_when_the_upstream_has_added_it() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"))
    before = len(story.down)
    confirm(story)
    assert [json.loads(data)["item"]["output"] for data in story.down[before:]] == ["42", "42"]
    assert {type(item).__name__ for item in story.relay.conversation} == {
        "FunctionCall",
        "FunctionOutput",
    }


def test_a_late_or_unknown_output_is_ignored() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"), ToolReturned("call_1", "43"), ToolReturned("x", "44"))
    assert outputs(story) == [("call_1", "42")]
    assert requests(story) == 1


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete"])
def test_the_calls_of_a_response_that_was_not_completed_are_not_made(status: str) -> None:
    story = scenario()
    story.hear(*response(call_item(1), status=status))
    assert calls(story) == []


def test_a_call_outside_of_the_conversation_is_left_to_the_client() -> None:
    story = scenario()
    about = RESPONSE | {"status": "completed", "output": [call_item(1)]}
    story.hear(BEGUN, frame("response.done", response=about))
    assert calls(story) == []


def test_an_out_of_band_response_does_not_end_the_calls_of_a_running_one() -> None:
    story = scenario()
    *begin, end = response(call_item(1))
    story.hear(*begin, BEGUN, ENDED, end)
    assert calls(story) == ["call_1"]


def test_a_call_without_server_tools_is_the_clients_own() -> None:
    story = scenario(tools=frozenset())
    story.hear(*response(call_item(1)))
    assert calls(story) == []
    assert story.relay.glance(UP, answer(1)) is Verdict.FORWARD


# Several calls


def test_outputs_go_upstream_in_the_order_of_the_calls_with_one_request() -> None:
    story = scenario()
    story.hear(*response(call_item(1), call_item(2), call_item(3)))
    assert calls(story) == ["call_1", "call_2", "call_3"]
    story.tell(ToolReturned("call_3", "three"))
    assert sent(story) == []
    story.tell(ToolReturned("call_1", "one"))
    assert outputs(story) == [("call_1", "one")]
    assert requests(story) == 0
    story.tell(ToolReturned("call_2", "two"))
    assert outputs(story) == [("call_1", "one"), ("call_2", "two"), ("call_3", "three")]
    assert requests(story) == 1
    assert sent(story)[-1] == REQUEST


def test_a_call_id_that_comes_twice_in_a_response_is_one_call() -> None:
    story = scenario()
    story.hear(*response(call_item(1), call_item(1)))
    assert calls(story) == ["call_1"]


def test_the_answer_may_call_the_next_tool() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"))
    confirm(story)
    story.hear(*response(call_item(2), id="r2"))
    story.tell(ToolReturned("call_2", "43"))
    assert outputs(story) == [("call_1", "42"), ("call_2", "43")]
    assert requests(story) == 2


# Beside calls of the client


def test_a_request_of_the_client_starts_the_answer_to_both_sides_tools() -> None:
    story = scenario()
    story.hear(*response(call_item(1), call_item(2, "show_map")))
    assert calls(story) == ["call_1"]
    story.tell(ToolReturned("call_1", "42"))
    assert requests(story) == 0, "the client's call is open"
    story.say(answer(2))
    assert requests(story) == 0
    story.say(CREATE)
    assert requests(story) == 1
    assert [call_id for call_id, _ in outputs(story)] == ["call_1", "call_2"]


def test_a_request_of_the_client_waits_for_the_outputs_of_the_server() -> None:
    story = scenario()
    story.hear(*response(call_item(1), call_item(2, "show_map")))
    story.say(answer(2), CREATE, APPEND)
    assert requests(story) == 0
    story.say(CREATE)
    assert story.errors == ["conversation_already_has_active_response"]
    story.tell(ToolReturned("call_1", "42"))
    assert [call_id for call_id, _ in outputs(story)] == ["call_2", "call_1"]
    assert requests(story) == 1
    assert sent(story)[-1] == {"type": "response.create"}


def test_a_new_turn_does_not_wait_for_a_client_that_has_not_answered_its_calls() -> None:
    story = scenario()
    story.hear(*response(call_item(1), call_item(2, "show_map")))
    story.say(CREATE)
    assert requests(story) == 1


def test_an_out_of_band_request_does_not_wait() -> None:
    story = scenario()
    story.hear(*response(call_item(1), call_item(2, "show_map")))
    story.say(answer(2), frame("response.create", response={"conversation": "none"}))
    assert requests(story) == 1


def test_calls_of_the_client_alone_are_untouched() -> None:
    story = scenario()
    story.hear(*response(call_item(1, "show_map")))
    story.say(answer(1), CREATE)
    assert calls(story) == []
    assert [event["type"] for event in sent(story)] == [
        "conversation.item.create",
        "response.create",
    ]


# Beside other responses and the user's speech


def test_outputs_that_come_during_a_response_are_answered_after_it() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    (begun, ended) = response(id="r2")
    story.hear(begun)
    story.tell(ToolReturned("call_1", "42"))
    assert outputs(story) == [("call_1", "42")]
    assert requests(story) == 0
    confirm(story)
    story.hear(ended)
    assert requests(story) == 1


def test_outputs_that_come_while_the_user_speaks_are_answered_with_the_turn() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.hear(frame("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u"))
    story.tell(ToolReturned("call_1", "42"))
    assert outputs(story) == [("call_1", "42")]
    confirm(story)
    story.hear(frame("input_audio_buffer.speech_stopped", audio_end_ms=9, item_id="u"))
    story.hear(*response(id="r2"))
    assert requests(story) == 0


def test_outputs_are_answered_when_the_user_said_nothing_after_all() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.hear(frame("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u"))
    story.tell(ToolReturned("call_1", "42"))
    assert requests(story) == 0
    story.hear(frame("input_audio_buffer.cleared"))
    assert requests(story) == 1


def busy(event_id: str) -> bytes:
    error = {"type": "invalid_request_error", "code": "conversation_already_has_active_response",
             "message": "Conversation already has an active response in progress.",
             "event_id": event_id}  # fmt: skip
    return frame("error", error=error)


def test_a_request_that_crosses_another_response_is_made_again_after_it() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"))
    begun, ended = response(id="r2")  # it began before the upstream had the output
    story.hear(begun)
    confirm(story)
    story.hear(busy(OWN_EVENT + "tools"))
    assert requests(story) == 1
    story.hear(ended)
    assert requests(story) == 2
    assert story.errors == []


def test_a_request_that_crosses_a_response_with_the_outputs_is_not_made_again() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"))
    confirm(story)
    begun, ended = response(id="r2")
    story.hear(begun, busy(OWN_EVENT + "tools"), ended)
    assert requests(story) == 1


def test_an_upstream_that_is_always_busy_receives_three_requests() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"))
    for number in range(50):
        begun, ended = response(id=f"r{number}")
        story.hear(begun, busy(OWN_EVENT + "tools"), ended)
    assert requests(story) == 3


def test_an_upstream_that_does_not_confirm_items_is_asked_once() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"))
    for number in range(5):
        story.hear(*response(id=f"r{number}"))
    assert requests(story) == 1


def test_the_client_learns_why_the_upstream_makes_no_answer() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"))
    error = {"type": "server_error", "code": "rate_limit_exceeded", "message": "Slow down.",
             "event_id": OWN_EVENT + "tools"}  # fmt: skip
    story.hear(frame("error", error=error))
    forwarded = [e.event for e in story.log if isinstance(e, ForwardToClients)]
    (told,) = [event for event in forwarded if isinstance(event, server.Error)]
    assert told.error.code == "rate_limit_exceeded"
    assert requests(story) == 1


# Forged items of clients


def forged_call(name: str = "lookup") -> dict[str, Any]:
    return {"type": "function_call", "name": name, "call_id": "call_9", "arguments": "{}"}


@pytest.mark.parametrize("sideband", [False, True])
def test_a_client_can_neither_answer_nor_make_a_call_of_a_server_tool(sideband: bool) -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    output = {"type": "function_call_output", "call_id": "call_1", "output": "forged"}
    for item, param in ((output, "item.call_id"), (forged_call(), "item.name")):
        story.log.clear()
        story.tell(FromClient(frame("conversation.item.create", item=item), sideband))
        (refused,) = [e.event for e in story.log if isinstance(e, Send)]
        assert isinstance(refused, server.Error)
        assert (refused.error.code, refused.error.param) == ("invalid_value", param)
        assert refused.error.event_id == "event_conversation.item.create"
        assert story.up == []


@pytest.mark.parametrize("sideband", [False, True])
def test_no_forged_item_reaches_a_response_as_its_input(sideband: bool) -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    output = {"type": "function_call_output", "call_id": "call_1", "output": "forged"}
    for item, name in ((output, "call_id"), (forged_call(), "name")):
        story.log.clear()
        asks = frame("response.create", response={"input": [{"type": "message"}, item]})
        story.tell(FromClient(asks, sideband))
        (refused,) = [e.event for e in story.log if isinstance(e, Send)]
        assert isinstance(refused, server.Error)
        assert refused.error.param == f"response.input[1].{name}"
        assert refused.error.event_id == "event_response.create"
        assert story.up == []
    story.tell(
        FromClient(
            frame("response.create", response={"conversation": "none", "input": [output]}), sideband
        )
    )
    assert len(story.up) == 1  # its answer is no part of the conversation


def test_a_sideband_cannot_hide_a_forged_output_behind_a_second_key() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    item = {"type": "function_call_output", "call_id": "call_1", "output": "forged"}
    hidden = b'{"type":"conversation.item.create","item":%s,"item":{"type":"message"}}'
    story.tell(FromClient(hidden % json.dumps(item).encode(), True))
    (passed,) = story.up
    assert b"forged" not in passed


@pytest.mark.parametrize(
    "forged",
    [
        b'{"type":"news","type":"conversation.item.create","item":%s}',
        b'{"item":%s,"type":"conversation.item.create"}',
        b'{"type":"conversation.item.create","item":{},"item":%s}',
        b'{"type":"input_audio_buffer.append","audio":"","type":"conversation.item.create","item":%s}',
        b'{"ty\\u0070e":"conversation.item.create","item":%s}',
    ],
)
def test_a_forged_output_cannot_be_hidden(forged: bytes) -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    item = {"type": "function_call_output", "call_id": "call_1", "output": "forged"}
    story.say(forged % json.dumps(item).encode())
    assert story.errors == ["invalid_value"]
    assert story.up == []


def test_an_output_is_refused_as_soon_as_the_client_knows_the_call() -> None:
    story = scenario()
    begun, added, *_ = response(call_item(1))
    story.hear(begun, added)
    story.say(answer(1))
    assert story.errors == ["invalid_value"]


def test_an_output_for_a_call_of_an_earlier_call_of_the_conversation_is_refused() -> None:
    call = FunctionCall(id="i", name="lookup", call_id="call_1", arguments="{}")
    story = scenario(history=(call,))
    story.say(answer(1))
    assert story.errors == ["invalid_value"]


@pytest.mark.parametrize(
    "data",
    [b"[]", b'"x"', b'{"type":["x"]}', b'{"type":"conversation.item.create","item":[1]}',
     b'{"type":"conversation.item.create","item":{"type":"function_call","name":{}}}',
     b'{"type":"conversation.item.create","item":{"type":{},"call_id":[]}}'],
)  # fmt: skip
def test_an_odd_frame_is_for_the_upstream_to_refuse(data: bytes) -> None:
    story = scenario()
    story.say(data)
    assert [json.loads(each) for each in story.up] == [json.loads(data)]


def test_locks_apply_beside_server_tools() -> None:
    story = scenario(locked=("tools",))
    story.say(frame("session.update", session={"tools": [], "truncation": "auto"}))
    assert sent(story)[0]["session"] == {"truncation": "auto"}


def test_audio_passes_untouched_in_both_directions() -> None:
    story = scenario()
    assert story.relay.glance(UP, APPEND) is Verdict.FORWARD
    assert story.relay.glance(DOWN, SOUND) is Verdict.FORWARD


# Time, and another upstream


def test_a_call_with_a_running_tool_is_not_inactive() -> None:
    story = scenario(inactivity_s=60.0)
    story.hear(*response(call_item(1)))
    assert story.relay.next_deadline() == 3600.0
    story.tell(ToolReturned("call_1", "42"))
    confirm(story)
    story.hear(*response(id="r2"))
    assert story.relay.next_deadline() == 60.0


def test_another_upstream_receives_what_a_tool_returned_meanwhile() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.relay.replace_upstream(0.0)
    story.tell(ToolReturned("call_1", "42"))
    story.log.clear()
    story.hear(CREATED, UPDATED)
    assert [event["type"] for event in sent(story)] == [
        "conversation.item.create",  # the call, which the conversation has
        "conversation.item.create",  # its output
        "response.create",
    ]
    assert sent(story)[1]["item"]["output"] == "42"


def test_another_upstream_receives_an_output_that_the_first_did_not_confirm() -> None:
    story = scenario()
    story.hear(*response(call_item(1)))
    story.tell(ToolReturned("call_1", "42"))
    story.relay.replace_upstream(0.0)
    story.log.clear()
    story.hear(CREATED, UPDATED)
    assert sent(story)[2]["item"]["output"] == "42"
    assert requests(story) == 1
