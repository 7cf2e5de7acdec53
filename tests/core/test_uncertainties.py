"""Decide what the protocol leaves open (docs/decisions/protocol-uncertainties.md).

Decisions with a story in another file are not repeated here.
"""

from __future__ import annotations

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.core.inputs import AudioReceived, Finished, OutputChunk, Transcribed
from vivavoce.protocol import client, server
from vivavoce.protocol.config import Pcm, Pcmu, ServerVad
from vivavoce.protocol.items import FunctionOutput, Message, Part

from ..support.scenario import Scenario, config, update


def written(id: str) -> Message:
    return Message(id=id, role="user", content=(Part(type="input_text", text=id),))


@pytest.fixture
def s() -> Scenario:
    return Scenario()


def order(s: Scenario) -> list[str]:
    return [item.id for item in s.session.conversation]


# Items


def test_an_empty_previous_item_counts_as_missing(s: Scenario) -> None:
    s.tell(client.ItemCreate(item=written("a")))
    s.tell(client.ItemCreate(item=written("b"), previous_item_id=""))
    assert order(s) == ["a", "b"]


def test_before_an_item_at_the_root_there_is_nothing(s: Scenario) -> None:
    s.tell(client.ItemCreate(item=written("a")))
    s.forget()
    s.tell(client.ItemCreate(item=written("b"), previous_item_id="root"))
    told = [e for e in s.sent if isinstance(e, server.ItemAdded | server.ItemDone)]
    assert [event.previous_item_id for event in told] == [None, None]
    assert order(s) == ["b", "a"]


def test_P7_an_item_may_not_have_the_name_of_a_place(s: Scenario) -> None:
    s.session.receive(client.ItemCreate(item=written("root"), event_id="e"), 0.0, 1)
    s._collect(blameless=False)
    (refused,) = [e.error for e in s.sent if isinstance(e, server.Error)]
    assert (refused.code, refused.param, refused.event_id) == ("invalid_value", "item.id", "e")
    assert order(s) == []


def test_P7_an_item_of_an_earlier_call_with_the_name_of_a_place_keeps_its_place() -> None:
    s = Scenario(history=(written("root"),))
    s.tell(client.ItemCreate(item=written("a")))
    s.hear(speech_ms=320, silence_ms=512)
    assert order(s)[:2] == ["root", "a"]
    s.tell(client.ItemCreate(item=written("b"), previous_item_id="root"))
    assert order(s)[:3] == ["b", "root", "a"]


def test_an_output_of_an_unknown_call_is_accepted_with_any_call_id(s: Scenario) -> None:
    s.tell(client.ItemCreate(item=FunctionOutput(id="a", call_id="x" * 100, output="12")))
    assert order(s) == ["a"]


def test_words_that_are_known_later_finish_no_item_again(s: Scenario) -> None:
    s.hear(speech_ms=320, silence_ms=512)
    s.forget()
    s.tell(Transcribed("item_1", "hello"))
    assert "conversation.item.done" not in s.story
    s.tell(client.ItemRetrieve(item_id="item_1"))
    retrieved = s.sent[-1]
    assert isinstance(retrieved, server.ItemRetrieved)
    assert isinstance(retrieved.item, Message)
    assert retrieved.item.content[0].transcript == "hello"


def test_no_conversation_is_announced(s: Scenario) -> None:
    assert [type(event) for event in s.opening] == [server.SessionCreated]


# Responses


def test_uncommitted_audio_is_not_part_of_the_input(s: Scenario) -> None:
    s.tell(update(audio={"input": {"turn_detection": None}}))
    s.tell(AudioReceived(audio.silence(400)))
    s.tell(client.ResponseCreate())
    assert s.request.history == ()
    s.tell(client.AudioCommit())
    assert "input_audio_buffer.committed" in s.story


def test_the_idle_timer_restarts_after_a_prompt() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)))
    s.hear(speech_ms=320, silence_ms=512)
    s.tell(Transcribed("item_1", "hello"))
    for _ in range(2):
        s.tell(OutputChunk(s.request.response_id, "Yes?", audio.silence(20)))
        s.tell(Finished(s.request.response_id))
        s.forget()
        s.wait(6)
        assert "input_audio_buffer.timeout_triggered" in s.story


def test_the_voice_that_speaks_may_be_asked_for_again(s: Scenario) -> None:
    s.tell(client.ResponseCreate())
    s.tell(
        OutputChunk(s.request.response_id, "Hi", audio.silence(20)), Finished(s.request.response_id)
    )
    s.tell(update(audio={"output": {"voice": s.session.config.audio.output.voice}}))
    assert not s.errors


def test_another_format_is_the_next_responses() -> None:
    s = Scenario(config(None))
    s.tell(client.ResponseCreate())
    first = s.request.response_id
    s.tell(update(audio={"output": {"format": {"type": "audio/pcmu"}}}))
    s.tell(OutputChunk(first, "Hi", audio.silence(20)), Finished(first))
    s.tell(client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    formats = [
        response.audio.output.format
        for response in s.responses
        if isinstance(response.audio, server.ResponseAudio)
    ]
    assert formats == [Pcm(), Pcmu()]
