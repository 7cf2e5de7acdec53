"""A conversation grows longer than the engine can read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.core.context_window import ContextWindow
from vivavoce.core.inputs import Failed, Finished, OutputChunk
from vivavoce.core.limits import Limits
from vivavoce.protocol import client, server
from vivavoce.protocol.client import ResponseOptions
from vivavoce.protocol.config import RetentionRatio, SessionConfig, TokenLimits, Truncation
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message, Part

from ..support.scenario import Scenario, config, update


def said(item_id: str, tokens: int, role: str = "user") -> Message:
    kind = "output_text" if role == "assistant" else "input_text"
    part = Part(type=kind, text="word" * tokens)  # type: ignore[arg-type]
    return Message(id=item_id, role=role, content=(part,))  # type: ignore[arg-type]


def session(truncation: Truncation = "auto", instructions: str = "") -> SessionConfig:
    return SessionConfig(truncation=truncation, instructions=instructions)


def names(items: tuple[Item, ...] | None) -> str:
    return "nothing" if items is None else "".join(item.id for item in items)


TALK = [said(name, 100, "assistant" if name in "bdf" else "user") for name in "abcdefg"]


def test_a_conversation_that_fits_is_read_whole() -> None:
    assert names(ContextWindow(700).fit(session(), TALK)) == "abcdefg"


def test_the_oldest_is_left_out_and_no_more_than_that() -> None:
    assert names(ContextWindow(699).fit(session(), TALK)) == "bcdefg"
    assert names(ContextWindow(450).fit(session(), TALK)) == "defg"


def test_instructions_and_tools_take_room_too() -> None:
    assert names(ContextWindow(700).fit(session(instructions="word" * 200), TALK)) == "cdefg"


def test_a_ratio_leaves_room_for_what_comes() -> None:
    """So that the beginning stays the same for a while, and is cached."""
    half = session(RetentionRatio(retention_ratio=0.5))
    context = ContextWindow(600)
    assert names(context.fit(half, TALK)) == "efg"
    longer = [*TALK, said("h", 100, "assistant"), said("i", 100)]
    assert names(context.fit(half, longer)) == "efghi"
    assert names(context.fit(half, [*longer, said("j", 100), said("k", 100)])) == "ijk"


def test_a_limit_after_the_instructions_counts_items_only() -> None:
    limited = RetentionRatio(retention_ratio=1, token_limits=TokenLimits(post_instructions=300))
    context = ContextWindow(10_000)
    assert names(context.fit(session(limited, instructions="word" * 500), TALK)) == "efg"


def test_disabled_leaves_nothing_out() -> None:
    assert names(ContextWindow(700).fit(session("disabled"), TALK)) == "abcdefg"
    assert names(ContextWindow(699).fit(session("disabled"), TALK)) == "nothing"


def test_the_turn_under_way_is_never_left_out() -> None:
    call = FunctionCall(id="f", call_id="c1", name="lookup", arguments="word" * 50)
    output = FunctionOutput(id="o", call_id="c1", output="word" * 200)
    turn: list[Item] = [said("q", 100), call, output]
    assert names(ContextWindow(360).fit(session(), [*TALK, *turn])) == "qfo"
    assert names(ContextWindow(300).fit(session(), [*TALK, *turn])) == "nothing"


def test_the_output_of_a_call_that_is_left_out_is_left_out_too() -> None:
    call = FunctionCall(id="f", call_id="c1", name="lookup", arguments="word" * 300)
    output = FunctionOutput(id="o", call_id="c1", output="word")
    items: list[Item] = [said("a", 100), call, output, said("b", 100, "assistant"), said("c", 100)]
    assert names(ContextWindow(400).fit(session(), items)) == "bc"


def test_items_left_out_once_stay_left_out() -> None:
    context = ContextWindow(500)
    assert names(context.fit(session(), TALK)) == "cdefg"
    assert names(context.fit(session(), [i for i in TALK if i.id != "d"])) == "cefg"


def test_the_input_of_one_response_is_not_remembered() -> None:
    context = ContextWindow(300)
    assert names(context.fit_once(session(), TALK)) == "efg"
    assert names(context.fit_once(session("disabled"), TALK)) == "nothing"
    assert names(context.fit(session(), TALK[:3])) == "abc"


def test_a_deleted_item_is_forgotten_and_its_name_may_be_given_again() -> None:
    s = Scenario(session(), limits=Limits(context_tokens=250))
    s.tell(*(client.ItemCreate(item=said(name, 100)) for name in "abc"))
    s.tell(client.ResponseCreate(), client.ResponseCancel())
    assert names(s.request.history) == "bc"
    s.tell(*(client.ItemDelete(item_id=name) for name in "abc"))
    s.tell(client.ItemCreate(item=said("a", 100)), client.ResponseCreate())
    assert names(s.request.history) == "a"


def test_pictures_take_room() -> None:
    def shown(item_id: str, detail: str) -> Message:
        part = Part(type="input_image", image_url="data:,", detail=detail)  # type: ignore[arg-type]
        return Message(id=item_id, role="user", content=(part,))

    pictures = [shown("a", "high"), shown("b", "low"), said("c", 10)]
    assert names(ContextWindow(860).fit(session(), pictures)) == "abc"
    assert names(ContextWindow(859).fit(session(), pictures)) == "bc"


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 600), st.floats(0, 1))
def test_the_items_read_fit_and_are_the_latest(sizes: list[int], room: int, ratio: float) -> None:
    items = [said(str(n), size, "user") for n, size in enumerate(sizes)]
    read = ContextWindow(room).fit(session(RetentionRatio(retention_ratio=ratio)), items)
    if read is None:
        assert sizes[-1] > room
    else:
        assert list(read) == items[-len(read) :]
        assert sum(sizes[-len(read) :]) <= room


# In a session


def test_the_engine_is_asked_with_what_it_can_read_and_the_items_stay() -> None:
    s = Scenario(session(), limits=Limits(context_tokens=250))
    s.tell(*(client.ItemCreate(item=said(name, 100)) for name in "abc"))
    s.tell(client.ResponseCreate())
    assert names(s.request.history) == "bc"
    s.tell(client.ItemRetrieve(item_id="a"))
    assert isinstance(s.sent[-1], server.ItemRetrieved)


def test_where_truncation_is_disabled_the_response_fails_and_the_call_lives() -> None:
    s = Scenario(session(), limits=Limits(context_tokens=250))
    s.tell(update(truncation="disabled"))
    s.tell(*(client.ItemCreate(item=said(name, 100)) for name in "abc"))
    s.tell(client.ResponseCreate())
    (failed,) = s.responses
    assert failed.status == "failed"
    assert failed.status_details is not None
    assert failed.status_details.error
    assert failed.status_details.error.code == "context_length_exceeded"
    assert failed.usage == server.Usage()
    s.tell(client.ItemDelete(item_id="a"), client.ResponseCreate())
    assert names(s.request.history) == "bc"
    s.check()


def test_a_response_with_its_own_input_is_held_to_the_same_room() -> None:
    s = Scenario(session(), limits=Limits(context_tokens=250))
    given = tuple(said(name, 100) for name in "abc")
    out_of_band = ResponseOptions(conversation="none", input=given, instructions="")
    s.tell(client.ResponseCreate(response=out_of_band))
    assert names(s.request.history) == "bc"


# The tokens of a minute


def cost(s: Scenario, text: str = "Twenty characters... ") -> None:
    s.tell(client.ResponseCreate())
    s.tell(OutputChunk(s.request.response_id, text), Finished(s.request.response_id))


def told(s: Scenario) -> server.RateLimit:
    event = s.sent[-1]
    assert isinstance(event, server.RateLimitsUpdated)
    (limit,) = event.rate_limits
    return limit


def silent() -> SessionConfig:
    return SessionConfig(output_modalities=("text",), instructions="")


def test_every_response_is_followed_by_what_is_left() -> None:
    s = Scenario(silent(), limits=Limits(tokens_per_minute=600))
    cost(s, "word" * 60)
    assert told(s) == server.RateLimit(name="tokens", limit=600, remaining=540, reset_seconds=6.0)
    s.wait(3)
    cost(s, "word" * 60)  # and the brain reads the earlier items again
    assert told(s).remaining == 600 - 30 - 120
    s.check()


def test_a_response_over_the_rate_limit_fails_and_says_when_to_retry() -> None:
    s = Scenario(silent(), limits=Limits(tokens_per_minute=60))
    cost(s, "word" * 65)  # what it costs is known afterwards
    assert told(s).remaining == 0
    s.forget()
    s.tell(client.ResponseCreate())
    (refused,) = s.responses
    assert refused.status == "failed"
    assert refused.status_details is not None
    assert refused.status_details.error
    assert refused.status_details.error.code == "rate_limit_exceeded"
    assert "in 6 s" in (refused.status_details.error.message or "")
    assert "<respond>" not in s.story
    s.wait(6.1)
    s.forget()
    s.tell(client.ResponseCreate())
    assert "<respond>" in s.story
    s.check()


@pytest.mark.parametrize("end", [Failed("resp_1", "on fire"), client.ResponseCancel()])
def test_a_response_without_output_costs_no_tokens(end: Failed | client.ResponseCancel) -> None:
    s = Scenario(silent(), limits=Limits(tokens_per_minute=600))
    s.tell(client.ResponseCreate(), end)
    (limits,) = [e for e in s.sent if isinstance(e, server.RateLimitsUpdated)]
    assert limits.rate_limits[0].remaining == 600


def test_a_greeting_is_always_said() -> None:
    s = Scenario(config(), limits=Limits(tokens_per_minute=1), greeting="Hello!")
    assert s.opening_request.verbatim == "Hello!"
