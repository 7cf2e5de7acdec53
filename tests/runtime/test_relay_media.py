"""A relayed call whose client is a telephone: the server plays what the upstream sends."""

from __future__ import annotations

import json

from vivavoce.audio.pcm import silence

from ..core.test_relay_media import sound
from ..support.media_wire import MediaWire
from ..support.upstream import NEWS, RawWire, frame
from .test_relay import BEGUN, RESPONSE, Call

ITEM = {"id": "i", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
ADDED = frame("conversation.item.added", previous_item_id=None, item=ITEM)
ENDED = frame("response.done", response=RESPONSE | {"status": "completed"})
SPEECH = frame("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)


def truncations(call: Call) -> list[int]:
    events = map(json.loads, call.upstream.frames)
    return [e["audio_end_ms"] for e in events if e["type"] == "conversation.item.truncate"]


def test_a_telephone_hears_the_answer_in_real_time_and_nothing_else() -> None:
    """The upstream sends a second of sound at once. Events are not for a telephone."""

    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, BEGUN, ADDED, NEWS, sound(1000), ENDED)

    wire = MediaWire()
    call = Call(media=wire, silent=True).live(plot)
    assert {len(pcm) for _, pcm in wire.packets} == {960}
    assert wire.ms == 1000
    assert wire.times[:3] == [1.0, 1.02, 1.04]
    assert wire.times[-1] == 1.98
    assert call.client.frames == []


def test_a_telephone_interrupts_and_the_upstream_learns_where() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, BEGUN, ADDED, sound(3000), ENDED)
        call.at(1.51)(call.upstream.says, SPEECH)

    wire = MediaWire()
    call = Call(media=wire, silent=True).live(plot)
    assert wire.times[-1] == 1.5
    assert truncations(call) == [500]


def test_an_interruption_is_read_behind_a_minute_of_sound() -> None:
    """Read the upstream, though more waits than a client's outbox takes."""

    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, BEGUN, ADDED, *[sound(1000)] * 60, ENDED)
        call.at(1.1)(lambda: reading.append(call.upstream.reading))
        call.at(2.01)(call.upstream.says, SPEECH)

    wire, reading = MediaWire(), list[bool]()
    call = Call(media=wire).live(plot)
    assert reading == [True]
    assert truncations(call) == [1000]


def test_clients_read_events_in_the_order_of_webrtc() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, BEGUN, ADDED, sound(100), ENDED)

    call = Call(media=MediaWire()).live(plot)
    assert call.client.kinds == [
        "session.created", "response.created", "conversation.item.added",
        "output_audio_buffer.started", "response.done", "output_audio_buffer.stopped",
    ]  # fmt: skip
    stopped = json.loads(call.client.frames[-1])
    assert stopped["response_id"] == "r"
    assert call.client.got[-1][0] == 1.1


def test_what_the_user_says_goes_up_as_events() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.port.feed_audio, silence(20))

    call = Call(media=MediaWire()).live(plot)
    (append,) = [data for data in call.upstream.frames if b"append" in data]
    assert json.loads(append)["audio"] == "A" * 1280


def test_a_sideband_reads_the_playout_and_no_audio() -> None:
    wire = RawWire()

    def plot(call: Call) -> None:
        call.at(1.0)(call.controlled_by, wire)
        call.at(2.0)(call.upstream.says, BEGUN, ADDED, sound(100), ENDED)

    Call(media=MediaWire()).live(plot)
    assert "output_audio_buffer.started" in wire.kinds
    assert "response.output_audio.delta" not in wire.kinds
