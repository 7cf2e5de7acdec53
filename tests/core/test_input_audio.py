"""The input audio buffer: turns, pauses, background voices, push-to-talk."""

from __future__ import annotations

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.core.effects import Listen, ListenDrop, ListenEnd
from vivavoce.core.inputs import (
    AudioReceived,
    Failed,
    Finished,
    NotTranscribed,
    OutputChunk,
    PartialTranscript,
    Transcribed,
)
from vivavoce.protocol import client, server
from vivavoce.protocol.config import (
    Audio,
    AudioInput,
    SemanticVad,
    ServerVad,
    SessionConfig,
    Transcription,
)
from vivavoce.protocol.items import Message, Part

from ..support.scenario import Scenario, config, update

SECOND = audio.silence(1000)
TALKER, TELEVISION = -20.0, -45.0


def semantic(eagerness: str = "auto", **kwargs: object) -> Scenario:
    vad = SemanticVad(eagerness=eagerness)  # type: ignore[arg-type]
    return Scenario(config(vad), **kwargs)


def detection(**fields: object) -> client.SessionUpdate:
    return update(audio={"input": {"turn_detection": {"type": "server_vad", **fields}}})


PUSH_TO_TALK = update(audio={"input": {"turn_detection": None}})


# Semantic turns


def test_a_pause_after_and_does_not_end_the_turn() -> None:
    s = semantic(language="en")
    s.hear(speech_ms=800)
    s.tell(PartialTranscript("item_1", "a coffee", "a coffee and"))
    s.hear(silence_ms=3_900)
    assert "input_audio_buffer.speech_stopped" not in s.story
    s.hear(speech_ms=320)
    s.tell(PartialTranscript("item_1", "a coffee and a cake"))
    s.hear(silence_ms=576)
    assert s.story[-1] == "<respond>"
    assert [e.item_id for e in s.sent if isinstance(e, server.AudioCommitted)] == ["item_1"]
    s.check()


@pytest.mark.parametrize(("eagerness", "seconds"), [("low", 8), ("medium", 4), ("high", 2)])
def test_an_unfinished_sentence_is_not_waited_for_forever(eagerness: str, seconds: int) -> None:
    s = semantic(eagerness, language="it")
    s.hear(speech_ms=800)
    s.tell(PartialTranscript("item_1", "vorrei un caffè e"))
    s.hear(silence_ms=seconds * 1000 - 100)
    assert s.story[-1] == "conversation.item.input_audio_transcription.delta"
    s.hear(silence_ms=132)
    assert s.story[-1] == "<respond>"


def test_the_session_says_which_language_is_spoken() -> None:
    s = Scenario(
        SessionConfig(
            audio=Audio(
                input=AudioInput(
                    turn_detection=SemanticVad(), transcription=Transcription(language="es")
                )
            )
        ),
        language="en",
    )
    s.hear(speech_ms=800)
    assert [e.language for e in s.log if isinstance(e, Listen)] == ["es"]
    s.tell(PartialTranscript("item_1", "quiero un café y"))
    s.hear(silence_ms=1_000)
    assert "input_audio_buffer.speech_stopped" not in s.story


def test_server_vad_ends_by_silence_alone() -> None:
    s = Scenario(language="en")
    s.hear(speech_ms=800)
    s.tell(PartialTranscript("item_1", "a coffee and"))
    s.hear(silence_ms=512)
    assert s.story[-1] == "<respond>"


def test_an_utterance_of_the_past_does_not_hold_up_this_one() -> None:
    s = semantic(language="en")
    s.hear(speech_ms=800, silence_ms=576)
    s.hear(speech_ms=320)
    s.tell(PartialTranscript("item_1", "and"))
    s.hear(silence_ms=576)
    assert [e.item_id for e in s.sent if isinstance(e, server.AudioCommitted)] == [
        "item_1",
        s.session.conversation.last_id,
    ]


def test_semantic_vad_is_echoed_whole() -> None:
    s = Scenario()
    s.tell(update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}}))
    (updated,) = s.sent
    assert isinstance(updated, server.SessionUpdated)
    assert isinstance(updated.session, SessionConfig)
    assert updated.session.audio.input.turn_detection == SemanticVad(
        eagerness="auto", create_response=True, interrupt_response=True
    )


# Background voices


def test_a_television_starts_no_turn_and_does_not_keep_one_open() -> None:
    s = Scenario(gate_db=15)
    s.hear(speech_ms=800, silence_ms=512, level=TALKER)
    s.forget()
    s.hear(speech_ms=10_000, level=TELEVISION)
    assert s.log == []
    s.hear(speech_ms=800, level=TALKER - 6)
    s.hear(speech_ms=512, level=TELEVISION)
    assert s.story[-1] == "<respond>"
    assert [type(e) for e in s.sent].count(server.SpeechStopped) == 1


def test_a_television_does_not_interrupt() -> None:
    s = Scenario(gate_db=15)
    s.hear(speech_ms=800, silence_ms=512, level=TALKER)
    s.tell(OutputChunk(s.request.response_id, "Once upon a time", SECOND))
    s.hear(speech_ms=3_000, level=TELEVISION)
    assert s.responses == []


def test_without_a_gate_soft_voices_count() -> None:
    s = Scenario()
    s.hear(speech_ms=800, silence_ms=512, level=TALKER)
    s.forget()
    s.hear(speech_ms=64, level=TELEVISION)
    assert s.story[0] == "input_audio_buffer.speech_started"


# Commit, clear, and changing one's mind


def test_a_commit_in_the_middle_of_speech_is_the_end_of_that_item() -> None:
    s = Scenario()
    s.hear(speech_ms=800)
    s.tell(client.AudioCommit())
    s.hear(silence_ms=1_000)
    assert s.story == [
        "input_audio_buffer.speech_started",
        "<listen>",
        "<listenend>",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    s.hear(speech_ms=320)
    started = s.sent[-1]
    assert isinstance(started, server.SpeechStarted)
    assert started.item_id != "item_1"
    s.check()


def test_audio_that_is_cleared_does_not_become_a_turn() -> None:
    s = Scenario()
    s.hear(speech_ms=800)
    s.tell(client.AudioClear())
    assert s.log[-2:][0] == ListenDrop("item_1")
    s.tell(PartialTranscript("item_1", "never mind"), Transcribed("item_1", "never mind"))
    s.hear(silence_ms=1_000)
    assert s.story[-1] == "input_audio_buffer.cleared"
    s.tell(client.AudioCommit())
    assert list(s.session.conversation) == [s.session.conversation.get("item_2")]
    s.check()


def test_a_buffer_that_was_cleared_is_empty() -> None:
    s = Scenario(config(None))
    s.tell(AudioReceived(SECOND), client.AudioClear(), client.AudioCommit())
    assert s.errors == [("input_audio_buffer_commit_empty", None)]


def test_the_clock_of_the_audio_never_stops() -> None:
    s = Scenario()
    s.hear(silence_ms=960)
    s.tell(PUSH_TO_TALK)
    s.hear(speech_ms=9_600)
    s.tell(client.AudioCommit(), detection(prefix_padding_ms=0))
    s.hear(silence_ms=320, speech_ms=0)
    s.hear(speech_ms=320, silence_ms=512)
    (started,) = [e for e in s.sent if isinstance(e, server.SpeechStarted)]
    (stopped,) = [e for e in s.sent if isinstance(e, server.SpeechStopped)]
    assert started.audio_start_ms == 960 + 9_600 + 320
    assert stopped.audio_end_ms == 960 + 9_600 + 320 + 320 + 512
    s.check()


def test_the_first_frame_begins_where_detection_does() -> None:
    s = Scenario(config(None))
    s.tell(AudioReceived(audio.silence(50)), client.AudioClear(), detection(prefix_padding_ms=0))
    s.tell(
        AudioReceived(audio.silence(64), (1.0, 1.0)), AudioReceived(audio.silence(512), (0.0,) * 16)
    )
    (started,) = [e for e in s.sent if isinstance(e, server.SpeechStarted)]
    (stopped,) = [e for e in s.sent if isinstance(e, server.SpeechStopped)]
    assert (started.audio_start_ms, stopped.audio_end_ms) == (50, 50 + 64 + 512)


def test_switching_off_detection_mid_sentence_keeps_the_sound() -> None:
    s = Scenario()
    s.hear(speech_ms=800)
    s.tell(PUSH_TO_TALK)
    s.hear(silence_ms=2_000)
    s.tell(client.AudioCommit())
    assert s.listened_ms == 800 + 2_016
    assert s.story[-4:] == [
        "<listenend>",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    s.check()


def test_tuning_turn_detection_does_not_end_a_turn_in_progress() -> None:
    s = Scenario()
    s.hear(speech_ms=800)
    s.tell(detection(silence_duration_ms=992))
    s.hear(speech_ms=320, silence_ms=960)
    assert "input_audio_buffer.speech_stopped" not in s.story
    s.hear(silence_ms=32)
    assert "input_audio_buffer.speech_stopped" in s.story
    assert s.story.count("input_audio_buffer.speech_started") == 1


def test_detection_may_only_segment() -> None:
    s = Scenario(config(ServerVad(create_response=False, interrupt_response=False)))
    s.tell(client.ResponseCreate())
    s.tell(OutputChunk(s.request.response_id, "Once upon a time"))
    s.hear(speech_ms=800, silence_ms=512)
    assert s.story[-1] == "conversation.item.done"
    assert s.responses == []
    s.check()


# Words


def test_deltas_append_until_the_words_are_complete() -> None:
    s = Scenario()
    s.hear(speech_ms=800)
    s.tell(PartialTranscript("item_1", "what", "what tie"))
    s.hear(silence_ms=512)
    s.tell(PartialTranscript("item_1", "what time"), Transcribed("item_1", "what time is it"))
    deltas = [e.delta for e in s.sent if isinstance(e, server.TranscriptionDelta)]
    assert deltas == ["what", " time", " is it"]
    completed = next(e for e in s.sent if isinstance(e, server.TranscriptionCompleted))
    assert completed.usage == server.Duration(seconds=(800 + 512) / 1000)
    s.check()


def test_a_recogniser_that_changes_its_mind_has_the_last_word() -> None:
    s = Scenario()
    s.hear(speech_ms=800, silence_ms=512)
    s.tell(PartialTranscript("item_1", "what tie"), Transcribed("item_1", "what time"))
    deltas = [e.delta for e in s.sent if isinstance(e, server.TranscriptionDelta)]
    assert deltas == ["what tie"]
    item = s.session.conversation.get("item_1")
    assert isinstance(item, Message)
    assert item.content[0].transcript == "what time"


def test_a_deleted_turn_is_not_listened_to() -> None:
    s = Scenario(thinks_in_text=True)
    s.hear(speech_ms=800, silence_ms=512)
    s.tell(client.ItemDelete(item_id="item_1"))
    assert s.story[-3:] == ["<listendrop>", "conversation.item.deleted", "<respond>"]
    s.forget()
    s.tell(Transcribed("item_1", "too late"))
    assert s.log == []


def test_silence_as_an_answer_has_no_words() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)))
    s.tell(client.ResponseCreate())
    s.tell(OutputChunk(s.request.response_id, "Hello?", SECOND * 2))
    s.hear(silence_ms=960)
    s.tell(client.ResponseCancel())
    for _ in range(10):
        s.hear(silence_ms=992)
        s.wait(0)
    (prompt,) = [e for e in s.sent if isinstance(e, server.TimeoutTriggered)]
    assert prompt.audio_start_ms == 960 + 1_040  # when the two seconds had been played
    assert 5_000 <= prompt.audio_end_ms - prompt.audio_start_ms <= 6_000
    assert s.session.conversation.last_id == prompt.item_id
    (completed,) = [e for e in s.sent if isinstance(e, server.TranscriptionCompleted)]
    assert (completed.transcript, completed.usage) == ("", server.Duration(seconds=0))
    s.check()


def test_transcription_stops_for_a_silence_that_was_answered() -> None:
    s = Scenario(config(None))
    s.hear(silence_ms=960)  # push-to-talk: the recogniser listens at once
    s.tell(detection(idle_timeout_ms=5_000), client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    s.wait(6)
    assert [type(e) for e in s.log if isinstance(e, Listen | ListenDrop)] == [Listen, ListenDrop]
    s.check()


def test_speech_before_detection_was_switched_off_and_on_is_not_a_silence() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)))
    s.hear(speech_ms=500)
    s.tell(PUSH_TO_TALK, detection(idle_timeout_ms=5_000), client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    s.wait(20)
    assert "input_audio_buffer.timeout_triggered" not in s.story
    s.hear(speech_ms=500, silence_ms=600)
    assert s.session.conversation.last_id is not None
    s.check()


@pytest.mark.parametrize(
    "before",
    [
        {"turn_detection": None},
        {"turn_detection": {"type": "semantic_vad"}},
        {"turn_detection": {"type": "server_vad"}},
        {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 30_000}},
    ],
    ids=["null", "semantic_vad", "no timeout", "a longer timeout"],
)
def test_P2_an_idle_timeout_counts_from_when_it_came_into_force(before: dict[str, object]) -> None:
    s = Scenario()
    s.tell(update(audio={"input": before}), client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    s.wait(6)
    s.forget()
    s.tell(detection(idle_timeout_ms=5_000))
    s.wait(4.9)
    assert not [e for e in s.sent if isinstance(e, server.TimeoutTriggered)]
    s.wait(0.2)
    assert [e for e in s.sent if isinstance(e, server.TimeoutTriggered)]


def test_P2_an_idle_timeout_that_is_repeated_goes_on() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)))
    s.tell(client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    s.wait(4)
    s.tell(detection(idle_timeout_ms=5_000))
    s.wait(1.1)
    assert [e for e in s.sent if isinstance(e, server.TimeoutTriggered)]


def test_P2_an_idle_timeout_counts_from_the_clear_of_an_unfinished_turn() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000, interrupt_response=False)))
    s.tell(client.ResponseCreate())
    s.hear(speech_ms=320)
    s.tell(PUSH_TO_TALK, Finished(s.request.response_id))
    s.tell(detection(idle_timeout_ms=5_000))
    s.wait(6)
    s.forget()
    s.tell(client.AudioClear())
    s.wait(4.9)
    assert not [e for e in s.sent if isinstance(e, server.TimeoutTriggered)]
    s.wait(0.2)
    assert [e for e in s.sent if isinstance(e, server.TimeoutTriggered)]


def test_P2_a_clear_restarts_the_idle_timer() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)))
    s.tell(client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    s.wait(4)
    s.hear(silence_ms=64)
    s.tell(client.AudioClear())
    s.wait(4.9)
    assert not [e for e in s.sent if isinstance(e, server.TimeoutTriggered)]
    s.wait(0.2)
    (prompt,) = [e for e in s.sent if isinstance(e, server.TimeoutTriggered)]
    assert prompt.audio_start_ms == 64


# A turn while a response runs


OVERLAPPING = ServerVad(interrupt_response=False)


def over_an_answer(vad: ServerVad = OVERLAPPING, turns: int = 1) -> tuple[Scenario, str]:
    """Commit turns that the user speaks while a response runs. Return the response's id."""
    s = Scenario(config(vad))
    s.tell(client.ResponseCreate())
    response_id = s.request.response_id
    s.tell(OutputChunk(response_id, "It opens", SECOND))
    for _ in range(turns):
        item_id = s.session._input_audio.item_id
        s.hear(speech_ms=800, silence_ms=512)
        s.tell(Transcribed(item_id, "and when does it close"))
    assert answers(s) == 0
    return s, response_id


def answers(s: Scenario) -> int:
    """Count the responses after the first one."""
    return sum(isinstance(e, server.ResponseCreated) for e in s.sent) - 1


@pytest.mark.parametrize("turns", [1, 2])
def test_P4_turns_over_a_response_are_answered_by_one_when_it_ends(turns: int) -> None:
    s, response_id = over_an_answer(turns=turns)
    s.tell(Finished(response_id))
    assert answers(s) == 1
    spoken = [i for i in s.request.history if isinstance(i, Message) and i.role == "user"]
    assert [i.content[0].transcript for i in spoken] == ["and when does it close"] * turns
    s.tell(Finished(s.request.response_id))
    assert len(s.responses) == 2
    s.check(whole=True)


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_P4_a_turn_over_a_response_is_answered_however_it_ends(how: str) -> None:
    s, response_id = over_an_answer()
    ending = Failed(response_id, "gone") if how == "failed" else client.ResponseCancel()
    s.tell(ending)
    assert [r.status for r in s.responses] == [how]
    assert answers(s) == 1


def test_P4_a_turn_over_a_response_waits_while_the_user_speaks_again() -> None:
    s, response_id = over_an_answer()
    s.hear(speech_ms=320)
    s.tell(Finished(response_id))
    assert answers(s) == 0
    s.hear(silence_ms=512)
    assert answers(s) == 1


def test_P4_a_turn_over_a_response_is_answered_after_the_next_one_is_cleared() -> None:
    s, response_id = over_an_answer()
    s.hear(speech_ms=320)
    s.tell(Finished(response_id), client.AudioClear())
    assert answers(s) == 1


def test_P4_a_turn_over_a_response_is_not_answered_twice() -> None:
    s, _ = over_an_answer()
    s.tell(client.ResponseCancel(), client.ResponseCancel())
    s.hear(silence_ms=512)
    assert answers(s) == 1


def test_P4_a_client_that_takes_over_asks_for_the_response_itself() -> None:
    s, response_id = over_an_answer()
    s.tell(detection(create_response=False), Finished(response_id))
    assert answers(s) == 0
    s.tell(client.ResponseCreate())
    assert answers(s) == 1


def test_P4_a_turn_over_the_greeting_is_answered_by_the_response_that_ends_it() -> None:
    s = Scenario(config(OVERLAPPING), greeting="Hello there.")
    s.hear(speech_ms=800, silence_ms=512)
    s.tell(Transcribed("item_1", "hi"), client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    assert answers(s) == 0  # the greeting was created before the first input
    s.check(whole=True)


def test_P4_a_turn_over_a_response_is_not_answered_after_the_call() -> None:
    s, _ = over_an_answer()
    s.hang_up()
    assert answers(s) == 0


def test_a_commit_stops_the_idle_timer() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)))
    s.tell(client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    s.hear(silence_ms=960)
    s.tell(client.AudioCommit())
    s.wait(60)
    assert "input_audio_buffer.timeout_triggered" not in s.story


# Sound inside an item


def test_sound_in_an_item_is_listened_to_and_not_echoed() -> None:
    s = Scenario(thinks_in_text=True)
    part = Part(type="input_audio", audio=SECOND)
    s.tell(client.ItemCreate(item=Message(id="a", role="user", content=(part,))))
    s.tell(client.ResponseCreate())
    (added,) = [e for e in s.sent if isinstance(e, server.ItemAdded)]
    assert isinstance(added.item, Message)
    assert added.item.content == (Part(type="input_audio", transcript=None),)
    assert [e for e in s.log if isinstance(e, Listen | ListenEnd)] == [
        Listen("a", SECOND),
        ListenEnd("a"),
    ]
    assert s.story[-1] == "response.created"
    s.tell(Transcribed("a", "hello"))
    (question,) = s.request.history
    assert isinstance(question, Message)
    assert question.content[0].transcript == "hello"


def test_sound_in_an_item_whose_words_are_known_is_not_listened_to() -> None:
    s = Scenario(thinks_in_text=True)
    part = Part(type="input_audio", audio=SECOND, transcript="hello")
    s.tell(client.ItemCreate(item=Message(role="user", content=(part,))), client.ResponseCreate())
    assert s.story[-1] == "<respond>"


@pytest.mark.parametrize("told", [True, False])
def test_a_recogniser_that_fails_early_does_not_delay_the_response(told: bool) -> None:
    s = Scenario(config(transcribe=told), thinks_in_text=True)
    s.hear(speech_ms=320)
    s.tell(NotTranscribed("item_1", "it understands English only"))
    assert s.story[-1] == "<listen>"  # the turn is not an item yet
    s.hear(speech_ms=320, silence_ms=600)
    failed = "conversation.item.input_audio_transcription.failed"
    after = s.story[s.story.index("conversation.item.done") + 1 :]
    assert after == [failed if told else f"({failed})", "response.created", "<respond>"]
    s.check()


def test_transcripts_of_a_cleared_turn_are_ignored() -> None:
    s = Scenario(thinks_in_text=True)
    s.hear(speech_ms=320)
    s.tell(NotTranscribed("item_1", "too noisy"), client.AudioClear())
    s.hear(speech_ms=320, silence_ms=600)
    assert s.story[-1] == "response.created"  # its own words are awaited
    s.check()


# Turn detection switched off, and on again


def test_audio_appended_without_turn_detection_does_not_become_a_turn() -> None:
    s = Scenario(config(None))
    s.tell(AudioReceived(audio.silence(96)))
    s.tell(update(audio={"input": {"turn_detection": {"type": "server_vad"}}}))
    assert s.story[-2:] == ["<listendrop>", "session.updated"]
    s.forget()
    s.hear(silence_ms=5_000)
    assert s.log == []
    s.hear(speech_ms=320, silence_ms=600)
    assert "input_audio_buffer.committed" in s.story
    s.check()


def test_speech_started_is_sent_once_if_detection_is_switched_off_and_on() -> None:
    s = Scenario()
    s.hear(speech_ms=320)
    s.tell(update(audio={"input": {"turn_detection": None}}))
    s.tell(AudioReceived(audio.silence(96)))
    s.tell(update(audio={"input": {"turn_detection": {"type": "server_vad"}}}))
    s.hear(speech_ms=320, silence_ms=600)
    kinds = [type(e) for e in s.sent]
    assert kinds.count(server.SpeechStarted) == kinds.count(server.SpeechStopped) == 1
    assert kinds.count(server.AudioCommitted) == 1
    s.check()


# Several parts


def test_a_transcript_names_the_content_part_of_its_audio() -> None:
    s = Scenario()
    parts = (
        Part(type="input_text", text="look"),
        Part(type="input_audio", transcript="first words"),
        Part(type="input_audio", audio=SECOND),
    )
    s.tell(client.ItemCreate(item=Message(id="mine", role="user", content=parts)))
    s.tell(PartialTranscript("mine", "second"), Transcribed("mine", "second words"))
    told = [
        e
        for e in s.sent
        if isinstance(e, server.TranscriptionDelta | server.TranscriptionCompleted)
    ]
    assert {e.content_index for e in told} == {2}
    item = s.session.conversation.get("mine")
    assert isinstance(item, Message)
    assert [part.text or part.transcript for part in item.content] == [
        "look", "first words", "second words",
    ]  # fmt: skip
    s.check()
