"""Recorded clients of hosted services speak with us, and are answered as they were then.

`support.replay` says what "as" means. The stand-in for the model is the scripted engine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import msgspec
import pytest

from vivavoce.protocol import grammar
from vivavoce.protocol.server import ServerEvent

from ..support.replay import (
    EXCUSED,
    REAL,
    UNASKED,
    UNSAID,
    Event,
    Recording,
    differences,
    extra,
    replay,
    same_story,
    told,
)
from ..support.served import TAKES_ALL, Served, serve

SESSIONS = sorted(path.stem for path in REAL.glob("*.jsonl") if not path.stem.startswith("http-"))


@dataclass
class Played:
    recording: Recording
    ours: list[Event]

    @property
    def recorded(self) -> list[Event]:
        return self.recording.received


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve assistants that play the recorded ones."""
    data = tmp_path_factory.mktemp("theatre")
    for name in SESSIONS:
        Recording.load(name).write(data / "assistants")
    default = {"VIVAVOCE_CALLS__DEFAULT_ASSISTANT": "text-in-audio-out-turn"}
    with serve(data, **default, **TAKES_ALL) as server:
        yield server


@pytest.fixture(scope="module")
def replays(theatre: Served) -> dict[str, Played]:
    async def all_at_once() -> dict[str, Played]:
        recordings = [Recording.load(name) for name in SESSIONS]
        key = theatre.key("--name", "recordings")
        answers = await asyncio.gather(*(replay(r, theatre.ws, key) for r in recordings))
        return {r.name: Played(r, ours) for r, ours in zip(recordings, answers, strict=True)}

    return asyncio.run(all_at_once())


@pytest.fixture(params=SESSIONS)
def played(request: pytest.FixtureRequest, replays: dict[str, Played]) -> Played:
    return replays[request.param]


def test_the_same_events_in_an_order_that_the_recording_allows(played: Played) -> None:
    assert same_story(played.recorded, played.ours)


def test_our_answer_is_whole_and_grammatical(played: Played) -> None:
    grammar.check([msgspec.convert(e, ServerEvent) for e in played.ours], whole=True)


def test_every_recorded_field_is_there_and_means_the_same(played: Played) -> None:
    unexcused = [d for d in differences(played.recorded, played.ours) if not d.excused]
    assert unexcused == []


def test_what_a_response_costs_adds_up(played: Played) -> None:
    """Theirs and ours (protocol §6.1)."""
    for event in [*played.recorded, *played.ours]:
        if event["type"] == "response.done":
            usage = event["response"]["usage"]
            heard, said = usage["input_token_details"], usage["output_token_details"]
            assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
            kinds = ("text_tokens", "audio_tokens", "image_tokens")
            assert usage["input_tokens"] == sum(heard[kind] for kind in kinds)
            assert usage["output_tokens"] == said["text_tokens"] + said["audio_tokens"]


def test_no_exception_is_made_for_nothing(replays: dict[str, Played]) -> None:
    every = replays.values()
    assert {d.place for p in every for d in differences(p.recorded, p.ours)} == EXCUSED.keys()
    assert set[str]().union(*(extra(p.recorded, p.ours) for p in every)) == UNASKED.keys()
    assert UNSAID.keys() <= {event["type"] for p in every for event in p.recorded}


# A comparison that finds nothing is worth nothing. So each recording is broken, everywhere.


@pytest.mark.parametrize("name", SESSIONS)
def test_an_event_that_is_missed_or_late_is_noticed(name: str) -> None:
    stream = Recording.load(name).received
    assert same_story(stream, stream)
    for index, event in enumerate(stream):
        if event["type"].endswith(".delta") or event["type"] in UNSAID:
            continue
        others = [*stream[:index], *stream[index + 1 :]]
        assert not same_story(stream, others), event
        late = [*others, event]
        last = all(event["type"] not in strand[:-1] for strand in told(stream).values())
        assert last or not same_story(stream, late), event


@pytest.mark.parametrize("name", SESSIONS)
def test_a_field_that_is_missing_or_of_another_type_is_noticed(name: str) -> None:
    stream = Recording.load(name).received
    assert differences(stream, stream) == []
    firsts = {event["type"]: index for index, event in reversed([*enumerate(stream)])}
    for index in (index for kind, index in firsts.items() if kind not in UNSAID):
        for broken in broken_in_one_field(stream[index]):
            ours = [*stream[:index], broken, *stream[index + 1 :]]
            assert found_out(stream, ours), broken


def broken_in_one_field(event: Event) -> Iterator[Event]:
    for key, value in event.items():
        if key != "type":
            yield {name: inner for name, inner in event.items() if name != key}
        if key != "type" and not isinstance(value, dict):
            yield {**event, key: 0.25}
        if isinstance(value, dict):
            yield from ({**event, key: broken} for broken in broken_in_one_field(value))


def found_out(recorded: list[Event], ours: list[Event]) -> bool:
    try:
        return bool(differences(recorded, ours)) or not same_story(recorded, ours)
    except (AssertionError, KeyError):  # an id that became two, an item without one
        return True


# Over HTTP. The recorded WebRTC offer waits for the transport.


def test_a_client_secret_is_minted_as_it_was_recorded(theatre: Served) -> None:
    """Ours has every field with the recorded value; the key, the times and the id are ours."""
    recorded = json.loads((REAL / "http-create-client-secret.jsonl").read_text())
    asked, answered = recorded["request"], recorded["response"]
    answer = httpx2.post(
        theatre.url + asked["uri"].removeprefix("https://api.openai.com"),
        json=asked["parsed_body"],
        headers={"Authorization": f"Bearer {theatre.key()}"},
    )
    assert answer.status_code == answered["status"]["code"]
    assert answer.headers["content-type"] in answered["headers"]["content-type"]
    theirs, ours = answered["parsed_body"], answer.json()
    assert theirs.keys() <= ours.keys()
    assert ours["value"].startswith("ek_")
    assert isinstance(ours["expires_at"], int)
    assert ours["session"] == theirs["session"] | {"id": ours["session"]["id"]}
