"""Options of a response, its cost, its end, and greetings."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.audio import pcm as audio
from vivavoce.core.call_settings import CallSettings
from vivavoce.core.effects import CallTool, Cancel, Hush, Listen, ListenDrop, Respond
from vivavoce.core.inputs import (
    CutShort,
    Failed,
    Finished,
    NotTranscribed,
    OutputChunk,
    PartialTranscript,
    Played,
    ToolRequested,
    ToolReturned,
    Transcribed,
)
from vivavoce.core.ledger import Ledger, Word
from vivavoce.core.session import Session
from vivavoce.core.tool_calls import calls_of_outputs, tool_specs, with_unique_call_ids
from vivavoce.core.types import ToolSpec
from vivavoce.core.voices import VoiceNames
from vivavoce.protocol import client, server
from vivavoce.protocol.client import AudioOptions, ResponseOptions, VoiceOptions
from vivavoce.protocol.config import (
    ChosenFunction,
    FunctionTool,
    McpTool,
    Pcm,
    Pcma,
    ServerVad,
    SessionConfig,
)
from vivavoce.protocol.items import FunctionCall, FunctionOutput, ItemReference, Message, Part

from ..support.scenario import Scenario, config, numbered_ids, update

SECOND = audio.silence(1000)
TEXT = ResponseOptions(output_modalities=("text",))


@pytest.fixture
def s() -> Scenario:
    return Scenario()


def say(s: Scenario, text: str, pcm: bytes = b"", words: tuple[Word, ...] = ()) -> None:
    s.tell(OutputChunk(s.request.response_id, text, pcm, words))


def written(text: str, role: str = "user", **fields: str) -> Message:
    kind = "output_text" if role == "assistant" else "input_text"
    part = Part(type=kind, text=text)  # type: ignore[arg-type]
    return Message(role=role, content=(part,), **fields)  # type: ignore[arg-type]


# Options


def test_a_response_may_do_everything_otherwise(s: Scenario) -> None:
    tool = FunctionTool(name="lookup", parameters={"type": "object"})
    wish = ResponseOptions(
        instructions="Be brief.",
        output_modalities=("text",),
        tools=(tool,),
        tool_choice=ChosenFunction(name="lookup"),
        max_output_tokens=7,
        audio=AudioOptions(output=VoiceOptions(format=Pcma(), voice="cedar")),
        metadata={"topic": "x"},
    )
    s.tell(client.ResponseCreate(response=wish))
    asked, session = s.request.config, s.session.config
    assert (asked.instructions, asked.tools, asked.tool_choice) == (
        "Be brief.",
        (tool,),
        ChosenFunction(name="lookup"),
    )
    (created,) = s.sent
    assert isinstance(created, server.ResponseCreated)
    shown = created.response
    assert (shown.max_output_tokens, shown.output_modalities) == (7, ("text",))
    assert shown.metadata == {"topic": "x"}
    assert shown.audio == server.ResponseAudio(
        output=server.ResponseVoice(format=Pcma(), voice="cedar")
    )
    assert (session.instructions, session.tools) == ("You are a helpful assistant.", ())
    assert session.audio.output.format == Pcm()


def test_options_that_a_response_omits_are_the_sessions(s: Scenario) -> None:
    s.tell(client.ResponseCreate(response=ResponseOptions(instructions=None)))
    assert s.request.config == s.session.config


def test_its_context_may_name_items_and_be_empty(s: Scenario) -> None:
    s.tell(client.ItemCreate(item=written("one", id="a")), client.ItemCreate(item=written("two")))
    new = written("Translate the above.")
    out_of_band = ResponseOptions(conversation="none", input=(ItemReference(id="a"), new))
    s.tell(client.ResponseCreate(response=out_of_band))
    assert s.request.history == (s.session.conversation.get("a"), new)
    s.tell(client.ResponseCreate(response=ResponseOptions(input=())))
    assert not s.request.history


def test_a_reference_to_nothing_is_refused(s: Scenario) -> None:
    wish = ResponseOptions(input=(written("hm"), ItemReference(id="x")))
    s.tell(client.ResponseCreate(response=wish))
    assert s.errors == [("invalid_value", "response.input[1].id")]
    assert s.session.reply is None


def spoken_input(ms: int = 1000) -> ResponseOptions:
    part = Part(type="input_audio", audio=audio.silence(ms))
    return ResponseOptions(conversation="none", input=(Message(role="user", content=(part,)),))


def test_sound_that_one_response_is_given_is_listened_to_first() -> None:
    s = Scenario(thinks_in_text=True)
    s.tell(client.ResponseCreate(response=spoken_input()))
    assert s.story == ["<listen>", "<listenend>", "response.created"]
    listened = next(e.item_id for e in s.log if isinstance(e, Listen))
    s.tell(PartialTranscript(listened, "what"), Transcribed(listened, "what time is it"))
    (question,) = s.request.history
    assert isinstance(question, Message)
    assert question.content[0].transcript == "what time is it"
    assert not list(s.session.conversation)
    s.tell(Finished(s.request.response_id))
    assert s.responses[0].usage is not None
    assert s.responses[0].usage.input_token_details.audio_tokens == 10
    assert not any("transcription" in name for name in s.story)  # the client knows no such item
    s.check()


def test_cancelling_a_response_starts_others_that_waited_for_its_transcript() -> None:
    s = Scenario(thinks_in_text=True)
    s.tell(client.ResponseCreate(response=spoken_input()), client.ResponseCreate())
    assert "<respond>" not in s.story
    s.tell(client.ResponseCancel(response_id="resp_1"))
    assert s.request.response_id == "resp_2"
    s.check()


def test_the_input_of_a_response_is_not_in_later_context(s: Scenario) -> None:
    """An item that it is given may bear the name of one that was only half heard."""
    s.tell(client.ResponseCreate())
    say(s, "hello world", SECOND, (Word("hello ", 0), Word("world", 500)))
    s.tell(Finished("resp_1"))
    spoken = s.session.conversation.last_id or ""
    s.tell(client.ItemTruncate(item_id=spoken, content_index=0, audio_end_ms=100))
    mine = written("mine", "assistant", id=spoken)
    s.tell(client.ResponseCreate(response=ResponseOptions(conversation="none", input=(mine,))))
    assert s.request.history == (mine,)


@pytest.mark.parametrize("known", [True, False])
def test_cancelling_a_response_drops_the_transcription_of_its_input(known: bool) -> None:
    s = Scenario(thinks_in_text=True)
    s.tell(client.ResponseCreate(response=spoken_input()))
    listened = next(e.item_id for e in s.log if isinstance(e, Listen))
    if known:
        s.tell(NotTranscribed(listened, "too noisy"))
    s.tell(client.ResponseCancel(response_id="resp_1"))
    dropped = [e.item_id for e in s.log if isinstance(e, ListenDrop)]
    assert dropped == ([] if known else [listened])
    s.tell(Transcribed(listened, "too late"))
    s.tell(client.ResponseCreate())
    assert s.request.history == ()
    s.check()


def test_another_voice_only_beside_the_conversation(s: Scenario) -> None:
    cedar = AudioOptions(output=VoiceOptions(voice="cedar"))
    s.tell(client.ResponseCreate())
    say(s, "Hello", SECOND)
    s.tell(Finished(s.request.response_id))
    s.tell(client.ResponseCreate(response=ResponseOptions(audio=cedar)))
    assert s.errors == [("cannot_update_voice", "response.audio.output.voice")]
    s.tell(client.ResponseCreate(response=ResponseOptions(audio=cedar, conversation="none")))
    assert s.request.config.audio.output.voice == "cedar"


def test_a_brain_receives_function_tools_only() -> None:
    tools = (
        FunctionTool(name="a", description="does a", parameters={"type": "object", "x": 1}),
        FunctionTool(name="b", description=None, parameters=None),
        McpTool(server_label="docs"),
    )
    assert tool_specs(tools) == (
        ToolSpec(name="a", description="does a", parameters={"type": "object", "x": 1}),
        ToolSpec(name="b"),
    )


# Function calls


def call(n: int, name: str = "show_map", arguments: str = '{"room":"A"}') -> FunctionCall:
    return FunctionCall(call_id=f"call_{n}", name=name, arguments=arguments)


def test_parallel_calls_are_items_of_one_response(s: Scenario) -> None:
    s.tell(client.ResponseCreate())
    rid = s.request.response_id
    say(s, "Let me see.", SECOND)
    s.tell(ToolRequested(rid, call(1)), ToolRequested(rid, call(2, arguments="")), Finished(rid))
    (done,) = s.responses
    assert [type(item).__name__ for item in done.output] == ["Message", *["FunctionCall"] * 2]
    deltas = [e for e in s.sent if isinstance(e, server.ArgumentsDelta)]
    dones = [e for e in s.sent if isinstance(e, server.ArgumentsDone)]
    assert [(d.output_index, d.delta) for d in deltas] == [(1, '{"room":"A"}')]
    assert [(d.output_index, d.name, d.arguments) for d in dones] == [
        (1, "show_map", '{"room":"A"}'),
        (2, "show_map", ""),
    ]
    s.check()


def test_the_clients_outputs_wait_for_the_client(s: Scenario) -> None:
    s.tell(client.ResponseCreate())
    rid = s.request.response_id
    s.tell(ToolRequested(rid, call(1)), Finished(rid))
    s.forget()
    s.tell(client.ItemCreate(item=FunctionOutput(call_id="call_1", output="{}")))
    s.tell(client.ItemCreate(item=FunctionOutput(call_id="who knows", output="{}")))
    assert s.story == ["conversation.item.added", "conversation.item.done"] * 2
    s.tell(client.ResponseCreate())
    assert len(s.request.history) == 3


def test_a_cancelled_call_is_incomplete_and_never_made() -> None:
    s = Scenario(server_tools=frozenset({"lookup"}))
    s.tell(client.ResponseCreate())
    s.tell(ToolRequested(s.request.response_id, call(1, "lookup")), client.ResponseCancel())
    (done,) = s.responses
    (item,) = done.output
    assert isinstance(item, FunctionCall)
    assert item.status == "incomplete"
    assert not [e for e in s.log if isinstance(e, CallTool)]
    s.check()


def test_a_tool_output_is_not_answered_while_the_user_speaks() -> None:
    s = Scenario(server_tools=frozenset({"lookup"}))
    s.tell(client.ResponseCreate())
    rid = s.request.response_id
    s.tell(ToolRequested(rid, call(1, "lookup")), Finished(rid))
    s.hear(speech_ms=320)
    s.forget()
    s.tell(ToolReturned("call_1", "42"))
    assert s.story == ["conversation.item.added", "conversation.item.done"]
    s.hear(silence_ms=512)
    assert [type(i).__name__ for i in s.request.history] == [
        "FunctionCall",
        "FunctionOutput",
        "Message",
    ]
    assert s.story.count("<respond>") == 1


def test_an_output_is_answered_once() -> None:
    s = Scenario(server_tools=frozenset({"lookup"}))
    s.tell(client.ResponseCreate())
    rid = s.request.response_id
    s.tell(ToolRequested(rid, call(1, "lookup")), Finished(rid), ToolReturned("call_1", "42"))
    answer = s.request.response_id
    s.forget()
    s.tell(Finished(answer), ToolReturned("call_1", "43"))
    assert "<respond>" not in s.story


def test_but_after_it_was_thrown_away() -> None:
    s = Scenario(server_tools=frozenset({"lookup"}))
    s.tell(client.ResponseCreate())
    rid = s.request.response_id
    s.tell(ToolRequested(rid, call(1, "lookup")), Finished(rid))
    s.hear(speech_ms=320)
    s.tell(ToolReturned("call_1", "42"), client.AudioClear())
    assert s.story[-1] == "<respond>"


def test_P3_a_call_whose_ids_another_one_has_gets_new_ids() -> None:
    s = Scenario()
    foreign = FunctionCall(id="fc_0", name="look", call_id="call_0", arguments="{}")
    for _ in range(2):
        s.tell(client.ResponseCreate())
        rid = s.request.response_id
        s.tell(ToolRequested(rid, foreign), ToolRequested(rid, foreign), Finished(rid))
    calls = [i for i in s.session.conversation if isinstance(i, FunctionCall)]
    assert len({c.call_id for c in calls}) == len({c.id for c in calls}) == 4
    assert calls[0] == foreign
    s.check(whole=True)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab")), max_size=12))
def test_P3_unique_ids_keep_every_output_with_its_call(kinds: list[tuple[bool, str]]) -> None:
    items = [
        FunctionCall(name="f", call_id=call_id, arguments="{}")
        if is_call
        else FunctionOutput(call_id=call_id, output="")
        for is_call, call_id in kinds
    ]
    renamed = with_unique_call_ids(items)
    ids = [i.call_id for i in renamed if isinstance(i, FunctionCall)]
    assert len(set(ids)) == len(ids)
    matched = calls_of_outputs(items)
    assert calls_of_outputs(renamed).items() >= matched.items()
    assert with_unique_call_ids(renamed) == renamed


def test_there_is_no_idle_prompt_while_a_tool_call_is_pending() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)))
    s.tell(client.ResponseCreate())
    rid = s.request.response_id
    s.tell(ToolRequested(rid, call(1)), Finished(rid))
    s.forget()
    s.wait(60)
    assert s.log == []


# What it costs


def usage(s: Scenario) -> tuple[int, int, int, int]:
    """Tokens: text in, audio in, text out, audio out; of the last response."""
    counted = s.responses[-1].usage
    assert counted is not None
    into, out = counted.input_token_details, counted.output_token_details
    assert counted.input_tokens == into.text_tokens + into.audio_tokens
    assert counted.output_tokens == out.text_tokens + out.audio_tokens
    assert counted.total_tokens == counted.input_tokens + counted.output_tokens
    return into.text_tokens, into.audio_tokens, out.text_tokens, out.audio_tokens


def test_sound_is_counted_by_its_length_and_text_as_the_brain_says() -> None:
    s = Scenario(thinks_in_text=True)
    s.hear(speech_ms=960, silence_ms=512)
    s.tell(Transcribed("item_1", "what time is it"))
    say(s, "Noon.", SECOND)
    reported = server.Usage(input_tokens=30, output_tokens=3, total_tokens=33)
    s.tell(Finished(s.request.response_id, reported))
    assert usage(s) == (30, 15, 3, 20)


def test_sound_is_counted_once(s: Scenario) -> None:
    s.hear(speech_ms=960, silence_ms=512)
    s.tell(Finished(s.request.response_id), client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    assert usage(s)[1] == 0


def test_without_a_report_text_is_estimated(s: Scenario) -> None:
    s.tell(update(instructions="x" * 40), client.ItemCreate(item=written("y" * 40)))
    s.tell(client.ResponseCreate(response=TEXT))
    say(s, "z" * 41)
    s.tell(Finished(s.request.response_id))
    assert usage(s) == (20, 0, 11, 0)


def test_a_cancelled_response_costs_what_came_of_it(s: Scenario) -> None:
    s.tell(update(instructions="x" * 40), client.ResponseCreate())
    say(s, "Once upon a time", SECOND * 2)
    s.tell(client.ResponseCancel())
    assert usage(s) == (10, 0, 4, 40)


def test_a_response_that_was_never_asked_costs_nothing() -> None:
    s = Scenario(thinks_in_text=True)
    s.hear(speech_ms=960, silence_ms=512)
    s.tell(client.ResponseCancel())
    assert usage(s) == (0, 0, 0, 0)


def test_a_failed_response_costs_nothing(s: Scenario) -> None:
    s.tell(client.ResponseCreate())
    say(s, "Once upon a time", SECOND)
    s.tell(Failed(s.request.response_id, "out of money", "insufficient_quota"))
    assert usage(s) == (0, 0, 0, 0)
    details = s.responses[0].status_details
    assert details is not None
    assert details.error == server.Failure(
        type="server_error", code="insufficient_quota", message="out of money"
    )


# Limits


def test_text_ends_at_its_limit(s: Scenario) -> None:
    wish = ResponseOptions(output_modalities=("text",), max_output_tokens=3)
    s.tell(client.ResponseCreate(response=wish))
    rid = s.request.response_id
    say(s, "12345678")
    say(s, "90abcdefgh")
    (done,) = s.responses
    assert (done.status, done.status_details) == (
        "incomplete",
        server.StatusDetails(type="incomplete", reason="max_output_tokens"),
    )
    (item,) = done.output
    assert isinstance(item, Message)
    assert (item.status, item.content[0].text) == ("incomplete", "1234567890ab")
    assert s.log[-1] == Cancel(rid)
    assert usage(s)[2] == 3
    s.check()


def test_a_limit_that_is_just_met_cuts_nothing(s: Scenario) -> None:
    wish = ResponseOptions(output_modalities=("text",), max_output_tokens=3)
    s.tell(client.ResponseCreate(response=wish))
    say(s, "1234567890ab")
    s.tell(Finished(s.request.response_id))
    assert s.responses[0].status == "completed"


def test_audio_counts_towards_the_limit_and_words_stay_whole(s: Scenario) -> None:
    s.tell(client.ResponseCreate(response=ResponseOptions(max_output_tokens=12)))
    words = (Word("one ", 0), Word("two ", 300), Word("three", 600))
    say(s, "one two three", SECOND, words)
    assert s.responses[0].status == "incomplete"
    (sound,) = [e.delta for e in s.sent if isinstance(e, server.AudioDelta)]
    assert audio.duration_ms(sound) == 516  # 12 of 23.25 tokens
    (said,) = [e.transcript for e in s.sent if isinstance(e, server.TranscriptDone)]
    assert said == "one two "
    s.check()


def test_an_engine_may_stop_short(s: Scenario) -> None:
    s.tell(client.ResponseCreate())
    say(s, "I must not", SECOND)
    reported = server.Usage(input_tokens=8, output_tokens=5, total_tokens=13)
    s.tell(CutShort(s.request.response_id, "content_filter", reported))
    (done,) = s.responses
    assert done.status_details == server.StatusDetails(type="incomplete", reason="content_filter")
    assert usage(s) == (8, 0, 5, 20)


@given(st.lists(st.tuples(st.text(max_size=30), st.integers(0, 400))), st.integers(1, 60))
def test_no_response_exceeds_its_limit(pieces: list[tuple[str, int]], limit: int) -> None:
    s = Scenario()
    s.tell(client.ResponseCreate(response=ResponseOptions(max_output_tokens=limit)))
    rid = s.request.response_id
    for text, ms in pieces:
        s.tell(OutputChunk(rid, text, audio.silence(ms)))
    s.tell(Finished(rid))
    (done,) = s.responses
    cost = sum(len(text) / 4 + ms / 50 for text, ms in pieces)
    assert done.status == ("incomplete" if cost > limit else "completed")
    counted = done.usage
    assert counted is not None
    assert counted.output_tokens <= limit + 1  # each kind is rounded up
    s.check()


# Truncation


def test_truncating_while_it_is_being_made_does_not_stop_it(s: Scenario) -> None:
    s.tell(client.ResponseCreate())
    say(s, "one two ", SECOND * 2, (Word("one ", 0), Word("two ", 1000)))
    item_id = s.session.conversation.last_id
    assert item_id is not None
    s.tell(client.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=900))
    say(s, "three", SECOND, (Word("three", 0),))
    s.tell(Finished(s.request.response_id), client.ResponseCreate())
    item = s.session.conversation.get(item_id)
    assert isinstance(item, Message)
    assert item.content[0].transcript is None  # and the last word of it does not bring it back
    (remembered,) = s.request.history
    assert isinstance(remembered, Message)
    assert remembered.content[0].transcript == "one —"
    s.check()


def test_clients_round_up_where_they_truncate(s: Scenario) -> None:
    s.tell(client.ResponseCreate())
    say(s, "one ", bytes(48 * 100 + 2))
    say(s, "two", bytes(48 * 100 + 2))
    item_id = s.session.conversation.last_id or ""
    s.tell(client.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=201))
    assert s.errors == []
    s.tell(client.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=202))
    assert s.errors == [("invalid_value", "audio_end_ms")]


@pytest.mark.parametrize(
    ("content_index", "audio_end_ms", "param"), [(1, 0, "content_index"), (0, 1501, "audio_end_ms")]
)
def test_truncated_audio_cannot_be_truncated_again(
    s: Scenario, content_index: int, audio_end_ms: int, param: str
) -> None:
    s.tell(client.ResponseCreate())
    say(s, "one two three", SECOND * 3)
    item_id = s.session.conversation.last_id or ""
    s.tell(client.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=1500))
    s.tell(
        client.ItemTruncate(item_id=item_id, content_index=content_index, audio_end_ms=audio_end_ms)
    )
    assert s.errors == [("invalid_value", param)]


# The loudspeaker


def test_a_reply_is_played_after_the_one_before_it() -> None:
    s = Scenario(plays_out=True, server_tools=frozenset({"lookup"}))
    s.tell(client.ResponseCreate())
    first = s.request.response_id
    say(s, "Let me see.", SECOND)
    one = s.session.conversation.last_id or ""
    s.tell(ToolRequested(first, call(1, "lookup")), Finished(first), ToolReturned("call_1", "42"))
    say(s, "It is 42.", SECOND)
    two = s.session.conversation.last_id or ""
    s.tell(Finished(s.request.response_id))
    s.forget()
    s.tell(Played(one, 1000), Played(two, 500))
    assert s.story == ["output_audio_buffer.stopped", "output_audio_buffer.started"]
    s.forget()
    s.hear(speech_ms=64)
    assert [e for e in s.log if isinstance(e, Hush)] == [Hush(two)]
    truncated = [e for e in s.sent if isinstance(e, server.ItemTruncated)]
    assert [(e.item_id, e.audio_end_ms) for e in truncated] == [(two, 500)]
    s.tell(client.ItemTruncate(item_id=two, content_index=0, audio_end_ms=501))
    assert s.errors == [("invalid_value", "audio_end_ms")]


def test_an_interruption_takes_all_that_waits() -> None:
    s = Scenario(plays_out=True)
    for text in ("one", "two"):
        s.tell(client.ResponseCreate())
        say(s, text, SECOND)
        s.tell(Finished(s.request.response_id))
    s.forget()
    s.hear(speech_ms=64)
    truncated = [e.audio_end_ms for e in s.sent if isinstance(e, server.ItemTruncated)]
    assert truncated == [0, 0]
    assert len([e for e in s.sent if isinstance(e, server.PlayoutCleared)]) == 1


def test_sound_that_was_played_before_its_response_ended() -> None:
    s = Scenario(plays_out=True)
    s.tell(client.ResponseCreate())
    say(s, "one", SECOND)
    s.tell(Played(s.session.conversation.last_id or "", 1000))
    assert "output_audio_buffer.stopped" not in s.story
    s.tell(Finished(s.request.response_id))
    assert s.story[-1] == "output_audio_buffer.stopped"


ASIDE = client.ResponseCreate(response=ResponseOptions(conversation="none"))


@pytest.mark.parametrize("ended", [False, True], ids=["while it is made", "after it was made"])
def test_speech_interrupts_an_out_of_band_response_that_is_heard(ended: bool) -> None:
    s = Scenario(plays_out=True)
    s.tell(ASIDE)
    say(s, "one two", SECOND)
    item_id = next(e.item_id for e in s.sent if isinstance(e, server.AudioDelta))
    s.tell(Played(item_id, 400))
    if ended:
        s.tell(Finished(s.request.response_id))
    s.forget()
    s.hear(speech_ms=64)
    assert [e for e in s.log if isinstance(e, Hush)] == [Hush(item_id)]
    assert "output_audio_buffer.cleared" in s.story
    assert "conversation.item.truncated" not in s.story
    statuses = [e.response.status for e in s.sent if isinstance(e, server.ResponseDone)]
    assert statuses == ([] if ended else ["cancelled"])
    assert item_id not in s.session.ledger


def test_an_out_of_band_response_that_is_heard_starts_and_stops_its_playout() -> None:
    s = Scenario(plays_out=True)
    s.tell(ASIDE)
    say(s, "one two", SECOND)
    item_id = next(e.item_id for e in s.sent if isinstance(e, server.AudioDelta))
    s.tell(Finished(s.request.response_id))
    assert "output_audio_buffer.started" in s.story
    s.forget()
    s.tell(Played(item_id, 999))
    assert s.story == []
    s.tell(Played(item_id, 1000))
    assert s.story == ["output_audio_buffer.stopped"]
    assert item_id not in s.session.ledger


def test_speech_leaves_out_of_band_responses_alone_that_nobody_hears() -> None:
    text = ResponseOptions(conversation="none", output_modalities=("text",))
    for plays_out, options in ((False, ASIDE.response), (True, text)):
        s = Scenario(plays_out=plays_out)
        s.tell(client.ResponseCreate(response=options))
        say(s, "one two", SECOND)
        s.forget()
        s.hear(speech_ms=64)
        assert not [e for e in s.sent if isinstance(e, server.ResponseDone)]
        assert not [e for e in s.log if isinstance(e, Hush)]


def test_a_client_may_silence_the_loudspeaker() -> None:
    s = Scenario(plays_out=True)
    s.tell(client.ResponseCreate())
    say(s, "one two", SECOND)
    item_id = s.session.conversation.last_id or ""
    s.tell(Played(item_id, 400), client.ResponseCancel())
    s.forget()
    s.tell(client.PlayoutClear())
    assert s.story == ["<hush>", "output_audio_buffer.cleared"]
    assert s.session.ledger[item_id].heard_ms == 400
    s.forget()
    s.tell(client.PlayoutClear())
    assert s.log == []


def test_over_a_websocket_there_is_no_loudspeaker_to_silence(s: Scenario) -> None:
    s.tell(client.ResponseCreate())
    say(s, "one two", SECOND)
    s.forget()
    s.tell(client.PlayoutClear())
    assert s.log == []


def test_silence_counts_from_when_the_loudspeaker_fell_silent() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)), plays_out=True)
    s.tell(client.ResponseCreate())
    say(s, "one", SECOND)
    item_id = s.session.conversation.last_id or ""
    s.tell(Finished(s.request.response_id))
    s.wait(20)
    assert "input_audio_buffer.timeout_triggered" not in s.story
    s.tell(Played(item_id, 1000))
    s.wait(4.9)
    assert "input_audio_buffer.timeout_triggered" not in s.story
    s.wait(0.2)
    assert "input_audio_buffer.timeout_triggered" in s.story


# Greeting


def greeted(**kwargs: object) -> Scenario:
    return Scenario(None, greeting="Hello, how can I help?", **kwargs)


def test_a_new_conversation_begins_with_a_greeting() -> None:
    s = greeted()
    assert [type(e).__name__ for e in s.opening] == ["SessionCreated", "ResponseCreated"]
    request = s.opening_request
    assert (request.verbatim, request.history) == ("Hello, how can I help?", ())
    s.tell(OutputChunk(request.response_id, "Hello, how can I help?", SECOND))
    s.tell(Finished(request.response_id))
    assert usage(s) == (0, 0, 6, 20)


def test_speech_interrupts_the_greeting() -> None:
    s = greeted()
    s.tell(OutputChunk(s.opening_request.response_id, "Hello", SECOND))
    s.hear(speech_ms=64)
    (done,) = s.responses
    assert done.status == "cancelled"


def test_an_item_that_comes_before_the_first_output_stays_behind_it() -> None:
    """The response has not read the item, so the next one must find it unanswered."""

    def says(text: str) -> client.ItemCreate:
        part = Part(type="input_text", text=text)
        return client.ItemCreate(item=Message(id=text, role="user", content=(part,)))

    s = Scenario()
    s.tell(says("one"), client.ResponseCreate(), says("two"))
    first = s.request.response_id
    s.tell(ToolRequested(first, FunctionCall(id="call", call_id="c", name="x", arguments="{}")))
    s.tell(says("three"), OutputChunk(first, "One."), Finished(first))
    s.tell(client.ResponseCreate())
    call, answer = (item.id for item in s.responses[-1].output)
    order = [item.id for item in s.request.history]
    assert order == ["one", call, answer, "two", "three"]
    s.check()


@pytest.mark.parametrize("seed", range(40))
def test_a_question_that_crosses_the_greeting_is_answered(seed: int) -> None:
    """Mix, in any order, what the engine says of the greeting with what a page sends."""
    chance = random.Random(seed)
    s = greeted()
    greeting = s.opening_request.response_id
    engine = [OutputChunk(greeting, "Hello ", SECOND), OutputChunk(greeting, "there.", SECOND),
              Finished(greeting)]  # fmt: skip
    question = Message(id="asked", role="user", content=(Part(type="input_text", text="Why?"),))
    cancel = [client.ResponseCancel(event_id="quiet_cancel")] if chance.random() < 0.5 else []
    page = [*cancel, client.ItemCreate(item=question), client.ResponseCreate()]
    while engine or page:
        side = chance.choice([each for each in (engine, page) if each])
        s.tell(side.pop(0))  # type: ignore[arg-type]
    answer = s.request
    assert (answer.verbatim, [item.id for item in answer.history][-1]) == (None, "asked")
    s.tell(OutputChunk(answer.response_id, "So.", SECOND), Finished(answer.response_id))
    assert s.responses[-1].status == "completed"
    assert {code for code, _ in s.errors} <= {"response_cancel_not_active"}
    s.check()


def test_a_program_that_does_not_expect_it_is_not_disturbed() -> None:
    s = greeted()
    s.tell(OutputChunk(s.opening_request.response_id, "Hello", SECOND))
    s.tell(update(audio={"output": {"voice": "cedar"}}), client.ResponseCreate())
    assert s.errors == []
    assert s.request.verbatim is None
    assert s.request.config.audio.output.voice == "cedar"
    (done,) = s.responses
    assert done.status == "cancelled"


# Continuing


def earlier() -> tuple[tuple[Message, ...], Ledger]:
    spoken = Part(type="output_audio", transcript=None)
    items = (
        written("when is lunch", id="item_old1"),
        Message(id="item_old2", role="assistant", content=(spoken,)),
    )
    ledger = Ledger()
    ledger.restore("item_old2", "at noon in the big hall", sent_ms=2_300, heard_ms=800)
    return items, ledger


def test_a_conversation_goes_on_without_a_word_about_it() -> None:
    history, ledger = earlier()
    s = greeted(history=history, ledger=ledger, conversation_id="conv_old")
    assert [type(e).__name__ for e in s.opening] == ["SessionCreated"]
    s.tell(client.ItemCreate(item=written("and dinner")))
    (added, _) = s.sent
    assert isinstance(added, server.ItemAdded)
    assert added.previous_item_id == "item_old2"
    s.tell(client.ResponseCreate())
    assert len(s.request.history) == 3
    answer = s.request.history[1]
    assert isinstance(answer, Message)
    assert answer.content[0].transcript == "at noon —"
    s.tell(Finished(s.request.response_id))
    assert s.responses[0].conversation_id == "conv_old"
    s.tell(client.ItemDelete(item_id="item_old1"))
    s.check()


def test_its_old_voice_does_not_bind_the_new_session() -> None:
    history, ledger = earlier()
    s = Scenario(history=history, ledger=ledger)
    s.tell(update(audio={"output": {"voice": "cedar"}}))
    assert s.errors == []


@given(st.text(alphabet="ab \n"), st.integers(0, 5_000))
def test_a_restored_item_has_the_words_that_were_generated(text: str, sent_ms: int) -> None:
    ledger = Ledger()
    ledger.restore("a", text, sent_ms, None)
    assert ledger["a"].said == (text if text.strip() else "")
    assert all(0 <= word.at_ms <= sent_ms for word in ledger["a"].words)


# How long


@pytest.mark.parametrize(("minutes", "told"), [(60, "60 minutes."), (1440, "1440 minutes.")])
def test_the_end_tells_the_true_number_of_minutes(minutes: int, told: str) -> None:
    s = Scenario(max_session_s=minutes * 60, epoch=1_000_000)
    assert s.session.config.expires_at == 1_000_000 + minutes * 60
    s.wait(minutes * 60 - 1)
    assert s.log == []
    s.wait(1)
    error = s.sent[0]
    assert isinstance(error, server.Error)
    assert error.error.message.endswith(told)


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_no_session_lasts_longer_than_a_day(seconds: float) -> None:
    with pytest.raises(ValueError, match="at most a day"):
        Session(SessionConfig(), CallSettings(max_session_s=seconds), now=0, new_id=numbered_ids())


# Fields that a session cannot change


def test_tracing_once_enabled_stays(s: Scenario) -> None:
    s.tell(update(tracing="auto"), update(tracing=None), update(tracing="auto"))
    assert s.session.config.tracing == "auto"
    s.tell(update(tracing={"workflow_name": "w"}))
    assert s.errors == [("invalid_value", "session.tracing")]


def test_speed_changes_between_turns_only(s: Scenario) -> None:
    s.tell(update(audio={"output": {"speed": 1.2}}), client.ResponseCreate())
    s.tell(update(audio={"output": {"speed": 1.2}}, instructions="Be brief."))
    assert s.errors == []
    s.tell(update(audio={"output": {"speed": 1.3}}, instructions="Be long."))
    assert s.errors == [("invalid_value", "session.audio.output.speed")]
    assert s.session.config.instructions == "Be brief."


def test_empty_instructions_are_the_assistants_own(s: Scenario) -> None:
    s = Scenario(SessionConfig(instructions="You are Charlotte."))
    s.tell(update(instructions="Be brief."), update(instructions=""))
    assert s.session.config.instructions == "You are Charlotte."


def test_secrets_are_not_echoed(s: Scenario) -> None:
    tool = {"type": "mcp", "server_label": "docs", "authorization": "secret"}
    s.tell(update(tools=[tool]), client.ResponseCreate())
    (updated, *_) = s.sent
    assert isinstance(updated, server.SessionUpdated)
    assert updated.session != s.session.config
    assert "secret" not in str(updated)
    assert isinstance(s.log[-1], Respond)
    assert "secret" in str(s.session.config)
    assert "secret" not in str(s.request)  # a brain has the tools of a server, and not its key


# Voices

TEN = frozenset({"alloy", "ash", "cedar", "coral", "marin"})


def voice(name: str) -> dict[str, object]:
    return {"output": {"voice": name}}


def test_P5_a_voice_that_the_engine_has_not_is_refused_with_those_it_has() -> None:
    s = Scenario(voices=VoiceNames(TEN, "ash"))
    s.session.receive(update(audio=voice("zork")), 0.0, 1)
    options = ResponseOptions(audio=AudioOptions(output=VoiceOptions(voice="zork")))
    s.session.receive(client.ResponseCreate(response=options), 0.0, 1)
    s._collect(blameless=False)
    assert s.errors == [
        ("invalid_value", "session.audio.output.voice"),
        ("invalid_value", "response.audio.output.voice"),
    ]
    messages = [e.error.message for e in s.sent if isinstance(e, server.Error)]
    assert all("'alloy', 'ash', 'cedar', 'coral', and 'marin'" in text for text in messages)


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("coral", "coral"), ("nova", "coral"), ("onyx", "cedar"), ("fable", "ash")],
)
def test_P5_a_voice_of_OpenAI_is_spoken_by_one_of_the_engines(asked: str, spoken: str) -> None:
    s = Scenario(voices=VoiceNames(TEN, "ash"))
    s.tell(update(audio=voice(asked)), client.ResponseCreate())
    assert s.session.config.audio.output.voice == asked
    assert s.request.config.audio.output.voice == spoken


@pytest.mark.parametrize("name", ["get weather", "x" * 65, "", "a\nb", "a.b", "ok\n"])
def test_P5_a_tool_whose_name_no_model_takes_is_refused(name: str) -> None:
    s = Scenario()
    s.session.receive(update(tools=[{"type": "function", "name": name}]), 0.0, 1)
    s._collect(blameless=False)
    assert s.errors == [("invalid_value", "session.tools[0].name")]


@pytest.mark.parametrize("name", ["get_weather", "a-b", "x" * 64, "获取天气"])
def test_P5_a_tool_may_have_a_name_in_letters_of_any_script(name: str) -> None:
    s = Scenario()
    s.tell(update(tools=[{"type": "function", "name": name}]))
    assert s.errors == []
