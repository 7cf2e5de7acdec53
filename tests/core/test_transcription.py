"""A transcription session: speech is transcribed, and no answer follows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio import pcm as audio
from vivavoce.core.conversation import Conversation
from vivavoce.core.effects import CloseCall, Listen, ListenDrop, ListenEnd, Respond
from vivavoce.core.inputs import (
    Finished,
    InvalidFrame,
    NotTranscribed,
    OutputChunk,
    PartialTranscript,
    Played,
    ToolReturned,
    Transcribed,
)
from vivavoce.core.ledger import Ledger
from vivavoce.errors import InvalidRequest
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.config import SemanticVad, ServerVad, TranscriptionConfig
from vivavoce.protocol.items import Message, Part

from ..support import scripts
from ..support.scenario import Scenario, dictation, update

_HEARD = "conversation.item.input_audio_transcription"


def change(**session: object) -> client.SessionUpdate:
    return update("transcription", **session)


def detect(vad: dict[str, object] | None) -> client.SessionUpdate:
    return change(audio={"input": {"turn_detection": vad}})


# Turns


def test_words_are_sent_while_the_user_speaks() -> None:
    s = Scenario(dictation())
    s.hear(speech_ms=800)
    s.tell(PartialTranscript("item_1", "good morning"))
    s.hear(speech_ms=400, silence_ms=600)
    s.tell(Transcribed("item_1", "good morning everybody"))
    assert s.story == [
        "input_audio_buffer.speech_started", "<listen>", f"{_HEARD}.delta",
        "input_audio_buffer.speech_stopped", "<listenend>", "input_audio_buffer.committed",
        "conversation.item.added", "conversation.item.done",
        f"{_HEARD}.delta", f"{_HEARD}.completed",
    ]  # fmt: skip
    deltas = [e.delta for e in s.sent if isinstance(e, server.TranscriptionDelta)]
    assert deltas == ["good morning", " everybody"]
    done = s.sent[-1]
    assert isinstance(done, server.TranscriptionCompleted)
    assert done.usage == server.Duration(seconds=1.728)
    (item,) = s.session.conversation
    assert item == Message(
        id="item_1",
        role="user",
        content=(Part(type="input_audio", transcript="good morning everybody"),),
    )
    s.check(whole=True)


def test_one_after_the_other_and_their_words_in_any_order() -> None:
    s = Scenario(dictation())
    s.hear(speech_ms=300, silence_ms=600)
    s.hear(speech_ms=300, silence_ms=600)
    s.tell(Transcribed("item_2", "second"), Transcribed("item_1", "first"))
    committed = [e for e in s.sent if isinstance(e, server.AudioCommitted)]
    assert [(e.item_id, e.previous_item_id) for e in committed] == [
        ("item_1", None),
        ("item_2", "item_1"),
    ]
    s.check(whole=True)


def test_push_to_talk_is_heard_from_its_first_sound_and_taken_by_hand() -> None:
    s = Scenario(dictation(None))
    s.hear(speech_ms=320)
    s.tell(PartialTranscript("item_1", "note"))
    s.tell(client.AudioCommit())
    s.tell(Transcribed("item_1", "note this"))
    assert s.story[:2] == ["<listen>", f"{_HEARD}.delta"]
    assert s.listened_ms == 320
    s.check(whole=True)


def test_semantic_detection_waits_for_a_sentence_that_wants_to_go_on() -> None:
    s = Scenario(dictation(SemanticVad()), language="en")
    s.hear(speech_ms=800)
    s.tell(PartialTranscript("item_1", "we agreed and"))
    s.hear(silence_ms=2_000)
    assert "input_audio_buffer.speech_stopped" not in s.story
    s.hear(speech_ms=320)
    s.tell(PartialTranscript("item_1", "we agreed and signed"))
    s.hear(silence_ms=576)
    assert s.story[-1] == "conversation.item.done"


def test_soft_voices_are_transcribed_too() -> None:
    """Three loud turns would close a gate to a person who sits farther away."""
    s = Scenario(dictation())
    for level in (-20.0, -20.0, -20.0, -45.0):
        s.hear(speech_ms=600, silence_ms=600, level=level)
    assert len([e for e in s.sent if isinstance(e, server.AudioCommitted)]) == 4


def test_a_silence_is_never_answered() -> None:
    s = Scenario(dictation(ServerVad(idle_timeout_ms=5_000)))
    s.hear(speech_ms=300, silence_ms=600)
    s.tell(Transcribed("item_1", "hello"))
    s.forget()
    s.hear(silence_ms=20_000)
    s.wait(60)
    assert s.story == []


def test_a_failed_transcription_is_reported() -> None:
    s = Scenario(dictation())
    s.hear(speech_ms=300, silence_ms=600)
    s.tell(NotTranscribed("item_1", "too noisy"))
    failure = s.sent[-1]
    assert isinstance(failure, server.TranscriptionFailed)
    assert failure.error.message == "too noisy"


def test_a_session_without_transcription_keeps_words_to_itself() -> None:
    """Null disables it, here as everywhere; the store has the words all the same."""
    s = Scenario(dictation())
    s.tell(change(audio={"input": {"transcription": None}}))
    s.hear(speech_ms=300, silence_ms=600)
    s.tell(Transcribed("item_1", "hello"))
    assert s.story[-1] == f"({_HEARD}.completed)"


# No responses


@pytest.mark.parametrize(
    ("command", "code", "param"),
    [
        (client.ResponseCreate(event_id="mine"), "invalid_value", "type"),
        (client.ResponseCancel(event_id="mine"), "response_cancel_not_active", None),
        (client.AudioCommit(event_id="mine"), "input_audio_buffer_commit_empty", None),
        (client.ItemDelete(event_id="mine", item_id="x"), "item_delete_invalid_item_id", "item_id"),
    ],
)
def test_an_invalid_request_is_answered_to_the_client_that_sent_it(
    command: client.Command, code: str, param: str | None
) -> None:
    s = Scenario(dictation())
    s.tell(command)
    (error,) = s.sent
    assert isinstance(error, server.Error)
    assert (error.error.code, error.error.param, error.error.event_id) == (code, param, "mine")


def test_a_transcription_session_requests_no_responses() -> None:
    s = Scenario(dictation())
    s.hear(speech_ms=300, silence_ms=600)
    s.tell(Transcribed("item_1", "what time is it"))
    s.tell(OutputChunk("resp_ghost", "noon"), Finished("resp_ghost"), ToolReturned("c1", "42"))
    s.tell(Played("item_1", 100), client.PlayoutClear())
    assert not [e for e in s.log if isinstance(e, Respond)]
    assert s.story[-1] == f"{_HEARD}.completed"


# The session object


def test_session_events_show_the_whole_session() -> None:
    s = Scenario(dictation(ServerVad()), epoch=1_000)
    (created,) = s.opening
    shown = json.loads(codec.encode(created))["session"]
    assert shown == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_1",
        "expires_at": 4_600,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": "fake", "language": None, "prompt": None},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            }
        },
        "include": None,
    }
    s.tell(detect({"type": "server_vad", "silence_duration_ms": 900}))
    (updated,) = s.sent
    shown["audio"]["input"]["turn_detection"]["silence_duration_ms"] = 900
    assert json.loads(codec.encode(updated))["session"] == shown


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "realtime"}, "invalid_value", "session.type"),
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "transcription", "instructions": "Be brief."}, "unknown_parameter",
         "session.instructions"),
        ({"type": "transcription", "audio": {"output": {"voice": "ash"}}}, "unknown_parameter",
         "session.audio.output"),
    ],
)  # fmt: skip
def test_it_stays_what_it_is(session: dict[str, object], code: str, param: str) -> None:
    s = Scenario(dictation())
    s.tell(client.SessionUpdate(session=session))
    assert s.errors == [(code, param)]
    assert isinstance(s.session.config, TranscriptionConfig)


# Items


def test_a_transcribed_item_can_be_retrieved_and_deleted() -> None:
    s = Scenario(dictation())
    s.hear(speech_ms=300, silence_ms=600)
    s.tell(Transcribed("item_1", "hello"))
    s.tell(client.ItemRetrieve(item_id="item_1"))
    found = s.sent[-1]
    assert isinstance(found, server.ItemRetrieved)
    assert isinstance(found.item, Message)
    assert found.item.content[0].transcript == "hello"
    s.tell(client.ItemDelete(item_id="item_1"))
    assert list(s.session.conversation) == []
    s.check(whole=True)


def test_deleting_an_item_drops_its_transcription() -> None:
    s = Scenario(dictation())
    s.hear(speech_ms=300, silence_ms=600)
    s.tell(client.ItemDelete(item_id="item_1"))
    assert ListenDrop("item_1") in s.log
    s.tell(Transcribed("item_1", "too late"))
    assert s.story[-1] == "conversation.item.deleted"


def test_a_recording_can_be_brought_as_an_item() -> None:
    s = Scenario(dictation())
    part = Part(type="input_audio", audio=audio.silence(500))
    s.tell(client.ItemCreate(item=Message(id="memo", role="user", content=(part,))))
    s.tell(Transcribed("memo", "buy milk"))
    assert s.story == [
        "conversation.item.added", "conversation.item.done", "<listen>", "<listenend>",
        f"{_HEARD}.delta", f"{_HEARD}.completed",
    ]  # fmt: skip
    s.check(whole=True)


def test_an_answer_of_an_earlier_call_can_be_truncated() -> None:
    """A conversation that is continued as a dictation brings its earlier items along."""
    ledger = Ledger()
    ledger.restore("item_a", "It is noon", 1_000, None)
    said = Message(
        id="item_a", role="assistant", content=(Part(type="output_audio", transcript="It is noon"),)
    )
    s = Scenario(dictation(), history=(said,), ledger=ledger)
    s.tell(client.ItemTruncate(item_id="item_a", content_index=0, audio_end_ms=500))
    assert s.story == ["conversation.item.truncated"]
    s.tell(client.ItemTruncate(item_id="item_a", content_index=0, audio_end_ms=900))
    assert s.errors == [("invalid_value", "audio_end_ms")]


# Its end


def test_it_ends_when_its_time_is_over() -> None:
    s = Scenario(dictation(), max_session_s=60)
    s.hear(speech_ms=59_000)
    s.forget()
    s.wait(1.5)
    assert s.story == ["error", "<listendrop>", "<closecall>"]
    assert s.errors == [("session_expired", None)]
    assert s.log[-1] == CloseCall(1001, "Your session hit the maximum duration of 1 minutes.")
    assert s.session.next_deadline() is None


def test_an_inactive_transcription_session_ends() -> None:
    s = Scenario(dictation(ServerVad()), inactivity_s=10)
    s.hear(silence_ms=9_000)
    s.hear(speech_ms=300)
    s.wait(9)
    assert not s.session.closed
    s.wait(2)
    assert s.errors == [("session_idle", None)]
    assert s.log[-1] == CloseCall(
        1000, "Your session ended after 0.166667 minutes without activity."
    )


def test_it_does_not_leave_while_words_are_still_to_come() -> None:
    s = Scenario(dictation(), inactivity_s=10)
    s.hear(speech_ms=300, silence_ms=600)
    s.wait(60)
    assert not s.session.closed
    s.tell(Transcribed("item_1", "at last"))
    s.wait(9)
    assert not s.session.closed
    s.wait(2)
    assert s.session.closed


def test_hanging_up_during_a_turn_stops_its_transcription() -> None:
    s = Scenario(dictation())
    s.hear(speech_ms=300)
    s.hang_up()
    assert s.story[-2:] == ["<listendrop>", "<closecall>"]


# Any events in any order

COMMANDS: dict[str, client.Command] = scripts.COMMANDS | {
    "push to talk": detect(None),
    "detect turns": detect({"type": "server_vad", "idle_timeout_ms": 5_000}),
    "detect meaning": detect({"type": "semantic_vad"}),
    "keep it to yourself": change(audio={"input": {"transcription": None}}),
    "who speaks": change(audio={"input": {"transcription": {"model": "ours-diarize"}}}),
    "how sure": change(include=["item.input_audio_transcription.logprobs"]),
    "be another": update("realtime"),
    "nonsense": change(tracks=1),
}
HAPPENINGS = ["speak", "wait", *scripts.HAPPENINGS, "hang up"]

steps = st.lists(st.sampled_from([*COMMANDS, *HAPPENINGS]), max_size=60)


def play(script: list[str]) -> Scenario:
    s = Scenario(dictation(), official=False, language="en", inactivity_s=120)
    for step in script:
        match step:
            case "speak":
                s.hear(speech_ms=200)
            case "wait":
                s.wait(30)
            case "hang up" if len(script) % 7 == 0:
                s.hang_up()
            case _ if step in COMMANDS:
                s.tell(COMMANDS[step])
            case _:
                scripts.happen(s, step)
    return s


@settings(max_examples=200)
@given(steps)
def test_any_script_is_grammatical_and_makes_no_response(script: list[str]) -> None:
    s = play(script)
    s.check()
    folded = Conversation()
    for event in s.true:
        folded.apply(event)
    assert list(folded) == list(s.session.conversation)
    assert not [e for e in s.log if isinstance(e, Respond)]
    s.hang_up()
    s.check(whole=True)


@settings(max_examples=100)
@given(steps)
def test_a_refused_request_changes_nothing(script: list[str]) -> None:
    s = play(script)
    unreadable = InvalidFrame(InvalidRequest("invalid_event", "Invalid JSON."))
    for name, event in [*COMMANDS.items(), ("unreadable", unreadable)]:
        if s.session.closed:
            return
        before = scripts.state(s)
        s.forget()
        if isinstance(event, InvalidFrame):
            s.session.receive(event, s.now, 1)
            s.log += s.session.effects()
        else:
            s.tell(event)
        if any(isinstance(event, server.Error) for event in s.sent):
            assert len(s.log) == 1, name
            assert scripts.state(s) == before, name


@settings(max_examples=100)
@given(steps)
def test_requested_transcription_is_ended_or_dropped(script: list[str]) -> None:
    s = play(script)
    s.hang_up()
    listening = [e.item_id for e in s.log if isinstance(e, Listen)]
    ended = {e.item_id for e in s.log if isinstance(e, ListenEnd | ListenDrop)}
    assert set(listening) == ended
    assert len(listening) == len(set(listening))


@settings(max_examples=100)
@given(steps)
def test_a_recorded_session_replays_to_the_same_effects(script: list[str]) -> None:
    original = play(script)
    again = play([])
    assert scripts.lived_again(original, again) == original.log
