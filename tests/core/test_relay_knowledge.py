"""Passages of the knowledge in front of a hosted model, told in the words of both sides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vivavoce.core.effects import SearchKnowledge, UseKnowledge
from vivavoce.core.inputs import FromClient, KnowledgeFound
from vivavoce.core.relay import OWN_EVENT as OWN_EVENTS
from vivavoce.core.relay.knowledge import SEARCH_S, TRANSCRIPT_S
from vivavoce.protocol import server

from ..support.upstream import CREATED, UPDATED, frame
from .relay_scenario import BEGUN, CREATE, ENDED, RelayScenario

OWN_EVENT = f"{OWN_EVENTS}own_1_"
COMMITTED = frame("input_audio_buffer.committed", previous_item_id="item_0", item_id="u1")
STARTED = frame("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u2")
COMMIT = b'{"type": "input_audio_buffer.commit"}'
WORDS = "When is lunch?"


def scenario(**settings: object) -> RelayScenario:
    story = RelayScenario(**{"searches_knowledge": True}, **settings)  # type: ignore[arg-type]
    story.log.clear()
    return story


def transcript(words: str = WORDS, item_id: str = "u1") -> bytes:
    return frame(
        "conversation.item.input_audio_transcription.completed",
        item_id=item_id,
        content_index=0,
        transcript=words,
        usage={"type": "duration", "seconds": 1},
    )


def typed(words: str = WORDS) -> bytes:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
    return frame("conversation.item.create", item=item)


def detecting(detection: dict[str, Any]) -> dict[str, Any]:
    """Return the session of a client that changes the turn detection."""
    return {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}


def searches(story: RelayScenario) -> list[tuple[str, str]]:
    return [(e.search_id, e.query) for e in story.log if isinstance(e, SearchKnowledge)]


def find(story: RelayScenario, passages: str = "At one.") -> None:
    """Bring the passages of the last search."""
    story.tell(KnowledgeFound(searches(story)[-1][0], passages))


def sent(story: RelayScenario) -> list[dict[str, Any]]:
    """Return what the upstream received since the last look."""
    events = [json.loads(data) for data in story.up]
    story.log.clear()
    return events


def kinds(story: RelayScenario) -> list[str]:
    return [event["type"] for event in sent(story)]


def wait(story: RelayScenario, seconds: float) -> None:
    story.relay.on_deadline(seconds)
    story.log += story.relay.effects()


def test_the_upstream_is_asked_to_make_no_response_by_itself() -> None:
    story = RelayScenario(opened=False, searches_knowledge=True)
    story.log += story.relay.effects()
    (update,) = sent(story)
    detection = update["session"]["audio"]["input"]["turn_detection"]
    assert detection["create_response"] is False
    without = RelayScenario(opened=False)
    without.log += without.relay.effects()
    (update,) = sent(without)
    assert update["session"]["audio"]["input"]["turn_detection"]["create_response"] is True


def test_a_spoken_turn_is_searched_and_answered_with_one_system_item() -> None:
    story = scenario()
    story.hear(COMMITTED)
    assert searches(story) == []
    story.hear(transcript())
    assert [query for _, query in searches(story)] == [WORDS]
    assert story.up == []
    find(story)
    item, request = sent(story)
    assert item["item"]["role"] == "system"
    assert item["item"]["content"] == [{"type": "input_text", "text": "At one."}]
    assert item["previous_item_id"] == "item_0"  # before the user's
    assert request["type"] == "response.create"
    assert request["event_id"] == OWN_EVENT + "knowledge"


def test_no_client_sees_the_items_of_passages() -> None:
    story = scenario()
    story.hear(COMMITTED, transcript())
    find(story)
    item = sent(story)[0]["item"]
    for kind in ("conversation.item.added", "conversation.item.done"):
        story.hear(frame(kind, previous_item_id="item_0", item=item))
    story.hear(frame("input_audio_buffer.committed", previous_item_id="r", item_id="u2"),
               transcript(item_id="u2"))  # fmt: skip
    find(story, "At two.")
    told = [json.loads(data) for data in story.down]
    deletion = next(e for e in sent(story) if e["type"] == "conversation.item.delete")
    assert deletion["item_id"] == item["id"]
    story.hear(frame("conversation.item.deleted", item_id=item["id"]))
    assert story.down == []
    assert item["id"] not in json.dumps(told)
    assert [each.id for each in story.relay.conversation] == []


def test_without_passages_the_turn_is_answered_all_the_same() -> None:
    story = scenario()
    story.hear(COMMITTED, transcript())
    find(story, "")
    assert kinds(story) == ["response.create"]


@pytest.mark.parametrize("words", ["", "  "])
def test_a_turn_without_words_is_not_searched(words: str) -> None:
    story = scenario()
    story.hear(COMMITTED, transcript(words))
    assert searches(story) == []
    assert kinds(story) == ["response.create"]


def test_a_transcript_that_fails_or_never_comes_delays_the_answer_by_a_bounded_time() -> None:
    story = scenario()
    failed = frame("conversation.item.input_audio_transcription.failed", item_id="u1",
                   content_index=0, error={"code": None, "message": None})  # fmt: skip
    story.hear(COMMITTED, failed)
    assert kinds(story) == ["response.create"]
    story.hear(COMMITTED)
    assert story.relay.next_deadline() == TRANSCRIPT_S
    wait(story, TRANSCRIPT_S)
    assert kinds(story) == ["response.create"]
    story.hear(COMMITTED, transcript())
    assert story.relay.next_deadline() == SEARCH_S
    late = searches(story)[-1][0]
    wait(story, SEARCH_S)
    assert kinds(story) == ["response.create"]
    story.tell(KnowledgeFound(late, "At one."))
    assert kinds(story) == []


def test_the_user_who_goes_on_speaking_gets_one_answer() -> None:
    story = scenario()
    story.hear(COMMITTED, transcript())
    late = searches(story)[-1][0]
    story.hear(STARTED)
    story.tell(KnowledgeFound(late, "At one."))
    assert kinds(story) == []
    story.hear(frame("input_audio_buffer.committed", previous_item_id="u1", item_id="u2"),
               transcript("And dinner?", "u2"))  # fmt: skip
    find(story)
    assert kinds(story) == ["conversation.item.create", "response.create"]


def test_a_turn_during_a_response_is_answered_after_it() -> None:
    story = scenario()
    story.hear(BEGUN, COMMITTED, transcript())
    find(story)
    assert kinds(story) == []
    story.hear(ENDED)
    assert kinds(story) == ["conversation.item.create", "response.create"]


def test_a_typed_message_is_searched_before_the_clients_own_request() -> None:
    story = scenario()
    story.say(typed(), CREATE)
    assert [query for _, query in searches(story)] == [WORDS]
    assert kinds_of(story) == ["conversation.item.create"]
    find(story)
    events = sent(story)
    assert [event["type"] for event in events] == [
        "conversation.item.create", "conversation.item.create", "response.create",
    ]  # fmt: skip
    assert events[1]["item"]["role"] == "system"
    assert "event_id" not in events[2]


def kinds_of(story: RelayScenario) -> list[str]:
    return [json.loads(data)["type"] for data in story.up]


def test_a_request_after_the_search_waits_for_nothing() -> None:
    story = scenario()
    story.say(typed())
    find(story)
    story.say(CREATE)
    assert kinds(story)[1:] == ["conversation.item.create", "response.create"]
    story.say(CREATE)  # another one about the same turn
    assert kinds(story) == ["response.create"]


def test_push_to_talk_waits_for_the_transcript() -> None:
    story = scenario()
    story.say(b'{"type": "session.update", "session": {"type": "realtime", "audio": '
              b'{"input": {"turn_detection": null}}}}')  # fmt: skip
    assert kinds(story) == ["session.update"]
    story.say(COMMIT, CREATE)
    story.hear(COMMITTED, transcript())
    find(story)
    assert kinds(story) == [
        "input_audio_buffer.commit", "conversation.item.create", "response.create",
    ]  # fmt: skip


def test_a_client_that_asks_for_its_responses_itself_gets_no_other() -> None:
    story = scenario()
    update = detecting({"type": "server_vad", "create_response": False})
    story.say(frame("session.update", session=update))
    story.log.clear()
    story.hear(COMMITTED, transcript())
    find(story)
    assert kinds(story) == []
    story.say(CREATE)
    assert kinds(story) == ["conversation.item.create", "response.create"]


def test_a_client_that_changes_the_turn_detection_keeps_the_search_before_the_answer() -> None:
    for sideband in (False, True):
        story = scenario()
        update = {
            "type": "realtime",
            "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}},
        }
        story.tell(FromClient(frame("session.update", session=update), sideband))
        (changed,) = sent(story)
        detection = changed["session"]["audio"]["input"]["turn_detection"]
        assert detection == {"type": "semantic_vad", "create_response": False}
        story.hear(COMMITTED, transcript())
        find(story, "")
        assert kinds(story) == ["response.create"]


def test_a_second_request_while_one_waits_is_refused() -> None:
    story = scenario()
    story.say(typed(), CREATE, b'{"type": "response.create", "event_id": "mine"}')
    assert story.errors == ["conversation_already_has_active_response"]


def test_a_request_that_waits_can_be_cancelled() -> None:
    story = scenario()
    story.say(typed(), CREATE, b'{"type": "response.cancel"}')
    find(story)
    assert kinds(story) == ["conversation.item.create", "response.cancel"]


@pytest.mark.parametrize("response", [{"conversation": "none"}, {"input": []}])
def test_a_response_with_another_context_does_not_wait(response: dict[str, Any]) -> None:
    story = scenario()
    story.say(typed(), frame("response.create", response=response))
    assert kinds(story) == ["conversation.item.create", "response.create"]


def test_an_idle_timeout_is_not_a_turn() -> None:
    story = scenario()
    story.hear(frame("input_audio_buffer.timeout_triggered", item_id="u1", audio_start_ms=0,
                     audio_end_ms=1), COMMITTED)  # fmt: skip
    assert story.relay.next_deadline() is not None
    wait(story, TRANSCRIPT_S)
    assert kinds(story) == []


def test_the_call_goes_on_with_another_upstream() -> None:
    story = scenario()
    story.hear(COMMITTED, transcript())
    story.relay.replace_upstream(0.5)
    story.log += story.relay.effects()
    search = searches(story)[-1][0]
    story.tell(KnowledgeFound(search, "At one."))
    story.log.clear()
    story.hear(CREATED, UPDATED)
    assert kinds(story)[-2:] == ["conversation.item.create", "response.create"]


def test_a_call_without_knowledge_forwards_as_before() -> None:
    story = RelayScenario()
    story.log.clear()
    story.hear(COMMITTED, transcript())
    assert story.up == []
    assert not any(isinstance(each, server.Error) for each in story.recorded)


def uses(story: RelayScenario) -> list[tuple[str, str | None]]:
    return [(e.search_id, e.item_id) for e in story.log if isinstance(e, UseKnowledge)]


def test_the_search_of_a_turn_is_named_when_the_response_is_requested() -> None:
    story = scenario()
    story.hear(COMMITTED, transcript())
    ((search_id, _),) = searches(story)
    assert uses(story) == []
    find(story)
    assert uses(story) == [(search_id, "u1")]
