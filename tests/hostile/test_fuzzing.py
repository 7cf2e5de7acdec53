"""Send hundreds of thousands of random frames (`support/fuzz.py`)."""

from __future__ import annotations

import asyncio
import json
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..protocol.test_codec import is_taken_or_refused, likely, values
from ..support.calls import House
from ..support.fuzz import Call, Fuzzer, fuzz

PROVOKED = {
    "invalid_event", "invalid_value", "invalid_type", "unknown_parameter",
    "missing_required_parameter", "response_cancel_not_active", "input_audio_buffer_commit_empty",
    "conversation_already_has_active_response", "item_retrieve_invalid_item_id",
    "item_delete_invalid_item_id", "item_truncate_invalid_item_id", "unsupported_content_type",
}  # fmt: skip


def seed() -> int:
    """Return `FUZZ_SEED`, or a random seed. A failure names the seed and the frame."""
    return int(os.environ.get("FUZZ_SEED") or random.randrange(2**32))


def test_thousands_of_frames_from_a_fixed_seed() -> None:
    assert set(fuzz(seed=1, frames=4000)) > PROVOKED


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_two_hundred_thousand_frames(part: int) -> None:
    chosen = seed() + part
    print(f"FUZZ_SEED={chosen}")
    seen = fuzz(chosen, frames=20_000)
    assert set(seen) > PROVOKED


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(likely | values, max_size=40), st.randoms(use_true_random=False))
def test_a_session_takes_whatever_hypothesis_makes_of_the_protocol(
    events: list[object], dice: random.Random
) -> None:
    call = Call(Fuzzer(0), dice)
    for event in events:
        call.take(json.dumps(event).encode())
    call.hang_up()


@pytest.mark.long
@settings(max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
@given(likely | values)
def test_twenty_thousand_events_of_hypothesis(value: object) -> None:
    is_taken_or_refused(json.dumps(value))


CALLERS, PROBE_EVERY = 4, 100


@pytest.mark.parametrize("frames", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_frames_over_several_sockets_at_once(house: House, frames: int) -> None:
    """After each hundred frames the call answers exactly, and another call goes on."""

    async def abuse(house: House, number: int) -> None:
        fuzzer = Fuzzer(number)
        async with house.welcome() as caller:
            for count in range(1, frames + 1):
                await caller.send(fuzzer.frame())
                if count % PROBE_EVERY:
                    continue
                probe = f"probe_{count}"
                await caller.say("conversation.item.retrieve", item_id=probe, event_id=probe)
                while True:
                    error = (await caller.hear("error"))["error"]
                    if error["event_id"] == probe:
                        assert error["code"] == "item_retrieve_invalid_item_id"
                        break
                for event in caller.heard:
                    if event["type"] in ("conversation.item.added", "response.created"):
                        made = event.get("item") or event["response"]
                        fuzzer.known.append(made["id"])
                caller.heard.clear()

    async def story(house: House) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(CALLERS):
                tasks.create_task(abuse(house, number))

    house.story(story)
