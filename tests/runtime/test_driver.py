"""A call with an engine: timing, interruptions, failures, storage, slow clients. Virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.access.auth_failure import withdrawn
from vivavoce.core.call_settings import CallSettings
from vivavoce.core.inputs import SessionInput
from vivavoce.core.session import Session
from vivavoce.engines.cascade import PIECES_AHEAD, Cascade
from vivavoce.errors import ConversationDeletedError
from vivavoce.protocol import client, codec, grammar, server
from vivavoce.protocol.client import ClientEvent
from vivavoce.protocol.config import ServerVad, SessionConfig
from vivavoce.protocol.items import FunctionCall, Message, Part
from vivavoce.runtime.client_port import ClientPort, Reader
from vivavoce.runtime.driver import CallDriver, SessionDriver
from vivavoce.runtime.engine_work import UTTERANCES, EngineWork
from vivavoce.runtime.group_commit import GroupCommitter
from vivavoce.runtime.metrics import CallMetrics
from vivavoce.runtime.reader import SessionReader
from vivavoce.runtime.recorder import Recorder
from vivavoce.runtime.tool_work import ToolWork
from vivavoce.runtime.traffic import TrafficCounters
from vivavoce.store.base import Change
from vivavoce.tools.base import ToolRunner
from vivavoce.tools.runners import ToolRunners

from ..support.fakes import (
    BROKEN,
    LOUD,
    WINDOW,
    ExactDecoder,
    FakeBrain,
    FakeJudge,
    FakeStt,
    FakeTts,
    FakeWire,
    SlowStore,
    now,
    speech,
)
from ..support.function_tools import FunctionTools
from ..support.media_wire import MediaWire
from ..support.scenario import config, numbered_ids
from ..support.virtual_time import VirtualLoop, live

REPLY = ["It is ", "noon. ", "Time for lunch."]
ASK: list[tuple[float, ClientEvent]] = [(0.0, client.ResponseCreate())]
HELLO = Message(role="user", content=(Part(type="input_text", text="hello"),))


def wall() -> datetime:
    return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=now())


async def lookup() -> str:
    """Look something up."""
    return "42"


@dataclass
class Call:
    """Everything around one line, each part as slow or broken as the story wants it."""

    script: Sequence[tuple[float, ClientEvent]]
    hang_up_at: float = 10.0
    wire: FakeWire = field(default_factory=FakeWire)
    sideband: FakeWire | None = None
    stt: FakeStt = field(default_factory=FakeStt)
    brain: FakeBrain = field(default_factory=lambda: FakeBrain(REPLY))
    tts: FakeTts = field(default_factory=FakeTts)
    store: SlowStore = field(default_factory=SlowStore)
    settings: SessionConfig = field(default_factory=config)
    limit: int = 20_000
    run_ahead_s: float | None = None
    plays_out: bool = False
    session: type[Session] = Session
    metrics: CallMetrics | None = None
    judge: FakeJudge | None = None
    inactivity_s: float | None = None
    traffic: TrafficCounters = field(default_factory=TrafficCounters)
    tools: ToolRunner = field(default_factory=lambda: FunctionTools(lookup))
    audio: MediaWire = field(default_factory=MediaWire)  # used if `plays_out`

    def live(self) -> Call:
        live(self._run())
        grammar.check(event for _, event in self.wire.heard)
        return self

    async def _run(self, begun: Callable[[SessionDriver], None] = lambda driver: None) -> None:
        session = self.session(
            self.settings,
            CallSettings(
                server_tools=frozenset({"lookup"}),
                thinks_in_text=True,
                plays_out=self.plays_out,
                scores_end_of_turn=self.judge is not None,
                inactivity_s=self.inactivity_s,
            ),
            now=0.0,
            new_id=numbered_ids(),
        )

        async with GroupCommitter(self.store) as writer:
            engine = Cascade(self.stt, self.brain, self.tts)
            engine_work = EngineWork(
                engine,
                tools=ToolWork(ToolRunners([self.tools])),
                run_ahead_s=self.run_ahead_s,
                end_of_turn_model=self.judge,
            )
            driver = CallDriver(
                session,
                engine_work,
                Recorder("rtc_1", "conv_1", writer.submit, wall=wall, ledger=session.ledger),
                traffic=self.traffic,
                **_seen(self.metrics),
            )

            def reader(client: ClientPort) -> SessionReader:
                return SessionReader(
                    driver, client, ExactDecoder(), behind=lambda: engine_work.is_behind
                )

            def control(client: ClientPort) -> SessionReader:
                return SessionReader(driver, client, None, crowded=driver.over_high_water)

            if self.plays_out:
                self._attach_media(driver, reader)
            else:
                self.wire.client = driver.attach(self.wire, reader, limit=self.limit)
            if self.sideband:
                self.sideband.client = driver.attach(
                    self.sideband, control, sideband=True, limit=2_000
                )
            self.wire.script(self.script, self.hang_up_at)
            begun(driver)
            await driver.run()

    def _attach_media(self, driver: SessionDriver, reader: Callable[[ClientPort], Reader]) -> None:
        port = driver.attach_media(self.audio, reader, events=self.wire, limit=self.limit)
        self.wire.client = port.events

    @property
    def statuses(self) -> list[str]:
        return [e.response.status for _, e in self.wire.all(server.ResponseDone)]


def _seen(metrics: CallMetrics | None) -> dict[str, Any]:
    return (
        {"observers": (metrics.observe_event,), "on_written": metrics.observe_written}
        if metrics
        else {}
    )


# Latency and interruption


def test_the_latency_of_a_turn_is_the_sum_of_its_stages() -> None:
    call = Call(speech(0, 1), brain=FakeBrain(REPLY, first_token_s=0.3)).live()
    stopped, _ = call.wire.first(server.SpeechStopped)
    first_sound, _ = call.wire.first(server.AudioDelta)
    assert first_sound - stopped == pytest.approx(0.2 + 0.3 + 0.1)
    (row,) = call.store.responses.values()
    assert row.first_audio_ms == pytest.approx(600)
    assert row.speech_stopped_at == datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=stopped)


def test_the_recogniser_hears_while_the_user_speaks() -> None:
    call = Call(speech(0, 1)).live()
    word, delta = call.wire.first(server.TranscriptionDelta)
    assert (word, delta.delta) == (0.032, "what")
    assert call.stt.heard_ms == [(31 + 16) * 32]


def test_interrupting_stops_the_engines_at_once() -> None:
    call = Call([*speech(0, 1), *speech(4, 4.5)], tts=FakeTts(chunks=1000)).live()
    assert call.tts.stopped_at[0] == pytest.approx(4.032)  # the second frame
    done = call.wire.all(server.ResponseDone)[0][1].response
    assert done.status == "cancelled"
    assert done.status_details == server.StatusDetails(type="cancelled", reason="turn_detected")


@pytest.mark.parametrize("reads_every", [0.02, 0.05, 0.1])
def test_a_slow_client_is_interrupted_at_once_too(reads_every: float) -> None:
    call = Call(
        [*speech(0, 1), *speech(4, 4.5)],
        wire=FakeWire(read_every_s=reads_every),
        tts=FakeTts(chunks=1000),
        hang_up_at=8,
    ).live()
    assert call.tts.stopped_at[0] == pytest.approx(4.032)  # the second frame


def test_a_slow_client_slows_the_engines_down() -> None:
    wire = FakeWire(read_every_s=0.3)
    call = Call(ASK, wire=wire, tts=FakeTts(chunks=1000), limit=50_000).live()
    assert call.tts.made - wire.audio_chunks <= 2 * 50_000 // 6_400 + 8 + 4 + 4 + 2 * PIECES_AHEAD


def test_a_client_that_reads_nothing_is_closed_after_ten_seconds() -> None:
    wire = FakeWire(read_every_s=1000)
    Call(ASK, wire=wire, tts=FakeTts(chunks=1000), hang_up_at=60, limit=50_000).live()
    assert wire.closed is not None
    at, code, _ = wire.closed
    assert code == 1013
    assert 10 < at < 12
    assert not wire.reading


def test_a_slow_controller_is_closed_and_the_call_goes_on() -> None:
    sideband = FakeWire(read_every_s=5)
    call = Call(ASK, sideband=sideband, tts=FakeTts(chunks=30), hang_up_at=20).live()
    assert sideband.closed is not None
    assert sideband.closed[1] == 1013
    assert not sideband.all(server.AudioDelta)
    assert call.statuses == ["completed"]
    assert call.wire.all(server.ResponseDone)[0][0] < 4


def test_the_engine_stays_a_few_seconds_ahead_of_the_listener() -> None:
    tts = FakeTts(chunks=100, chunk_s=0.0)
    call = Call(ASK, brain=FakeBrain(["Ten seconds."]), tts=tts, run_ahead_s=4.0).live()
    first, _ = call.wire.first(server.AudioDelta)
    last, _ = call.wire.all(server.AudioDelta)[-1]
    assert last - first == pytest.approx(10 - 4 - 0.1)


# Promises


def test_a_receipt_waits_for_its_commit() -> None:
    script: list[tuple[float, ClientEvent]] = [(1.0, client.ItemCreate(item=HELLO))]
    call = Call(script, store=SlowStore(takes_s=0.7)).live()
    assert call.wire.first(server.ItemAdded)[0] == 1.0
    assert call.wire.first(server.ItemDone)[0] == pytest.approx(1.7)
    assert list(call.store.rows) == ["item_2"]


def test_the_first_sound_does_not_wait_for_the_disk_and_the_transcript_does() -> None:
    slow, fast = (Call(speech(0, 1), store=SlowStore(takes_s=s)).live() for s in (0.8, 0.0))
    heard = fast.wire.first(server.AudioDelta)[0]
    assert slow.wire.first(server.AudioDelta)[0] == heard
    written = slow.wire.first(server.TranscriptionCompleted)[0]
    assert written == pytest.approx(fast.wire.first(server.TranscriptionCompleted)[0] + 0.8)


def test_an_interruption_does_not_wait_for_the_disk() -> None:
    script = [*speech(0, 1), *speech(4, 4.5)]
    call = Call(script, store=SlowStore(takes_s=2), tts=FakeTts(chunks=1000)).live()
    assert call.tts.stopped_at[0] == pytest.approx(4.032)  # the second frame


def test_changes_that_arrive_during_a_commit_share_the_next_one() -> None:
    script: list[tuple[float, ClientEvent]] = [
        (0.1 * i, client.ItemCreate(item=HELLO)) for i in range(10)
    ]
    call = Call(script, store=SlowStore(takes_s=0.5)).live()
    assert len(call.wire.all(server.ItemDone)) == 10
    assert sum(call.store.batches) == 10
    assert len(call.store.batches) <= 4


@pytest.mark.parametrize("store", [SlowStore(broken=True), SlowStore(takes_s=60)])
def test_a_failed_commit_sends_no_receipt(store: SlowStore) -> None:
    script: list[tuple[float, ClientEvent]] = [(1.0, client.ItemCreate(item=HELLO))]
    call = Call(script, store=store, hang_up_at=30).live()
    assert not call.wire.all(server.ItemDone)
    _, last = call.wire.heard[-1]
    assert isinstance(last, server.Error)
    assert (last.error.type, last.error.code) == ("server_error", "storage_unavailable")
    assert call.wire.closed is not None
    assert call.wire.closed[1] == 1011


class EmptiedStore(SlowStore):
    """A store whose conversation another process has deleted."""

    async def commit(self, changes: Sequence[Change]) -> None:
        raise ConversationDeletedError("a conversation was deleted")


def test_W2_a_commit_to_a_deleted_conversation_ends_the_call_with_4000() -> None:
    script: list[tuple[float, ClientEvent]] = [(1.0, client.ItemCreate(item=HELLO))]
    call = Call(script, store=EmptiedStore(), hang_up_at=30).live()
    assert call.wire.all(server.ItemAdded)
    assert not call.wire.all(server.ItemDone)
    assert not call.wire.all(server.Error)
    assert call.wire.closed is not None
    assert call.wire.closed[1:] == (4000, "conversation_deleted")


def test_a_transcript_is_stored_even_if_the_session_does_not_send_it() -> None:
    call = Call(speech(0, 1), settings=config(transcribe=False)).live()
    assert not call.wire.all(server.TranscriptionCompleted)
    stored = call.store.rows["item_1"].item
    assert isinstance(stored, Message)
    assert stored.content[0].transcript == "what time is it"


# Failure and the end


def test_a_response_is_made_although_transcription_failed() -> None:
    call = Call(speech(0, 1), stt=FakeStt(broken=BROKEN)).live()
    assert call.wire.first(server.TranscriptionFailed)
    assert call.wire.first(server.AudioDelta)


def test_a_broken_engine_fails_the_reply_and_the_call_goes_on() -> None:
    script: list[tuple[float, ClientEvent]] = [*ASK, (2.0, client.ResponseCreate())]
    call = Call(script, brain=FakeBrain(["Well... "], broken=BROKEN)).live()
    assert call.statuses == ["failed", "failed"]


def test_a_bug_in_an_engine_fails_the_reply_and_the_call_goes_on() -> None:
    script: list[tuple[float, ClientEvent]] = [*ASK, (2.0, client.ResponseCreate())]
    call = Call(script, brain=FakeBrain([], broken=ZeroDivisionError())).live()
    assert call.statuses == ["failed", "failed"]


def test_a_server_tool_is_called_between_two_replies() -> None:
    tool = FunctionCall(call_id="c1", name="lookup", arguments="{}")
    call = Call(ASK, brain=FakeBrain([tool]), hang_up_at=0.5).live()
    assert len(call.wire.all(server.ResponseCreated)) == 2


def test_an_hour_ends_with_an_error_and_1001() -> None:
    call = Call([], hang_up_at=4000).live()
    at, error = call.wire.first(server.Error)
    assert (at, error.error.code) == (3600, "session_expired")
    assert call.wire.closed == (3600, 1001, error.error.message)


def test_the_error_for_an_invalid_frame_goes_to_its_client_only() -> None:
    sideband = FakeWire()
    call = Call([], sideband=sideband, hang_up_at=2)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(1.0, lambda: sideband.say(b"hello"))
        await call._run()

    live(story())
    assert [e.error.code for _, e in sideband.all(server.Error)] == ["invalid_event"]
    assert not call.wire.all(server.Error)


def leave(wire: FakeWire) -> None:
    assert wire.client is not None
    wire.client.lost(1000, "")


def controlled(
    call: Call, *steps: tuple[float, ClientEvent | bytes], leaves_at: float | None = None
) -> FakeWire:
    """Run the call with a sideband that sends these events at their times."""
    wire = call.sideband = call.sideband or FakeWire()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        for at, said in steps:
            loop.call_at(at, wire.say, said if isinstance(said, bytes) else codec.encode(said))
        if leaves_at is not None:
            loop.call_at(leaves_at, leave, wire)
        await call._run()

    live(story())
    grammar.check(event for _, event in call.wire.heard)
    return wire


def test_client_and_sideband_get_the_events_of_each_others_commands() -> None:
    call = Call([(1.0, client.ItemCreate(item=HELLO))])
    update = client.SessionUpdate(session={"type": "realtime", "instructions": "Be brief."})
    sideband = controlled(call, (2.0, update), (3.0, client.ResponseCreate()))
    assert not sideband.all(server.SessionCreated)
    theirs, ours = ([e for _, e in wire.heard if not isinstance(e, server.AudioDelta)]
                    for wire in (sideband, call.wire))  # fmt: skip
    assert theirs == ours[1:]  # all but `session.created`
    assert call.wire.first(server.SessionUpdated)[0] == 2.0
    assert sideband.first(server.ItemAdded)[0] == 1.0
    assert call.wire.all(server.AudioDelta)
    assert not sideband.all(server.AudioDelta)
    assert sideband.all(server.AudioDone)


def test_a_sideband_cancels_the_running_response() -> None:
    call = Call(ASK, tts=FakeTts(chunks=1000))
    sideband = controlled(call, (2.0, client.ResponseCancel()))
    assert call.statuses == ["cancelled"]
    assert sideband.first(server.ResponseDone)[1].response.status == "cancelled"
    assert call.wire.first(server.ResponseDone)[0] == 2.0


def test_a_controller_that_leaves_does_not_end_the_call_and_the_calls_end_is_its_own() -> None:
    call = Call([(3.0, client.ItemCreate(item=HELLO))])
    left = controlled(call, leaves_at=2.0)
    assert left.closed is None
    assert call.wire.first(server.ItemDone)[0] == 3.0
    stays = controlled(Call([], hang_up_at=4.0))
    assert stays.closed == (4.0, 1000, "hung_up")


def test_a_controller_brings_no_sound() -> None:
    call = Call([])
    append = b'{"type":"input_audio_buffer.append","event_id":"mine","audio":"AAAA"}'
    sideband = controlled(call, (1.0, append))
    (error,) = [e.error for _, e in sideband.all(server.Error)]
    assert (error.code, error.param, error.event_id) == ("invalid_value", "type", "mine")
    assert not call.wire.all(server.Error)


def test_a_controller_interrupts_a_slow_client_at_once_too() -> None:
    wire = FakeWire(read_every_s=0.3)
    call = Call(ASK, wire=wire, tts=FakeTts(chunks=1000), hang_up_at=8, limit=20_000)
    controlled(call, (4.0, client.ResponseCancel()))
    assert call.tts.stopped_at[0] == pytest.approx(4.0)


def test_a_controller_does_not_bury_a_slow_client_in_acks() -> None:
    """Its events wait while the client's outbox is full, and go on when there is room."""
    call = Call([], wire=FakeWire(read_every_s=0.04), hang_up_at=60, limit=2_000)
    sideband = controlled(call, *[(1.0, client.ItemCreate(item=HELLO))] * 100)
    assert call.wire.closed is None
    assert len(call.wire.all(server.ItemAdded)) == 100
    assert call.wire.all(server.ItemDone)[-1][0] > 8
    assert sideband.all(server.ItemDone)[-1][0] > 7


def test_the_id_of_a_sideband_that_left_is_not_reused() -> None:
    """An error would go to a client that did not cause it."""
    wires = [FakeWire(), FakeWire(), FakeWire()]
    call = Call([], hang_up_at=4.0)

    def come(driver: SessionDriver, wire: FakeWire) -> None:
        wire.client = driver.attach(wire, lambda c: SessionReader(driver, c, None), sideband=True)

    driver = ended_by(
        call,
        (1.0, lambda driver: come(driver, wires[0])),
        (1.0, lambda driver: come(driver, wires[1])),
        (2.0, lambda driver: leave(wires[0])),
        (2.5, lambda driver: come(driver, wires[2])),
        (3.0, lambda driver: wires[2].say(b"hello")),
    )
    assert [len(wire.all(server.Error)) for wire in wires] == [0, 0, 1]
    assert driver.sidebands == 0
    assert driver.over


def test_a_huge_append_does_not_hold_up_the_loop_and_keeps_its_place() -> None:
    minute = client.AudioAppend(audio=b"\xff\x7f" * 24_000 * 60)
    script: list[tuple[float, ClientEvent]] = [(1.0, minute), (1.0, client.AudioClear())]
    call = Call(script, settings=config(ServerVad())).live()
    order = [type(e) for _, e in call.wire.heard]
    assert order.index(server.SpeechStarted) < order.index(server.AudioCleared)


def test_a_minute_of_conversation_takes_no_time() -> None:
    began = time.process_time()
    Call(speech(0, 1), hang_up_at=60).live()
    assert time.process_time() - began < 1


@settings(max_examples=150, deadline=None)
@given(
    st.floats(0, 7),
    st.sampled_from([0.0, 0.02, 0.1, 5.0]),
    st.sampled_from([0.0, 0.3, 3.0, 60.0]),
    st.booleans(),
)
def test_whenever_the_line_breaks_nothing_is_left_running(
    at: float, reads_every: float, commits_in: float, tool: bool
) -> None:
    """`live` insists that no task is left; every commit that was asked for has an outcome."""
    pieces = [FunctionCall(call_id="c1", name="lookup", arguments="{}")] if tool else REPLY
    Call(
        [*speech(0, 1), *speech(4, 4.5)],
        hang_up_at=at,
        wire=FakeWire(read_every_s=reads_every),
        store=SlowStore(takes_s=commits_in),
        brain=FakeBrain(pieces),
        tts=FakeTts(chunks=200),
    ).live()


# Ended from our side


def ended_by(call: Call, *steps: tuple[float, Callable[[SessionDriver], object]]) -> SessionDriver:
    """Live the call; run these actions on its driver at these times."""
    lines: list[SessionDriver] = []

    def take(step: Callable[[SessionDriver], object]) -> None:
        step(lines[0])

    async def story() -> None:
        loop = asyncio.get_running_loop()
        for at, step in steps:
            loop.call_at(at, take, step)
        await call._run(lines.append)

    live(story())
    return lines[0]


def test_hang_up_sends_its_reason_in_the_close_frame() -> None:
    call = Call(ASK, tts=FakeTts(chunks=1000))
    driver = ended_by(call, (2.0, lambda driver: driver.hang_up(4000, "continued elsewhere")))
    assert call.statuses == ["cancelled"]
    assert call.wire.closed == (2.0, 4000, "continued elsewhere")
    assert driver.ending == "continued_elsewhere"


def test_abort_closes_a_client_that_reads_nothing() -> None:
    wire = FakeWire(read_every_s=1000)
    call = Call(ASK, wire=wire, tts=FakeTts(chunks=1000), hang_up_at=60)
    driver = ended_by(
        call,
        (2.0, lambda driver: driver.hang_up(1012, "service restart")),
        (3.0, lambda driver: driver.abort(1012, "service restart")),
    )
    assert wire.closed == (3.0, 1012, "service restart")
    assert driver.ending == "service_restart"


def test_frames_of_a_quiet_client_move_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each moves the end for inactivity, which still comes when it is due."""
    armed: list[float] = []
    call_at = VirtualLoop.call_at

    def count(loop: VirtualLoop, when: float, *rest: Any, **more: Any) -> asyncio.TimerHandle:  # noqa: ANN401
        if rest[0].__name__ == "_on_time":
            armed.append(when)
        return call_at(loop, when, *rest, **more)

    monkeypatch.setattr(VirtualLoop, "call_at", count)
    frames = [(n / 50, client.AudioAppend(audio=bytes(960))) for n in range(1000)]
    call = Call(frames, inactivity_s=60, hang_up_at=200).live()
    assert call.wire.closed is not None
    at, code, _ = call.wire.closed
    assert at == pytest.approx(frames[-1][0] + 60)
    assert code == 1000
    assert armed == pytest.approx([60, frames[-1][0] + 60])


class BuggySession(Session):
    def receive(self, event: SessionInput, now: float, client_id: int | None = None) -> None:
        if isinstance(event, client.AudioClear):
            raise ZeroDivisionError
        super().receive(event, now, client_id)

    def on_deadline(self, now: float) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize("script", [[(1.0, client.AudioClear())], []])
def test_a_bug_in_the_rules_ends_the_call_loudly(script: list[tuple[float, ClientEvent]]) -> None:
    """Wherever it shows: in a client's frame, or when the timer rings."""
    call = Call([*ASK, *script], hang_up_at=5000, session=BuggySession)
    with pytest.raises(ExceptionGroup) as caught:
        call.live()
    assert caught.group_contains(ZeroDivisionError)
    assert call.wire.closed is not None
    assert call.wire.closed[1] == 1011


def test_a_bug_in_what_reads_a_client_is_raised_by_its_own_call() -> None:
    """A revocation finds it here. It goes on, with the other calls of that credential."""
    went_on: list[float] = []

    def break_down() -> None:
        raise ZeroDivisionError

    def begun(driver: SessionDriver) -> None:
        def revoke() -> None:
            client, sideband = driver._clients.all
            for port in (client, sideband) * (WINDOW + 1):
                port.forward(b"more than it reads")
            client.update_backpressure = break_down  # type: ignore[method-assign]
            driver.revoke(withdrawn("key_1"))
            went_on.append(now())

        asyncio.get_running_loop().call_later(1.0, revoke)

    call = Call([], wire=FakeWire(100.0), sideband=FakeWire(100.0))
    with pytest.raises(ExceptionGroup) as caught:
        live(call._run(begun))
    assert caught.group_contains(ZeroDivisionError)
    assert went_on == [1.0]
    assert call.wire.closed is not None
    assert call.wire.closed[1:] == (3000, "invalid_request_error.key_revoked")
    assert call.sideband is not None
    assert call.sideband.closed is not None
    assert call.sideband.closed[1:] == (1000, "hung_up")


# More than a recogniser can take


def test_sound_at_fifty_times_its_speed_is_all_heard_at_the_recognisers_pace() -> None:
    """A file that is sent as fast as it goes: its sender waits, and nothing is lost."""
    second = client.AudioAppend(audio=LOUD * 31)
    script: list[tuple[float, ClientEvent]] = [(n / 50, second) for n in range(200)]
    call = Call(
        [*script, (4.1, client.AudioCommit())],
        hang_up_at=40,
        stt=FakeStt(speed=10),
        settings=config(None),
    ).live()
    assert call.stt.heard_ms == [200 * 31 * 32]
    assert len(call.wire.all(server.TranscriptionCompleted)) == 1
    committed, _ = call.wire.first(server.AudioCommitted)
    assert committed > 10, "the commit waited behind the sound"


def test_a_hundred_utterances_at_once_are_heard_one_after_the_other() -> None:
    script: list[tuple[float, ClientEvent]] = []
    for n in range(100):
        script.append((n / 1000, client.AudioAppend(audio=LOUD * 5)))
        script.append((n / 1000 + 0.0005, client.AudioCommit()))
    call = Call(script, hang_up_at=90, stt=FakeStt(takes_s=2), settings=config(None)).live()
    assert len(call.wire.all(server.TranscriptionCompleted)) == 100
    times = [at for at, _ in call.wire.all(server.AudioCommitted)]
    for at in times:
        unheard = [t for t in times if t <= at < t + 1.9]
        assert len(unheard) <= UTTERANCES


@pytest.mark.parametrize("held", [0, 3])
def test_a_recogniser_that_hangs_does_not_delay_an_interruption(held: int) -> None:
    """Three turns wait for their words; later speech waits, but not the interruption."""
    turn: list[ClientEvent] = [client.AudioAppend(audio=LOUD * 5), client.AudioCommit()]
    turns = enumerate(turn * (UTTERANCES + held))
    script = [*ASK, *[(0.8 + n / 1000, event) for n, event in turns]]
    script.append((1.0, client.ResponseCancel()))
    call = Call(
        script,
        hang_up_at=70,
        stt=FakeStt(takes_s=30),
        tts=FakeTts(chunks=1000),
        settings=config(None),
    ).live()
    assert call.statuses == ["cancelled"]
    assert call.wire.first(server.ResponseDone)[0] == 1.0
    assert max(call.tts.stopped_at) == 1.0
    assert len(call.wire.all(server.TranscriptionCompleted)) == UTTERANCES + held
