"""A relay that plays: sound from events, the timeline of WebRTC, truncation where it was heard."""

from __future__ import annotations

import base64
import json

import pytest

from vivavoce.audio import g711
from vivavoce.core.effects import ForwardToClients, Hush, Send, SendUpstream
from vivavoce.core.inputs import Played, UpstreamLost
from vivavoce.protocol import server

from ..support.upstream import CREATED, SESSION, UPDATED, frame
from .relay_scenario import ADDED, BEGUN, DONE, ENDED, RESPONSE, SAID, RelayScenario

SPEECH = frame("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
SOUND_MS = 100
CLEAR = b'{"type": "output_audio_buffer.clear", "event_id": "mine"}'


def sound(ms: int = SOUND_MS, item: str = "i", response: str = "r") -> bytes:
    delta = base64.b64encode(b"\1\0" * 24 * ms).decode()
    return frame("response.output_audio.delta", response_id=response, item_id=item,
                 output_index=0, content_index=0, delta=delta)  # fmt: skip


def updated(**audio: object) -> bytes:
    return frame("session.updated", session=SESSION | {"audio": audio})


def playing(inactivity_s: float | None = None) -> RelayScenario:
    """Make a relay in which 300 ms of an answer were sent, and the answer is still being made."""
    at = RelayScenario(plays_out=True, inactivity_s=inactivity_s)
    at.hear(BEGUN, ADDED, *[sound()] * 3)
    return at


def told(at: RelayScenario) -> list[str]:
    """Return what clients got: kinds of events, and the milliseconds of sound that were played."""
    lines: list[str] = []
    for effect in at.log:
        match effect:
            case ForwardToClients(event=server.AudioDelta(delta=pcm)):
                lines.append(f"{len(pcm) // 48} ms")
            case ForwardToClients(data=data):
                lines.append(json.loads(data)["type"])
            case Send(event=event):
                lines.append(str(event.__struct_config__.tag))
            case Hush(item_id=item_id):
                lines.append(f"hush {item_id}")
            case SendUpstream(data=data):
                lines.append("up: " + json.loads(data)["type"])
            case _:
                pass
    return lines


# A turn


def test_an_answer_is_played_and_stops_when_it_was_heard() -> None:
    at = playing()
    at.hear(DONE, ENDED)
    at.tell(Played("i", 299))
    assert "output_audio_buffer.stopped" not in told(at)
    at.tell(Played("i", 300))
    assert told(at) == [
        "response.created", "conversation.item.added",
        "100 ms", "output_audio_buffer.started", "100 ms", "100 ms",
        "conversation.item.done", "response.done", "output_audio_buffer.stopped",
    ]  # fmt: skip


def test_what_was_played_before_the_end_of_a_slow_answer_does_not_stop_it() -> None:
    at = playing()
    at.tell(Played("i", 300))
    assert "output_audio_buffer.stopped" not in told(at)
    at.hear(ENDED)
    assert told(at)[-2:] == ["response.done", "output_audio_buffer.stopped"]


def test_two_answers_are_played_one_after_the_other() -> None:
    at = playing()
    at.hear(ENDED, frame("response.created", response=RESPONSE | {"id": "r2"}))
    at.hear(sound(item="j", response="r2"))
    at.log.clear()
    at.tell(Played("i", 300))
    assert told(at) == ["output_audio_buffer.stopped", "output_audio_buffer.started"]


# An interruption


def test_a_user_who_speaks_cuts_the_answer_where_it_was_heard() -> None:
    at = playing()
    at.tell(Played("i", 120))
    at.log.clear()
    at.hear(SPEECH)
    assert told(at) == [
        "input_audio_buffer.speech_started", "hush i", "output_audio_buffer.cleared",
        "up: conversation.item.truncate",
    ]  # fmt: skip
    cut = json.loads(at.up[-1])
    assert cut["event_id"].startswith("event_vivavoce_")
    assert (cut["item_id"], cut["content_index"], cut["audio_end_ms"]) == ("i", 0, 120)

    truncated = frame("conversation.item.truncated", item_id="i", content_index=0, audio_end_ms=120)
    cancelled = frame("response.done", response=RESPONSE | {"status": "cancelled"})
    at.hear(DONE, cancelled, truncated)
    assert told(at)[-3:] == [
        "conversation.item.done", "response.done", "conversation.item.truncated",
    ]  # fmt: skip
    spoken = at.relay.ledger["i"]
    assert (spoken.sent_ms, spoken.heard_ms, spoken.said) == (300, 120, "It is noon.")


def test_the_user_interrupts_an_answer_that_the_upstream_has_finished() -> None:
    at = playing()
    at.hear(DONE, ENDED)
    at.tell(Played("i", 40))
    at.hear(SPEECH)
    assert told(at)[-3:] == [
        "hush i", "output_audio_buffer.cleared", "up: conversation.item.truncate",
    ]  # fmt: skip
    assert json.loads(at.up[-1])["audio_end_ms"] == 40
    assert at.relay.ledger["i"].heard == "It —"


def test_sound_that_was_on_its_way_is_not_played_after_an_interruption() -> None:
    at = playing()
    at.hear(SPEECH)
    at.log.clear()
    at.hear(sound(), sound())
    assert told(at) == []
    at.hear(ENDED, frame("response.created", response=RESPONSE | {"id": "r2"}))
    at.hear(sound(item="j", response="r2"))
    assert told(at)[-2:] == ["100 ms", "output_audio_buffer.started"]


def test_a_session_that_does_not_interrupt_plays_on() -> None:
    detection = {"type": "server_vad", "interrupt_response": False}
    at = RelayScenario(plays_out=True, opened=False)
    at.hear(CREATED, updated(input={"turn_detection": detection}))
    at.hear(BEGUN, ADDED, sound(), SPEECH, sound())
    assert told(at)[-2:] == ["input_audio_buffer.speech_started", "100 ms"]
    at.hear(updated(input={"turn_detection": {"type": "server_vad"}}), SPEECH)
    assert "output_audio_buffer.cleared" in told(at)


def test_words_outside_of_the_conversation_are_hushed_and_not_truncated() -> None:
    """A filler: its item is in no conversation, so the upstream could not truncate it."""
    at = RelayScenario(plays_out=True)
    at.hear(BEGUN, sound(), SPEECH)
    assert told(at)[-2:] == ["hush i", "output_audio_buffer.cleared"]
    assert "i" not in at.relay.ledger


def test_an_upstream_that_refuses_to_truncate_is_not_the_clients_affair() -> None:
    at = playing()
    at.hear(SPEECH)
    cut = json.loads(at.up[-1])
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "too long",
             "param": None, "event_id": cut["event_id"]}  # fmt: skip
    at.log.clear()
    at.hear(frame("error", error=error))
    assert told(at) == []


# The client's own stop


def test_a_client_clears_what_is_played_and_nothing_goes_up() -> None:
    at = playing()
    at.log.clear()
    at.say(CLEAR)
    assert told(at) == ["hush i", "output_audio_buffer.cleared"]
    at.hear(sound())
    assert told(at)[2:] == []


def test_a_clear_with_nothing_to_clear_is_ignored() -> None:
    at = RelayScenario(plays_out=True)
    at.say(CLEAR)
    assert told(at) == []


def test_a_clear_over_websocket_still_goes_to_the_upstream() -> None:
    at = RelayScenario()
    at.say(CLEAR)
    assert at.log == [], "it is forwarded without the machine"


# Formats


@pytest.mark.parametrize(("name", "law"), [("audio/pcmu", "ulaw"), ("audio/pcma", "alaw")])
def test_an_upstream_with_g711_is_played_at_24_khz(name: str, law: g711.Law) -> None:
    at = RelayScenario(plays_out=True, opened=False)
    at.hear(CREATED, updated(output={"format": {"type": name}}))
    at.hear(BEGUN, ADDED)
    at.log.clear()
    coded = g711.encode(b"\0\x10" * 160, law)
    delta = base64.b64encode(coded).decode()
    twenty = frame("response.output_audio.delta", response_id="r", item_id="i", output_index=0,
                   content_index=0, delta=delta)  # fmt: skip
    at.hear(*[twenty] * 50, DONE, ENDED)
    events = [e.event for e in at.log if isinstance(e, ForwardToClients)]
    played = b"".join(e.delta for e in events if isinstance(e, server.AudioDelta))
    assert len(played) == 1000 * 48, "to the last sample"
    middle = played[24_000:24_002]
    assert abs(int.from_bytes(middle, "little", signed=True) - 0x1000) <= 0x80
    at.tell(Played("i", 1000))
    assert told(at)[-1] == "output_audio_buffer.stopped"
    assert at.relay.ledger["i"].heard_ms == 1000


def test_the_users_sound_goes_up_in_the_upstreams_format() -> None:
    at = RelayScenario(plays_out=True)
    pcm = b"\0\x10" * 480
    assert at.relay.encode_audio(pcm) == pcm
    at.hear(updated(input={"format": {"type": "audio/pcmu"}}))
    coded = b"".join(at.relay.encode_audio(pcm) for _ in range(50))
    assert 7900 < len(coded) <= 8000
    assert abs(int.from_bytes(g711.decode(coded[4000:4001], "ulaw"), "little") - 0x1000) < 0x100
    at.hear(updated(input={"format": {"type": "audio/pcm", "rate": 24000}}))
    assert at.relay.encode_audio(pcm) == pcm


# Time


def test_a_user_who_listens_is_not_inactive() -> None:
    at = playing(inactivity_s=60.0)
    at.hear(DONE, ENDED)
    at.wait(100)
    at.tell(Played("i", 300))
    at.wait(59)
    assert not at.relay.closed
    at.wait(2)
    assert at.errors == ["session_idle"]


# Another upstream


def test_the_sound_of_a_lost_upstream_is_played_to_its_end_or_to_an_interruption() -> None:
    at = playing()
    at.hear(DONE)
    at.relay.replace_upstream(at.now)
    at.log += at.relay.effects()
    at.hear(CREATED, UPDATED)
    at.log.clear()
    at.tell(Played("i", 60))
    at.hear(SPEECH)
    assert told(at)[1:] == [
        "hush i", "output_audio_buffer.cleared", "conversation.item.truncated",
    ]  # fmt: skip
    (item,) = at.relay.conversation
    assert item.id == "i"
    assert at.relay.ledger["i"].heard_ms == 60


def test_the_end_of_a_call_while_sound_plays_is_no_fault() -> None:
    at = playing()
    at.tell(UpstreamLost(1000, ""))
    assert at.relay.closed


def test_a_relay_for_websocket_clients_plays_nothing() -> None:
    at = RelayScenario()
    at.hear(BEGUN, ADDED, sound(), sound(), SPEECH, DONE, ENDED)
    at.tell(Played("i", 100))
    assert not [line for line in told(at) if "buffer.started" in line or line.startswith("hush")]
    assert at.relay.ledger["i"].sent_ms == 200, json.dumps(SAID)
