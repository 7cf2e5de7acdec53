"""A relayed call that goes on with another connection to its upstream."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vivavoce.core.effects import CloseCall, Send
from vivavoce.core.inactivity import LOOK_S
from vivavoce.core.inputs import FromClient, UpstreamLost
from vivavoce.core.relay import Verdict
from vivavoce.core.relay.opening import OPENING_TIMEOUT_S
from vivavoce.core.types import JsonObject
from vivavoce.core.upstream_session import with_session_changes
from vivavoce.protocol import server

from ..support.upstream import APPEND, CREATED, NEWS, SESSION, SOUND, UPDATED, frame
from .relay_scenario import ADDED, BEGUN, CREATE, DONE, ENDED, ITEM, RESPONSE, UP, RelayScenario

USER_ITEM = {"id": "u", "type": "message", "status": "completed", "role": "user",
             "content": [{"type": "input_audio", "transcript": "What time is it?"}]}  # fmt: skip
OF_USER = {"previous_item_id": None, "item": USER_ITEM}
USER_TURN = (
    frame("conversation.item.added", **OF_USER),
    frame("conversation.item.done", **OF_USER),
)
ADDED_BEHIND_USER = frame("conversation.item.added", previous_item_id="u", item=ITEM)
ANSWER = (BEGUN, ADDED_BEHIND_USER, *[SOUND] * 10, DONE, ENDED)


def replace(story: RelayScenario, now: float = 0.0) -> None:
    """Replace the upstream. The log then holds what came of it."""
    story.log.clear()
    story.relay.replace_upstream(now)
    story.log += story.relay.effects()


def events(story: RelayScenario) -> list[Mapping[str, object]]:
    """Return the events that the relay sent to the upstream, decoded."""
    return [json.loads(data) for data in story.up]


def test_a_new_upstream_receives_the_session_and_the_conversation_as_it_was_heard() -> None:
    story = RelayScenario()
    story.hear(*USER_TURN, *ANSWER)
    story.hear(frame("conversation.item.truncated", item_id="i", content_index=0, audio_end_ms=200))
    replace(story)
    assert len(story.up) == 1  # the session; the conversation follows when it is confirmed
    story.hear(CREATED)
    (update,) = events(story)
    assert update["type"] == "session.update"
    assert update["session"]["instructions"] == "Be brief."  # type: ignore[index]
    story.log.clear()
    story.hear(UPDATED)
    retold = [event["item"] for event in events(story)]
    assert [(item["id"], item["content"]) for item in retold] == [  # type: ignore[index]
        ("u", [{"type": "input_text", "text": "What time is it?"}]),
        ("i", [{"type": "output_text", "text": "It is —"}]),
    ]


def test_the_client_receives_nothing_of_the_new_handshake() -> None:
    story = RelayScenario()
    story.hear(*USER_TURN)
    replace(story)
    story.hear(CREATED, UPDATED)
    for kind in ("conversation.item.added", "conversation.item.done"):
        story.hear(frame(kind, **OF_USER))
    assert not story.down
    assert not [effect for effect in story.log if isinstance(effect, Send | CloseCall)]


def test_the_conversation_ledger_and_deadlines_of_the_call_stay() -> None:
    story = RelayScenario(max_session_s=600.0, inactivity_s=300.0)
    story.hear(*ANSWER)
    story.relay.receive(FromClient(NEWS), 100.0)
    spoken = story.relay.ledger["i"]
    replace(story, 100.0)
    assert story.relay.next_deadline() == 100.0 + OPENING_TIMEOUT_S
    story.hear(CREATED, UPDATED)
    assert [item.id for item in story.relay.conversation] == ["i"]
    assert story.relay.ledger["i"] is spoken
    assert story.relay.next_deadline() == 100.0 + LOOK_S
    story.relay.on_deadline(100.0 + LOOK_S)
    assert story.relay.next_deadline() == 400.0 + LOOK_S  # inactivity, since the client's frame
    story.relay.on_deadline(600.0)
    assert story.relay.closed


def test_a_response_that_was_being_made_fails_and_names_the_calls_conversation() -> None:
    story = RelayScenario(conversation_id="conv_ours")
    story.hear(frame("response.created", response=RESPONSE | {"conversation_id": "conv_theirs"}))
    replace(story)
    (sent,) = [effect for effect in story.log if isinstance(effect, Send)]
    assert isinstance(sent.event, server.ResponseDone)
    response = sent.event.response
    assert (response.id, response.status, response.conversation_id) == ("r", "failed", "conv_ours")
    assert sent.event.event_id
    assert not story.relay.closed


def test_frames_of_the_client_are_held_until_the_new_upstream_is_ready() -> None:
    story = RelayScenario()
    replace(story)
    assert story.relay.glance(UP, memoryview(APPEND)) is Verdict.TAKE
    story.say(APPEND, CREATE)
    story.hear(CREATED)
    assert len(story.up) == 1
    story.hear(UPDATED)
    assert story.up[1:] == [APPEND, CREATE]
    assert story.relay.glance(UP, memoryview(APPEND)) is Verdict.FORWARD


def test_frames_that_the_old_upstream_never_received_go_to_the_new_one() -> None:
    opening = RelayScenario(opened=False)
    opening.say(APPEND)
    greeting = RelayScenario(opened=False, greeting="Welcome!")
    greeting.hear(CREATED, UPDATED, BEGUN)
    greeting.say(CREATE)
    for story, held in ((opening, APPEND), (greeting, CREATE)):
        replace(story)
        story.hear(CREATED, UPDATED)
        assert story.up[-1] == held


def test_a_call_whose_first_upstream_never_opened_is_announced_by_the_second() -> None:
    story = RelayScenario(opened=False, greeting="Welcome!")
    story.hear(CREATED)
    replace(story)
    story.hear(CREATED, UPDATED)
    (created,) = story.down
    assert json.loads(created)["type"] == "session.created"
    assert "Welcome!" in story.up[-1].decode()


def test_a_call_is_greeted_once_however_often_its_upstream_is_replaced() -> None:
    for first in ((), (CREATE,)):
        story = RelayScenario(opened=False, greeting="Welcome!")
        story.say(*first)
        story.hear(CREATED, UPDATED)
        replace(story)
        story.hear(CREATED, UPDATED)
        assert not any(b"Welcome!" in data for data in story.up)


def test_changes_that_the_old_upstream_confirmed_are_asked_of_the_new_one() -> None:
    story = RelayScenario()
    changed = SESSION | {"instructions": "Be rude.", "new": 1.50, "expires_at": 9}
    story.hear(frame("session.updated", session=changed))
    replace(story)
    story.hear(CREATED, UPDATED)
    (update,) = events(story)
    session = update["session"]
    assert isinstance(session, dict)
    assert session["instructions"] == "Be rude."
    assert not {"new", "id", "expires_at", "model"} & set(session)
    replace(story)  # and of the one after that
    story.hear(CREATED)
    assert events(story)[0]["session"] == session


def test_a_change_to_an_object_of_another_type_replaces_it_whole() -> None:
    asked: JsonObject = {
        "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.5}}}
    }
    before: JsonObject = {
        "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.5}}}
    }
    semantic = {"type": "semantic_vad", "eagerness": "low"}
    after: JsonObject = {"audio": {"input": {"turn_detection": semantic}}, "id": "sess_1"}
    assert with_session_changes(asked, before, after) == {
        "audio": {"input": {"turn_detection": semantic}}
    }
    louder: JsonObject = {
        "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.9}}}
    }
    assert with_session_changes(asked, before, louder) == louder
    off: JsonObject = {"audio": {"input": {"turn_detection": None}}}
    assert with_session_changes(asked, before, off) == off


def test_a_session_without_changes_is_asked_for_as_before() -> None:
    asked: JsonObject = {"instructions": "Be brief."}
    echo: JsonObject = {"instructions": "Be brief.", "tracing": None, "id": "sess_1"}
    assert with_session_changes(asked, echo, echo | {"id": "sess_2"}) == asked


def test_audio_of_the_old_upstream_does_not_count_for_items_of_the_new_one() -> None:
    story = RelayScenario()
    story.hear(BEGUN, ADDED, *[SOUND] * 5)
    replace(story)
    story.hear(CREATED, UPDATED, BEGUN, frame("conversation.item.added", item=ITEM | {"id": "j"}))
    story.hear(*[frame("response.output_audio.delta", response_id="r", item_id="j",
                       output_index=0, content_index=0, delta="AAAA" * 640)] * 3)  # fmt: skip
    done = {"id": "j", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_audio", "transcript": "Noon."}]}  # fmt: skip
    story.hear(frame("conversation.item.done", previous_item_id=None, item=done))
    assert story.relay.ledger["j"].sent_ms == 3 * 40


def test_a_new_upstream_that_is_lost_while_opening_ends_the_call() -> None:
    story = RelayScenario()
    replace(story)
    story.tell(UpstreamLost(1006, ""))
    assert story.errors == ["upstream_unavailable"]
    assert story.log[-1] == CloseCall(1013, "server_error.upstream_unavailable")
