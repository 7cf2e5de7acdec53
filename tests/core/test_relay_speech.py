"""Have a hosted model say words of the server while tools run, with the frames of both sides."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from vivavoce.core.effects import CancelTool, CloseCall
from vivavoce.core.inputs import ToolHangsUp, ToolReturned, ToolSays
from vivavoce.core.relay import OWN_EVENT
from vivavoce.core.types import ToolRules

from ..support.upstream import CREATED, UPDATED, frame
from .relay_scenario import CREATE, RESPONSE, RelayScenario
from .test_relay_tools import call_item, response, sent

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
    story.wait(20)
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
