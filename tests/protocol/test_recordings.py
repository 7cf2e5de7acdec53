"""Real sessions of hosted services: we understand every frame, and the grammar is theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from vivavoce.protocol import client, codec, grammar, server
from vivavoce.protocol.config import SessionConfig

REAL = Path(__file__).parents[1] / "recordings" / "real"
SESSIONS = sorted(path.stem for path in REAL.glob("*.jsonl") if not path.stem.startswith("http-"))

Events = list[server.ServerEvent]


def frames(name: str, direction: str) -> Iterator[dict[str, object]]:
    for line in (REAL / f"{name}.jsonl").read_text().splitlines():
        recorded = json.loads(line)
        if recorded["kind"] == "message" and recorded["direction"] == direction:
            yield recorded["data"]


def events(name: str) -> Events:
    return [msgspec.convert(frame, server.ServerEvent) for frame in frames(name, "received")]


@pytest.mark.parametrize("name", SESSIONS)
def test_a_recorded_server_event_is_encoded_unchanged(name: str) -> None:
    """Strictly, key by key and in order; only Azure's doubled `content` of a part is not ours."""
    for frame in frames(name, "received"):
        event = codec.decode_server(json.dumps(frame))
        assert event is not None
        frame.pop("content", None)
        again = json.loads(codec.encode(event))
        assert again == frame
        assert list(again) == list(frame)


@pytest.mark.parametrize("name", SESSIONS)
def test_a_recorded_client_event_decodes(name: str) -> None:
    for frame in frames(name, "sent"):
        event = codec.decode(json.dumps(frame))
        if isinstance(event, client.SessionUpdate):
            assert SessionConfig().merged(event.session).audio.input.transcription is not None


@pytest.mark.parametrize("name", SESSIONS)
def test_the_echo_of_an_update_is_the_services_own(name: str) -> None:
    """Whatever the client asked, our merge and the service's end in the same session."""
    opened = [e.session for e in events(name) if isinstance(e, server.SessionCreated)]
    echoed = [e.session for e in events(name) if isinstance(e, server.SessionUpdated)]
    asked = [f["session"] for f in frames(name, "sent") if f["type"] == "session.update"]
    if opened:  # a sideband has no beginning
        assert isinstance(opened[0], SessionConfig)
        assert isinstance(asked[0], dict)
        assert opened[0].merged(asked[0]) == echoed[0]


@pytest.mark.parametrize("name", SESSIONS)
def test_the_grammar_is_what_services_speak(name: str) -> None:
    grammar.check(events(name), whole=True)


# A grammar that accepts everything accepts the recordings too. So break them.

MAY_BE_MISSING = {
    server.SessionCreated,  # a sideband has none
    server.SessionUpdated,
    server.AudioDelta,
    server.TranscriptionDelta,
    server.SpeechStopped,  # after a commit by hand
    server.TranscriptionCompleted,
    server.RateLimitsUpdated,
    server.PlayoutStopped,  # the call may end while it plays
}
MAY_COME_TWICE = {server.SessionUpdated, server.AudioDelta, server.TranscriptionDelta}
MAY_BE_LAST = {
    server.SessionUpdated,
    server.ItemDone,
    server.ResponseDone,
    server.TranscriptionCompleted,
    server.RateLimitsUpdated,
    server.PlayoutStopped,
}
INDEPENDENT = {
    frozenset(pair)
    for pair in (
        (server.AudioDelta, server.TranscriptDelta),
        (server.AudioDelta, server.TranscriptionDelta),
        (server.AudioDelta, server.TranscriptionCompleted),
        (server.TranscriptDelta, server.TranscriptionDelta),
        (server.TranscriptionDelta, server.OutputItemAdded),
        (server.TranscriptionDelta, server.ResponseCreated),
        (server.ItemDone, server.ResponseCreated),
        (server.ResponseDone, server.ItemAdded),
        (server.SessionUpdated, server.ItemAdded),
        (server.SessionUpdated, server.SpeechStarted),
        (server.PlayoutStarted, server.AudioDone),
        (server.PlayoutStarted, server.TranscriptDelta),
        (server.PlayoutStopped, server.RateLimitsUpdated),
    )
}


def accepted(stream: Events) -> bool:
    stamped = [msgspec.structs.replace(e, event_id=f"event_{i}") for i, e in enumerate(stream)]
    try:
        grammar.check(stamped, whole=True)
    except grammar.OutOfOrder:
        return False
    return True


@pytest.mark.parametrize("name", SESSIONS)
def test_an_event_is_missed(name: str) -> None:
    stream = events(name)
    unmissed = {
        type(event) for i, event in enumerate(stream) if accepted(stream[:i] + stream[i + 1 :])
    }
    assert unmissed <= MAY_BE_MISSING


@pytest.mark.parametrize("name", SESSIONS)
def test_an_event_comes_once(name: str) -> None:
    stream = events(name)
    doubled = {
        type(event) for i, event in enumerate(stream) if accepted(stream[: i + 1] + stream[i:])
    }
    assert doubled <= MAY_COME_TWICE


@pytest.mark.parametrize("name", SESSIONS)
def test_an_event_does_not_come_late(name: str) -> None:
    stream = events(name)
    late = {
        type(event)
        for i, event in enumerate(stream)
        if accepted([*stream[:i], *stream[i + 1 :], event])
    }
    assert late <= MAY_BE_LAST


@pytest.mark.parametrize("name", SESSIONS)
def test_neighbours_do_not_change_places(name: str) -> None:
    stream = events(name)
    changed = set()
    for i, (one, other) in enumerate(pairwise(stream)):
        if type(one) is not type(other) and accepted([*stream[:i], other, one, *stream[i + 2 :]]):
            changed.add(frozenset((type(one), type(other))))
    assert changed <= INDEPENDENT
