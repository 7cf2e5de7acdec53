"""The contract of `ClientPort`, and whole calls with clients of each kind."""

from __future__ import annotations

import asyncio
import base64
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.core.inputs import AudioReceived, InvalidFrame, Played, SessionInput
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.close_codes import CloseCode
from vivavoce.protocol.config import Pcmu, SessionConfig
from vivavoce.runtime.client import Client
from vivavoce.runtime.client_port import ClientPort
from vivavoce.runtime.dialects import GA, Dialect
from vivavoce.runtime.driver import SessionDriver
from vivavoce.runtime.media_client import MediaClient
from vivavoce.runtime.outbox import Outbox
from vivavoce.runtime.outgoing_event import OutgoingEvent
from vivavoce.runtime.playback import Playback
from vivavoce.runtime.reader import SessionReader

from ..support.beta_dialect import BetaDialect
from ..support.fakes import LOUD, ExactDecoder, FakeBrain, FakeTts, speech
from ..support.media_wire import MediaWire
from ..support.scenario import config
from ..support.upstream import RawWire
from ..support.virtual_time import VirtualLoop, live
from .test_driver import ASK, HELLO, Call

LIMIT = 400
AUDIO_LIMIT = 2000 * audio.BYTES_PER_MS
TURNS_S = 1.0  # on a slow machine the reader leaves the loop, and goes on within this time


@dataclass
class RecordingDriver:
    """Keeps what a port passes on, in order."""

    inputs: list[tuple[SessionInput, int | None]] = field(default_factory=list)
    detached: list[tuple[int, int]] = field(default_factory=list)
    port: ClientPort | None = None

    def feed(self, event: SessionInput, client_id: int | None = None) -> None:
        self.inputs.append((event, client_id))

    def detach(self, client_id: int, code: int, reason: str) -> None:
        self.detached.append((client_id, code))

    def reconcile(self) -> None:
        if self.port is not None:
            self.port.update_backpressure()


@dataclass
class Rig:
    """A port with its driver on one side, and its connection on the other."""

    dialect: Dialect = GA
    media: bool = False
    read_every_s: float = 0.0
    driver: RecordingDriver = field(default_factory=RecordingDriver)

    def __post_init__(self) -> None:
        self.wire = RawWire(read_every_s=self.read_every_s)
        outbox = Outbox(self.wire, asyncio.get_running_loop().time, limit=LIMIT)
        self.channel = self.wire.client = Client(
            self.driver,
            7,
            self.wire,
            outbox,
            lambda port: SessionReader(self.driver, port, ExactDecoder()),
            dialect=self.dialect,
        )
        self.audio = MediaWire()
        self.port: ClientPort = (
            MediaClient(self.driver, self.channel, self.audio, limit=AUDIO_LIMIT)
            if self.media
            else self.channel
        )
        self.driver.port = self.port


MakeRig: TypeAlias = Callable[..., Rig]


def event_client(**how: float) -> Rig:
    return Rig(read_every_s=how.get("read_every_s", 0.0))


def beta_client(**how: float) -> Rig:
    return Rig(BetaDialect(), read_every_s=how.get("read_every_s", 0.0))


def media_client(**how: float) -> Rig:
    return Rig(media=True, read_every_s=how.get("read_every_s", 0.0))


PORTS = [event_client, beta_client, media_client]  # a port joins the contract here
every_port = pytest.mark.parametrize("make", PORTS)


def speech_started(event_id: str = "event_1") -> OutgoingEvent:
    return OutgoingEvent(
        server.SpeechStarted(event_id=event_id, audio_start_ms=0, item_id="item_1")
    )


def ids(wire: RawWire) -> list[str]:
    return [json.loads(data)["event_id"] for data in wire.frames]


# The contract


@every_port
def test_send_keeps_order_behind_a_receipt_until_its_commit(make: MakeRig) -> None:
    async def story() -> None:
        rig = make()
        assert rig.port.send(speech_started("event_1"))
        assert rig.port.send(speech_started("event_2"), receipt=1)
        assert rig.port.send(speech_started("event_3"))
        assert ids(rig.wire) == ["event_1"]
        rig.port.committed(1)
        assert ids(rig.wire) == ["event_1", "event_2", "event_3"]

    live(story())


@every_port
def test_send_reports_when_the_frame_was_written(make: MakeRig) -> None:
    async def story() -> None:
        rig, held = make(), list[bool]()
        rig.port.send(speech_started(), receipt=1, written=held.append)
        assert held == []
        rig.port.committed(1)
        assert held == [False]

    live(story())


@every_port
def test_abort_drops_waiting_frames_and_writes_the_last_event(make: MakeRig) -> None:
    async def story() -> None:
        rig = make()
        rig.port.send(speech_started("event_1"), receipt=1)
        rig.port.abort(1011, "storage_unavailable", speech_started("event_last"))
        rig.port.committed(1)
        assert rig.port.send(speech_started("event_2")) in (True, False)
        assert ids(rig.wire) == ["event_last"]
        assert rig.port.closed
        assert rig.wire.closed is not None
        assert rig.wire.closed[1:] == (1011, "storage_unavailable")

    live(story())


@every_port
def test_close_writes_waiting_frames_first(make: MakeRig) -> None:
    async def story() -> None:
        rig = make()
        rig.port.send(speech_started(), receipt=1)
        rig.port.close(1000, "done")
        assert rig.wire.closed is None
        rig.port.committed(1)
        assert ids(rig.wire) == ["event_1"]
        assert rig.port.closed

    live(story())


@every_port
def test_a_port_whose_client_reads_slowly_is_full_and_has_a_deadline(make: MakeRig) -> None:
    async def story() -> None:
        rig = make(read_every_s=1.0)
        for number in range(9):
            rig.port.send(speech_started(f"event_{number}"))
        assert rig.port.full
        assert rig.port.deadline() == 10.0
        rig.port.update_backpressure()
        assert not rig.wire.reading
        await asyncio.sleep(20)
        assert not rig.port.full
        assert rig.port.deadline() is None
        assert rig.wire.reading

    live(story())


@every_port
def test_a_port_that_overflows_closes_its_client(make: MakeRig) -> None:
    async def story() -> None:
        rig = make(read_every_s=1000.0)
        for number in range(50):
            rig.port.send(speech_started(f"event_{number}"))
        assert rig.port.closed
        assert rig.wire.closed is not None
        assert rig.wire.closed[1] == CloseCode.TRY_AGAIN_LATER

    live(story())


@every_port
def test_forward_writes_a_frame_unchanged_and_says_when_the_client_is_full(make: MakeRig) -> None:
    async def story() -> None:
        rig = make(read_every_s=1.0)
        frame = b'{"type": "new.event",  "event_id": "event_1", "padding": "' + b"x" * 200 + b'"}'
        assert [rig.port.forward(memoryview(frame)) for _ in range(6)] == [False] * 5 + [True]
        await asyncio.sleep(10)
        assert rig.wire.frames == [frame] * 6

    live(story())


@every_port
def test_frames_of_the_client_reach_the_machine_in_order(make: MakeRig) -> None:
    async def story() -> None:
        rig = make()
        rig.channel.frame(codec.encode(client.AudioAppend(audio=LOUD)))
        rig.channel.frame(b"not JSON")
        rig.channel.frame(codec.encode(client.AudioCommit()))
        await asyncio.sleep(TURNS_S)
        audio_received, invalid, commit = (event for event, _ in rig.driver.inputs)
        assert isinstance(audio_received, AudioReceived)
        assert isinstance(invalid, InvalidFrame)
        assert isinstance(commit, client.AudioCommit)
        assert {client_id for _, client_id in rig.driver.inputs} == {7}

    live(story())


@every_port
def test_the_reader_takes_decoded_events_and_pcm_in_the_order_of_frames(make: MakeRig) -> None:
    async def story() -> None:
        rig = make()
        rig.port.reader.audio(LOUD)
        rig.port.reader.event(client.AudioCommit())
        rig.channel.frame(codec.encode(client.ResponseCancel()))
        await asyncio.sleep(TURNS_S)
        assert [type(event) for event, _ in rig.driver.inputs] == [
            AudioReceived, client.AudioCommit, client.ResponseCancel,
        ]  # fmt: skip
        received = rig.driver.inputs[0][0]
        assert isinstance(received, AudioReceived)
        assert received.pcm == LOUD

    live(story())


@every_port
def test_nothing_is_read_after_stop_reading(make: MakeRig) -> None:
    async def story() -> None:
        rig = make()
        rig.port.stop_reading()
        rig.channel.frame(codec.encode(client.AudioCommit()))
        rig.port.reader.event(client.AudioCommit())
        rig.port.reader.audio(LOUD)
        assert rig.driver.inputs == []

    live(story())


@every_port
def test_a_lost_connection_detaches_the_client(make: MakeRig) -> None:
    async def story() -> None:
        rig = make()
        rig.channel.lost(1006, "")
        rig.channel.frame(codec.encode(client.AudioCommit()))
        assert rig.driver.detached == [(7, 1006)]
        assert rig.port.closed
        assert rig.driver.inputs == []

    live(story())


# A client that gets media


def played(rig: Rig) -> list[SessionInput]:
    return [event for event, _ in rig.driver.inputs]


def test_play_is_paced_and_each_packet_is_reported() -> None:
    async def story() -> None:
        rig = media_client()
        rig.port.play("item_1", audio.silence(250))
        rig.port.play("item_2", audio.silence(40))
        await asyncio.sleep(1)
        assert rig.audio.times == [round(n * 0.02, 3) for n in range(15)]
        assert {len(pcm) for _, pcm in rig.audio.packets} == {20 * audio.BYTES_PER_MS}
        positions = [*range(20, 250, 20), 250]
        assert played(rig) == [
            *(Played("item_1", ms) for ms in positions),
            Played("item_2", 20),
            Played("item_2", 40),
        ]

    live(story())


def test_chunks_of_any_length_are_played_without_gaps() -> None:
    async def story() -> None:
        rig = media_client()
        pcm = bytes(range(1, 251)) * 24
        for at in range(0, len(pcm), 70):
            rig.port.play("item_1", pcm[at : at + 70])
        await asyncio.sleep(1)
        written = b"".join(packet for _, packet in rig.audio.packets)
        assert written.rstrip(b"\0") == pcm
        assert played(rig)[-1] == Played("item_1", len(pcm) // audio.BYTES_PER_MS)

    live(story())


def test_items_whose_chunks_alternate_are_played_one_after_the_other() -> None:
    async def story() -> None:
        rig = media_client()
        for _ in range(3):
            rig.port.play("item_1", b"\1\1" * 24 * 40)
            rig.port.play("item_2", b"\2\2" * 24 * 40)
        await asyncio.sleep(1)
        written = b"".join(packet for _, packet in rig.audio.packets)
        assert written == b"\1\1" * 24 * 120 + b"\2\2" * 24 * 120

    live(story())


def test_an_answer_of_less_than_one_packet_is_played_too() -> None:
    async def story() -> None:
        rig = media_client()
        rig.port.play("item_1", audio.silence(5))
        await asyncio.sleep(1)
        assert rig.audio.times == [0.02]
        assert played(rig) == [Played("item_1", 5)]

    live(story())


def test_an_item_of_no_whole_milliseconds_is_reported_to_its_end() -> None:
    async def story() -> None:
        rig = media_client()
        rig.port.play("item_1", audio.silence(50) + bytes(2))
        await asyncio.sleep(1)
        assert played(rig)[-1] == Played("item_1", 51)  # as the core counts what was sent

    live(story())


def test_the_position_of_an_item_goes_on_after_a_pause_of_the_engine() -> None:
    async def story() -> None:
        rig = media_client()
        rig.port.play("item_1", audio.silence(60))
        await asyncio.sleep(1)
        rig.port.play("item_1", audio.silence(40))
        await asyncio.sleep(1)
        assert played(rig) == [Played("item_1", ms) for ms in (20, 40, 60, 80, 100)]
        assert rig.audio.times[3:] == [1.0, 1.02]

    live(story())


def test_packets_follow_absolute_deadlines_when_the_loop_is_late() -> None:
    async def story() -> None:
        rig, loop = media_client(), asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        rig.port.play("item_1", audio.silence(1000))
        await asyncio.sleep(0.09)
        loop.skip(0.1)  # work that blocks the loop: five packets are late
        await asyncio.sleep(0.001)
        assert len(rig.audio.packets) == 10
        loop.skip(10)  # too late to catch up: the rest is not played faster
        await asyncio.sleep(0.001)
        assert len(rig.audio.packets) == 11

    live(story())


def test_a_long_answer_keeps_only_the_audio_that_waits() -> None:
    async def story() -> int:
        rig = media_client()
        assert isinstance(rig.port, MediaClient)
        rig.port.play("item_1", audio.silence(1000))  # the engine is always a second ahead
        tracemalloc.start()
        for _ in range(6000):
            rig.port.play("item_1", audio.silence(20))
            await asyncio.sleep(0.02)
            rig.audio.packets.clear()
            rig.driver.inputs.clear()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return kept

    assert live(story()) < 500_000  # two minutes are 5.8 MB


def test_an_item_that_begins_while_a_position_is_reported_is_played_in_real_time() -> None:
    async def story() -> list[float]:
        wire, begun = MediaWire(), list[str]()

        def report(item_id: str, ms: int) -> None:
            if not begun:
                begun.append(item_id)
                playback.play("item_2", audio.silence(100))

        playback = Playback(wire, report, lambda: None, timeout_s=10)
        playback.play("item_1", audio.silence(20))
        await asyncio.sleep(1)
        return wire.times

    assert live(story()) == [round(n * 0.02, 3) for n in range(6)]


def test_hush_drops_the_queued_audio_of_one_item_and_reports_its_position() -> None:
    async def story() -> None:
        rig = media_client()
        rig.port.play("item_1", audio.silence(1000))
        rig.port.play("item_2", audio.silence(100))
        await asyncio.sleep(0.15)
        rig.port.hush("item_1")
        assert played(rig)[-1] == Played("item_1", 140)  # its eighth packet is played now
        await asyncio.sleep(2)
        after = [Played("item_2", ms) for ms in range(20, 101, 20)]
        assert played(rig)[-6:] == [Played("item_1", 160), *after]
        assert rig.audio.ms == 160 + 100

    live(story())


def test_audio_that_waits_makes_the_engines_wait_and_the_user_is_still_read() -> None:
    async def story() -> None:
        rig = media_client()
        rig.port.play("item_1", audio.silence(2100))
        rig.port.update_backpressure()
        assert rig.port.full
        assert rig.port.deadline() is None  # the client is not slow
        assert rig.wire.reading
        assert rig.audio.reading
        await asyncio.sleep(0.2)
        assert not rig.port.full

    live(story())


def test_a_media_client_that_reads_nothing_is_full_and_has_a_deadline() -> None:
    async def story() -> None:
        rig = media_client()
        rig.port.play("item_1", audio.silence(1000))
        await asyncio.sleep(0.09)
        rig.audio.full = True
        await asyncio.sleep(5)
        assert played(rig)[-1] == Played("item_1", 100)
        assert rig.port.deadline() == pytest.approx(10.1)
        rig.audio.full = False
        assert isinstance(rig.port, MediaClient)
        rig.port.writable()
        assert rig.port.deadline() is None
        await asyncio.sleep(2)
        assert played(rig)[-1] == Played("item_1", 1000)
        assert rig.audio.ms == 1000

    live(story())


def test_a_media_client_that_is_closed_or_lost_plays_nothing_more() -> None:
    async def story() -> None:
        closed, lost = media_client(), media_client()
        for rig in (closed, lost):
            rig.port.play("item_1", audio.silence(1000))
        closed.port.close(1000, "done")
        lost.channel.lost(1006, "")
        for rig in (closed, lost):
            rig.port.play("item_1", audio.silence(1000))
            await asyncio.sleep(3)
            assert rig.audio.ms == 20
            assert played(rig) == []

    live(story())


def test_a_reader_that_is_behind_pauses_the_audio_of_its_client() -> None:
    async def story() -> None:
        rig = media_client()
        for number in range(60):
            rig.port.send(speech_started(f"event_{number}"), receipt=1)
            if rig.port.full:
                break
        rig.port.update_backpressure()
        assert not rig.audio.reading
        rig.port.committed(1)
        rig.port.update_backpressure()
        assert rig.audio.reading

    live(story())


def test_an_answer_to_a_media_client_is_played_in_real_time_and_reported_as_heard() -> None:
    call = Call(ASK, plays_out=True, brain=FakeBrain(["It is noon."])).live()
    assert call.audio.ms == 300
    times = call.audio.times
    assert times[-1] - times[0] == pytest.approx(0.28)
    assert call.wire.audio_chunks == 0
    assert call.wire.first(server.AudioDone)
    assert call.wire.first(server.PlayoutStopped)[0] == pytest.approx(times[-1] + 0.02)
    row = next(row for row in call.store.rows.values() if row.sent_ms)
    assert row.heard_ms == row.sent_ms == 300


def test_an_interruption_silences_a_media_client_before_it_reads_about_it() -> None:
    script = [*speech(0, 1), *speech(4, 4.5)]
    call = Call(script, tts=FakeTts(chunks=1000), plays_out=True).live()
    interrupted = call.wire.all(server.SpeechStarted)[1][0]
    _, truncated = call.wire.first(server.ItemTruncated)
    before = [at for at in call.audio.times if at <= interrupted]
    assert min(at for at in call.audio.times[len(before) :]) > interrupted + 0.2  # the next answer
    assert 0 < truncated.audio_end_ms <= 20 * len(before)


def test_a_truncated_item_ends_at_the_packet_that_was_heard_last() -> None:
    script = [*speech(0, 1), *speech(4, 4.5)]
    call = Call(script, tts=FakeTts(chunks=1000), plays_out=True).live()
    interrupted = call.wire.all(server.SpeechStarted)[1][0]
    _, truncated = call.wire.first(server.ItemTruncated)
    heard_ms = (interrupted - call.audio.times[0]) * 1000
    assert heard_ms - 20.001 <= truncated.audio_end_ms <= heard_ms


def test_an_out_of_band_answer_of_a_media_client_is_interrupted_too() -> None:
    aside = client.ResponseCreate(response=client.ResponseOptions(conversation="none"))
    asked: list[tuple[float, client.ClientEvent]]
    asked = [(0.5, client.ItemCreate(item=HELLO)), (1.0, aside)]
    script = [*asked, *speech(4, 4.5)]
    call = Call(script, tts=FakeTts(chunks=1000), plays_out=True).live()
    interrupted, _ = call.wire.first(server.SpeechStarted)
    aside_times = [at for at in call.audio.times if at < interrupted]
    assert len(aside_times) > 100
    assert not [at for at in call.audio.times if interrupted < at < interrupted + 0.2]
    cleared, _ = call.wire.first(server.PlayoutCleared)
    assert cleared == interrupted
    assert call.statuses[0] == "cancelled"
    assert not call.wire.all(server.ItemTruncated), "its item is in no conversation"


def test_audio_of_a_media_client_starts_a_turn_without_any_event_of_its() -> None:
    call = Call([], plays_out=True, hang_up_at=6)

    def begun(driver: SessionDriver) -> None:
        loop = asyncio.get_running_loop()
        for at, event in speech(0, 1):
            assert isinstance(event, client.AudioAppend)
            loop.call_at(at, driver.feed_audio, event.audio, 1)

    live(call._run(begun))
    assert call.wire.first(server.TranscriptionCompleted)[1].transcript == "what time is it"
    assert call.statuses == ["completed"]


def test_an_event_that_a_port_decoded_reaches_the_machine() -> None:
    call = Call([], plays_out=True, hang_up_at=6)

    def begun(driver: SessionDriver) -> None:
        driver.feed_event(client.ItemCreate(item=HELLO), 1)
        driver.feed_event(client.ItemCreate(item=HELLO), 99)  # a client that has left
        driver.feed_audio(LOUD, 99)

    live(call._run(begun))
    assert len(call.wire.all(server.ItemAdded)) == 1


# Dialects


def test_an_event_is_encoded_once_per_dialect() -> None:
    async def story() -> None:
        beta = BetaDialect()
        rigs = [Rig(beta), Rig(beta), Rig(), Rig()]
        event = OutgoingEvent(
            server.TextDelta(
                event_id="event_1", response_id="resp_1", item_id="item_1", output_index=0,
                content_index=0, delta="hello",
            )
        )  # fmt: skip
        assert [rig.port.send(event) for rig in rigs] == [True] * 4
        assert beta.encoded == ["response.output_text.delta"]
        frames = [frame for rig in rigs for frame in rig.wire.frames]
        assert frames[0] is frames[1]
        assert frames[2] is frames[3]
        kinds = [json.loads(frame)["type"] for frame in frames]
        assert kinds == ["response.text.delta"] * 2 + ["response.output_text.delta"] * 2

    live(story())


def test_an_event_that_a_dialect_does_not_have_is_not_sent() -> None:
    async def story() -> None:
        rig, held = beta_client(), list[bool]()
        done = OutgoingEvent(server.ItemDone(previous_item_id=None, item=HELLO))
        assert not rig.port.send(done, written=held.append)
        rig.port.send(speech_started(), written=held.append)
        assert rig.wire.kinds == ["input_audio_buffer.speech_started"]
        assert held == [False]

    live(story())


def test_a_client_is_read_in_its_dialect() -> None:
    flat = b'{"type": "session.update", "session": {"modalities": ["text"]}}'

    async def story() -> None:
        beta, ga = beta_client(), event_client()
        beta.channel.frame(flat)
        ga.channel.frame(flat)
        await asyncio.sleep(TURNS_S)
        (translated, _), (same, _) = *beta.driver.inputs, *ga.driver.inputs
        assert isinstance(translated, client.SessionUpdate)
        assert isinstance(same, client.SessionUpdate)
        assert translated.session == {"type": "realtime", "output_modalities": ["text"]}
        assert same.session == {"modalities": ["text"]}

    live(story())


def test_a_frame_of_an_upstream_is_translated_for_other_dialects_and_passed_on_for_ga() -> None:
    known = codec.encode(
        server.TextDelta(
            event_id="event_1", response_id="resp_1", item_id="item_1", output_index=0,
            content_index=0, delta="hi",
        )
    )  # fmt: skip
    frame = known.replace(b":", b": ")  # an upstream's own way of writing

    async def story() -> None:
        for event, kind in ((codec.decode_server(frame), "response.text.delta"), (None, None)):
            outgoing = OutgoingEvent(event, frame)
            beta, ga = beta_client(), event_client()
            beta.port.send(outgoing)
            ga.port.send(outgoing)
            assert ga.wire.frames == [frame]
            assert beta.wire.kinds == [kind or "response.output_text.delta"]

    live(story())


def test_each_client_has_its_own_resampler_for_g711() -> None:
    """A client that attaches during an answer must not disturb the audio of another."""
    session = config()
    spoken = session.merged(
        {"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    )
    assert isinstance(spoken, SessionConfig)
    assert isinstance(spoken.audio.output.format, Pcmu)
    call = Call(ASK, settings=spoken, sideband=None)
    late = RawWire()

    def begun(driver: SessionDriver) -> None:
        def attach() -> None:
            late.client = driver.attach(late, lambda port: SessionReader(driver, port, None))
            asyncio.get_running_loop().call_at(9.0, late.client.lost, 1000, "")

        asyncio.get_running_loop().call_at(0.41, attach)

    live(call._run(begun))
    heard = b"".join(event.delta for _, event in call.wire.all(server.AudioDelta))
    assert abs(len(heard) - 6 * 100 * 8) <= 8  # six chunks of 100 ms, 8 bytes a millisecond
    deltas = [json.loads(data)["delta"] for data in late.frames if b"audio.delta" in data]
    assert deltas
    assert abs(sum(len(base64.b64decode(delta)) for delta in deltas) - 5 * 100 * 8) <= 8
