"""Limit how much one call may hold: an excess gets an exact error and changes nothing."""

from __future__ import annotations

import time

import pytest

from vivavoce.core.effects import Listen, ListenDrop, Send
from vivavoce.core.inputs import AudioReceived
from vivavoce.core.limits import SOUND_S, Limits, size
from vivavoce.protocol import client, server
from vivavoce.protocol.client import ResponseOptions
from vivavoce.protocol.config import FunctionTool, Pcmu
from vivavoce.protocol.items import FunctionOutput, Item, ItemReference, McpListTools, Message, Part

from ..support.pictures import png, url
from ..support.scenario import Scenario, config, update

OUT_OF_BAND = client.ResponseCreate(response=ResponseOptions(conversation="none"))


def text(words: str, item_id: str = "") -> client.ItemCreate:
    part = Part(type="input_text", text=words)
    return client.ItemCreate(item=Message(id=item_id, role="user", content=(part,)))


def sounding(sound: bytes) -> client.ItemCreate:
    part = Part(type="input_audio", audio=sound)
    return client.ItemCreate(item=Message(role="user", content=(part,)))


def limited(**limits: int) -> Scenario:
    return Scenario(limits=Limits(**limits))


def refused(s: Scenario, *events: client.Command) -> server.ErrorBody:
    """Return the one error that these get, and only the last of them."""
    *before, last = events
    s.forget()
    s.tell(*before)
    assert s.errors == []
    items = list(s.session.conversation)
    s.forget()
    s.tell(last)
    (effect,) = s.log
    assert isinstance(effect, Send)
    assert effect.to == 1
    assert isinstance(effect.event, server.Error)
    assert list(s.session.conversation) == items
    return effect.event.error


def test_a_full_conversation_takes_no_more_items_until_one_is_deleted() -> None:
    s = limited(items=3)
    error = refused(s, text("a", "a"), text("b"), text("c"), text("d"))
    assert (error.code, error.param) == ("conversation_full", None)
    assert error.message == (
        "The conversation is full: it has 3 items, as many as it may. Delete items, or begin "
        "another conversation."
    )
    s.forget()
    s.tell(client.ItemDelete(item_id="a"), text("d"))
    assert s.errors == []


def test_a_full_conversation_takes_no_commit_and_no_response_either() -> None:
    s = limited(items=1)
    s.hear(silence_ms=200)
    assert refused(s, text("a"), client.AudioCommit()).code == "conversation_full"
    assert refused(s, client.ResponseCreate()).code == "conversation_full"
    s.forget()
    s.tell(OUT_OF_BAND)
    assert s.errors == []


def test_a_turn_by_voice_that_finds_no_room_is_thrown_away_and_said_to_be() -> None:
    s = limited(items=1)
    s.tell(text("a"))
    s.forget()
    s.session.receive(AudioReceived(bytes(48 * 32 * 40), (1.0,) * 20 + (0.0,) * 20), 1.0, 1)
    s.log += s.session.effects()
    assert s.story == [
        "input_audio_buffer.speech_started",
        "<listen>",
        "input_audio_buffer.speech_stopped",
        "<listendrop>",
        "input_audio_buffer.cleared",
        "error",
    ]
    assert s.errors == [("conversation_full", None)]
    (listen,) = [e for e in s.log if isinstance(e, Listen)]
    assert [e.item_id for e in s.log if isinstance(e, ListenDrop)] == [listen.item_id]
    s.check()


@pytest.mark.parametrize(
    "item",
    [
        Message(role="user", content=(Part(type="input_image", image_url=url(png(size=1000))),)),
        FunctionOutput(call_id="c", output="x" * 1000),
        FunctionOutput(call_id="x" * 1000, output=""),
    ],
)
def test_an_item_over_the_size_limit_is_refused(item: Item) -> None:
    error = refused(limited(item_bytes=1000), client.ItemCreate(item=item))
    assert (error.code, error.param) == ("invalid_value", "item")
    assert error.message.endswith("too much for one item (at most 1000).")


def test_an_item_as_large_as_may_be_is_taken() -> None:
    item = Message(id="i", role="user", content=(Part(type="input_text", text="x" * 500),))
    s = limited(item_bytes=size(item))
    s.tell(client.ItemCreate(item=item))
    assert s.errors == []


def test_the_name_of_an_item_is_bounded() -> None:
    error = refused(limited(), text("a", "x" * 512), text("a", "y" * 513))
    assert (error.code, error.param) == ("invalid_value", "item.id")


def test_all_items_of_clients_together_have_a_limit_too() -> None:
    s = limited(conversation_bytes=2500)
    error = refused(s, text("x" * 1000, "a"), text("x" * 1000), text("x" * 1000))
    assert error.code == "conversation_full"
    assert "more than 2500 bytes together" in error.message
    s.forget()
    s.tell(client.ItemDelete(item_id="a"), text("x" * 1000))
    assert s.errors == []


def test_an_item_weighs_what_its_client_wrote() -> None:
    s = limited(conversation_bytes=2 * size(text("x" * 1000).item))
    error = refused(s, text("x" * 1000), text("y" * 1000), text(""))
    assert error.code == "conversation_full"
    first = next(iter(s.session.conversation)).id
    s.forget()
    s.tell(client.ItemDelete(item_id=first), text("z" * 1000))
    assert s.errors == []
    assert refused(s, text("")).code == "conversation_full"


def test_items_of_earlier_calls_count_towards_the_limit() -> None:
    part = Part(type="input_text", text="x" * 1000)
    history = (Message(id="old", role="user", content=(part,)),)
    s = Scenario(history=history, limits=Limits(conversation_bytes=2000))
    assert refused(s, text("x" * 1000)).code == "conversation_full"
    s.forget()
    s.tell(client.ItemDelete(item_id="old"), text("x" * 1000))
    assert s.errors == []


def test_the_sound_in_an_item_has_a_length_that_can_be_worked_on_at_once() -> None:
    s = Scenario(config(None))
    s.tell(update(audio={"input": {"format": {"type": "audio/pcmu"}}}))
    assert isinstance(s.session.config.audio.input.format, Pcmu)
    error = refused(s, sounding(bytes(SOUND_S * 8000 + 1)))
    assert (error.code, error.param) == ("invalid_value", "item.content")


def test_a_session_does_not_grow_without_end() -> None:
    s = limited(session_bytes=2000)
    error = refused(s, update(instructions="x" * 1500), update(instructions="x" * 3000))
    assert (error.code, error.param) == ("invalid_value", "session")
    tools = [
        {"type": "function", "name": f"f{n}", "parameters": {"a": "x" * 100}} for n in range(9)
    ]
    assert refused(s, update(tools=tools)).code == "invalid_value"
    assert s.session.config.instructions == "x" * 1500


def test_a_session_that_was_large_from_the_start_can_still_be_changed() -> None:
    large = config()
    large = large.merged({"type": "realtime", "instructions": "x" * 9000})
    s = Scenario(large, limits=Limits(session_bytes=1000))
    s.tell(update(instructions="y" * 9100))
    assert s.errors == []


def test_out_of_band_responses_are_limited() -> None:
    s = limited(responses=2)
    error = refused(s, client.ResponseCreate(), OUT_OF_BAND, OUT_OF_BAND, OUT_OF_BAND)
    assert (error.code, error.param) == ("rate_limit_exceeded", "response.conversation")
    s.forget()
    s.tell(client.ResponseCancel(response_id=s.session._replies.all[-1].id), OUT_OF_BAND)
    assert s.errors == []


@pytest.mark.parametrize(
    "event",
    [
        client.ItemRetrieve(item_id="x" * 10**6),
        client.ItemDelete(item_id="x" * 10**6),
        client.ItemCreate(item=Message(role="user"), previous_item_id="x" * 10**6),
        client.ItemTruncate(item_id="x" * 10**6, content_index=0, audio_end_ms=0),
    ],
)
def test_an_error_repeats_only_a_part_of_a_long_name(event: client.Command) -> None:
    assert len(refused(limited(), event).message) < 250


def given(*parts: Part) -> client.ResponseCreate:
    items = tuple(Message(role="user", content=(part,)) for part in parts)
    return client.ResponseCreate(response=ResponseOptions(conversation="none", input=items))


def test_the_audio_in_the_input_of_a_response_is_limited() -> None:
    s = limited(items=20)
    sound = Part(type="input_audio", audio=bytes(4800))
    s.tell(given(*[sound] * 8))
    assert sum(isinstance(e, Listen) for e in s.log) == 8
    for too_much in (
        given(*[sound] * 9),
        given(*[Part(type="input_text", text="a")] * 21),
        given(Part(type="input_audio", audio=bytes(301 * 48_000))),
    ):
        error = refused(s, too_much)
        assert (error.code, error.param) == ("invalid_value", "response.input")


def test_the_sound_of_a_telephone_inside_an_item_is_bounded_by_what_it_costs() -> None:
    s = limited()
    s.tell(update(audio={"input": {"format": {"type": "audio/pcmu"}}}))
    assert refused(s, sounding(bytes(61 * 8_000))).param == "item.content"
    s.tell(sounding(bytes(100)))


def test_a_minute_of_a_telephone_is_resampled_to_24_khz_by_the_work() -> None:
    """Resampling takes 0.15 s, in which the machine and all other calls would stand still."""
    s = limited()
    s.tell(update(audio={"input": {"format": {"type": "audio/pcmu"}}}))
    s.forget()
    s.tell(sounding(bytes(60 * 8_000)))
    given = client.ResponseCreate(
        response=ResponseOptions(conversation="none", input=(sounding(bytes(80_000)).item,))
    )
    s.tell(given)
    whole, beside = (effect for effect in s.log if isinstance(effect, Listen))
    assert (len(whole.pre_roll), whole.law) == (60 * 8_000, "ulaw")
    assert (len(beside.pre_roll), beside.law) == (80_000, "ulaw")


def test_servers_of_tools_are_bounded_like_items() -> None:
    def servers(count: int) -> client.SessionUpdate:
        return update(tools=[{"type": "mcp", "server_label": f"s{n}"} for n in range(count)])

    assert refused(limited(), servers(65)).param == "session.tools"
    assert refused(limited(items=3), servers(4)).code == "conversation_full"


def test_ten_thousand_tools_are_exchanged_for_others_in_no_time() -> None:
    """Each of the new ones was compared with each of the old ones: seven seconds for 15,000."""

    def tools(letter: str) -> client.SessionUpdate:
        functions = [{"type": "function", "name": f"{letter}{n}"} for n in range(10_000)]
        servers = [{"type": "mcp", "server_label": f"{letter}{n}"} for n in range(64)]
        return update(tools=functions + servers)

    s = Scenario(official=False)
    s.tell(tools("a"))
    began = time.process_time()
    s.tell(tools("b"))
    assert time.process_time() - began < 1.0  # a twentieth of that on a quiet machine
    listed = [i.server_label for i in s.session.conversation if isinstance(i, McpListTools)]
    assert listed[-64:] == [f"b{n}" for n in range(64)]


def in_parts(count: int, item_id: str) -> client.ItemCreate:
    content = (Part(type="input_text", text="x"),) * count
    return client.ItemCreate(item=Message(id=item_id, role="user", content=content))


def test_an_item_has_a_thousand_parts_at_most() -> None:
    error = refused(limited(), in_parts(1001, "a"))
    assert (error.code, error.param) == ("invalid_value", "item.content")
    s = limited()
    s.tell(in_parts(1000, "a"))
    assert "a" in s.session.conversation


def test_the_parts_of_all_items_together_are_bounded_too() -> None:
    """Each response goes through all of them: two million would delay all calls by seconds."""
    s = Scenario(official=False)
    for number in range(20):
        s.tell(in_parts(1000, f"item_{number}"))
    error = refused(s, in_parts(1, "one more"))
    assert error.code == "conversation_full"
    s.tell(client.ItemDelete(item_id="item_7"), in_parts(1000, "another"))
    assert "another" in s.session.conversation


def test_an_item_that_is_referred_to_counts_each_time() -> None:
    s = limited()
    s.tell(in_parts(1000, "a"))
    often = ResponseOptions(conversation="none", input=(ItemReference(id="a"),) * 21)
    error = refused(s, client.ResponseCreate(response=often))
    assert (error.code, error.param) == ("invalid_value", "response.input")


def test_what_one_response_does_otherwise_is_bounded_as_the_session_is() -> None:
    s = limited(session_bytes=20_000)
    tools = (FunctionTool(name="a", description="x" * 20_000),)
    for options in (
        ResponseOptions(instructions="x" * 20_000),
        ResponseOptions(conversation="none", tools=tools),
    ):
        error = refused(s, client.ResponseCreate(response=options))
        assert (error.code, error.param) == ("invalid_value", "response")
    item = Message(role="user", content=(Part(type="input_text", text="x" * 20_000),))
    s.forget()
    s.tell(client.ResponseCreate(response=ResponseOptions(conversation="none", input=(item,))))
    assert s.errors == []  # what it reads is judged by itself
