"""A relayed call with both its connections: order, receipts, backpressure, endings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.core.call_settings import CallSettings
from vivavoce.core.conversation import Conversation
from vivavoce.core.relay import Relay
from vivavoce.engines.passages import PassageSearch, SearchOptions
from vivavoce.errors import EngineError
from vivavoce.knowledge.base import Passage
from vivavoce.protocol import codec, server
from vivavoce.protocol.items import Message
from vivavoce.protocol.own_events import Source
from vivavoce.runtime.answer_sources import AnswerSources
from vivavoce.runtime.client_port import ClientPort
from vivavoce.runtime.driver import CallDriver, RelayDriver
from vivavoce.runtime.group_commit import GroupCommitter
from vivavoce.runtime.knowledge_work import KnowledgeWork
from vivavoce.runtime.media_client import MediaClient
from vivavoce.runtime.recorder import Recorder
from vivavoce.runtime.tool_work import ToolWork
from vivavoce.runtime.upstream_work import PLAYBACK_BYTES, RelayReader, UpstreamWork
from vivavoce.tools.base import ToolContext, ToolRunner
from vivavoce.tools.runners import ToolRunners

from ..support.fakes import SlowStore, now
from ..support.media_wire import MediaWire
from ..support.scenario import numbered_ids
from ..support.upstream import APPEND, NEWS, SOUND, FakeUpstream, RawWire, frame, recorded
from ..support.virtual_time import live

USER = {"id": "u", "type": "message", "status": "completed", "role": "user",
        "content": [{"type": "input_text", "text": "hello"}]}  # fmt: skip
ADDED = frame("conversation.item.added", previous_item_id=None, item=USER)
RECEIPT = frame("conversation.item.done", previous_item_id=None, item=USER)
RESPONSE = {"object": "realtime.response", "id": "r", "status": "in_progress",
            "status_details": None, "output": [], "output_modalities": ["audio"]}  # fmt: skip
BEGUN = frame("response.created", response=RESPONSE)
CREATE = b'{"type": "response.create"}'

Plot = Callable[["Call"], None]


def wall() -> datetime:
    return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=now())


@dataclass
class Call:
    """A line between two wires. `at(1.0)(what, *with)` says what happens when."""

    client: RawWire = field(default_factory=RawWire)
    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    store: SlowStore = field(default_factory=SlowStore)
    hang_up_at: float = 10.0
    limit: int = 20_000
    secret: str = ""
    greeting: str | None = None
    tools: ToolRunner | None = None
    knowledge: KnowledgeWork | None = None
    media: MediaWire | None = None  # the connection for audio, if the server paces it
    silent: bool = False  # the client with `media` has no connection for events
    ending: str = ""
    driver: RelayDriver | None = None
    upstream_work: UpstreamWork | None = None
    port: MediaClient = field(init=False)

    def live(self, plot: Plot = lambda call: None) -> Call:
        live(self._run(plot))
        return self

    def at(self, seconds: float) -> Callable[..., object]:
        loop = asyncio.get_running_loop()
        return lambda what, *words: loop.call_at(seconds, what, *words)

    async def _run(self, plot: Plot) -> None:
        runners = ToolRunners([self.tools] if self.tools else ())
        names = frozenset(spec.name for spec in runners.specs(ToolContext()))
        relay = Relay(
            {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
            CallSettings(
                greeting=self.greeting,
                server_tools=names,
                searches_knowledge=self.knowledge is not None,
                plays_out=self.media is not None,
            ),
            now=now(),
            new_id=numbered_ids(),
        )
        async with GroupCommitter(self.store) as writer:
            upstream_work = UpstreamWork(
                relay,
                self.upstream,
                tools=ToolWork(runners),
                knowledge=self.knowledge,
                secret=self.secret,
                send_buffer_bytes=self.limit,
            )
            recorder = Recorder(
                "rtc_1", "conv_1", writer.submit, wall=wall, ledger=relay.ledger, model="gpt-9"
            )
            driver = self.driver = CallDriver(
                relay, upstream_work, recorder, playback_bytes=PLAYBACK_BYTES
            )
            self.upstream_work = upstream_work
            self._attach(driver, upstream_work)
            plot(self)
            await driver.run()
            self.ending = driver.ending

    def _attach(self, driver: RelayDriver, upstream_work: UpstreamWork) -> None:
        def reader(client: ClientPort) -> RelayReader:
            return RelayReader(driver, upstream_work, client)

        if self.media is not None:
            events = None if self.silent else self.client
            self.port = driver.attach_media(self.media, reader, events=events, limit=self.limit)
            self.client.client = self.port.events
        else:
            self.client.client = driver.attach(self.client, reader, limit=self.limit)
        self.at(self.hang_up_at)(self.client.client.lost, 1000, "")

    def says(self, *frames: bytes) -> None:
        for data in frames:
            self.client.say(data)

    def controlled_by(self, wire: RawWire) -> None:
        driver, upstream_work = self.driver, self.upstream_work
        assert driver is not None
        assert upstream_work is not None
        wire.client = driver.attach(
            wire, lambda c: RelayReader(driver, upstream_work, c), sideband=True
        )


# Order


def test_order_is_kept_around_a_receipt_that_waits() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, SOUND, NEWS, ADDED, RECEIPT, SOUND)

    call = Call(store=SlowStore(takes_s=0.5)).live(plot)
    assert call.client.got[1:] == [
        (1.0, SOUND), (1.0, NEWS), (1.0, ADDED), (1.5, RECEIPT), (1.5, SOUND),
    ]  # fmt: skip
    assert list(call.store.rows) == ["u"]


def test_unknown_events_pass_both_ways_as_they_came() -> None:
    strange = b'{"thought" : 1.0, "type":"response.telepathy.delta", "a":1e5}'

    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, strange, b"\xff no JSON")
        call.at(1.0)(call.says, strange, b"{")

    call = Call().live(plot)
    assert call.client.frames[1:] == [strange, b"\xff no JSON"]
    assert call.upstream.asked() == [strange, b"{"]


def test_a_client_that_speaks_first_is_heard_when_the_upstream_is_ready() -> None:
    def plot(call: Call) -> None:
        call.says(APPEND, CREATE)
        call.at(0.5)(call.says, APPEND)
        call.at(2.0)(call.says, CREATE)

    call = Call(upstream=FakeUpstream(answer_s=1.0)).live(plot)
    assert [(at, data) for at, data in call.upstream.got[1:]] == [
        (1.0, APPEND), (1.0, CREATE), (1.0, APPEND), (2.0, CREATE),
    ]  # fmt: skip
    assert call.client.kinds == ["session.created"]


def test_an_upstream_that_speaks_first_is_heard_after_the_session() -> None:
    def plot(call: Call) -> None:
        call.at(0.5)(call.upstream.says, NEWS)

    call = Call(upstream=FakeUpstream(answer_s=1.0)).live(plot)
    assert call.client.kinds == ["session.created", "response.telepathy.delta"]


def test_a_view_of_a_frame_is_not_kept_beyond_the_callback() -> None:
    """The network reuses its buffer."""
    buffer = bytearray(NEWS)

    def plot(call: Call) -> None:
        def hear() -> None:
            call.upstream.receiver.frame(memoryview(ADDED))
            call.upstream.receiver.frame(memoryview(RECEIPT))  # everything behind it is queued
            call.upstream.receiver.frame(memoryview(buffer))
            buffer[:] = b"x" * len(buffer)

        call.at(1.0)(hear)

    call = Call(store=SlowStore(takes_s=0.5)).live(plot)
    assert call.client.frames[-1] == NEWS


# Backpressure


def test_a_slow_client_pauses_the_upstream() -> None:
    paused: list[bool] = []

    def plot(call: Call) -> None:
        def flood(left: int) -> None:
            paused.append(not call.upstream.reading)
            if call.upstream.reading:
                call.upstream.says(SOUND)
            if left:
                call.at(now() + 0.01)(flood, left - 1)

        call.at(1.0)(flood, 300)

    call = Call(client=RawWire(read_every_s=0.1)).live(plot)
    assert True in paused
    assert call.client.closed is None
    assert call.upstream.reading
    assert all(data == SOUND for data in call.client.frames[1:])


def test_a_slow_upstream_pauses_the_client() -> None:
    paused: list[bool] = []

    def plot(call: Call) -> None:
        def flood(left: int) -> None:
            paused.append(not call.client.reading)
            if call.client.reading:
                call.says(APPEND)
            if left:
                call.at(now() + 0.01)(flood, left - 1)

        call.at(1.0)(flood, 300)

    call = Call(upstream=FakeUpstream(read_every_s=0.1)).live(plot)
    assert True in paused
    assert call.client.reading
    assert set(call.upstream.frames[1:]) == {APPEND}


def test_a_client_over_the_limit_before_the_call_is_open_is_not_read_until_then() -> None:
    large = frame("input_audio_buffer.append", audio="AAAA" * 200_000)
    read: list[bool] = []

    def plot(call: Call) -> None:
        call.says(large)  # before anything runs
        read.append(call.client.reading)
        call.says(large)
        read.append(call.client.reading)

    call = Call(upstream=FakeUpstream(answer_s=1.0), limit=4_000_000).live(plot)
    assert read == [True, False]
    assert call.client.reading
    assert call.upstream.asked() == [large, large]


def test_a_client_over_the_limit_during_a_greeting_is_not_read_until_it_gives_way() -> None:
    """The upstream never ends the greeting that it was asked to cancel."""
    large = frame("input_audio_buffer.append", audio="AAAA" * 300_000)
    said = [CREATE, *[large] * 30]
    read: list[float] = []

    def plot(call: Call) -> None:
        def flood() -> None:
            if call.client.reading and said:
                call.says(said.pop(0))
                read.append(now())
            if said:
                call.at(now() + 0.1)(flood)

        call.at(1.0)(call.upstream.says, BEGUN)
        call.at(2.0)(flood)

    call = Call(greeting="Welcome!", limit=100_000_000, hang_up_at=30).live(plot)
    assert [at < 6.9 for at in read] == [True] * 2 + [False] * 29
    assert call.client.reading
    assert call.upstream.asked() == [CREATE, *[large] * 30]


def test_an_upstream_that_reads_nothing_is_given_up_after_ten_seconds() -> None:
    upstream = FakeUpstream()

    def plot(call: Call) -> None:
        def stop_reading() -> None:
            call.upstream.read_every_s = 1000

        call.at(0.5)(stop_reading)
        call.at(1.0)(call.says, *[APPEND] * 20)

    call = Call(upstream=upstream, hang_up_at=60).live(plot)
    assert call.client.closed == (11.0, 1013, "the model's provider is too slow")
    assert upstream.closed == (11.0, 1013, "too slow")


def test_a_frame_larger_than_the_outbox_passes_even_behind_a_receipt() -> None:
    large = frame("response.output_audio.delta", response_id="r", item_id="i", output_index=0,
                  content_index=0, delta="AAAA" * 50_000)  # fmt: skip

    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, ADDED, RECEIPT, large)

    call = Call(store=SlowStore(takes_s=0.5)).live(plot)
    assert call.client.frames[-1] == large
    assert call.client.closed is None


# Endings


def test_the_client_sees_how_the_upstream_closed() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, BEGUN)
        call.at(2.0)(lambda: call.upstream.receiver.lost(4321, "enough"))

    call = Call(hang_up_at=3).live(plot)
    assert call.client.closed == (2.0, 4321, "enough")
    (row,) = call.store.responses.values()
    assert (row.status, row.reason) == ("failed", "upstream_lost")


def test_the_upstream_sees_how_the_client_closed() -> None:
    def plot(call: Call) -> None:
        assert call.client.client is not None
        call.at(1.0)(call.client.client.lost, 4111, "bye")

    call = Call().live(plot)
    assert call.upstream.closed == (1.0, 4111, "bye")
    assert call.ending == "client_closed_4111"


def test_a_close_comes_behind_the_receipt_that_waits() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, ADDED, RECEIPT)
        call.at(1.1)(lambda: call.upstream.receiver.lost(1001, "going"))

    call = Call(store=SlowStore(takes_s=0.5), hang_up_at=3).live(plot)
    assert call.client.frames[-1] == RECEIPT
    assert call.client.closed == (1.5, 1001, "going")


@pytest.mark.parametrize("store", [SlowStore(broken=True), SlowStore(takes_s=60)])
def test_a_failed_commit_sends_no_receipt(store: SlowStore) -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, ADDED, RECEIPT)

    call = Call(store=store, hang_up_at=30).live(plot)
    assert RECEIPT not in call.client.frames
    last = codec.decode_server(call.client.frames[-1])
    assert isinstance(last, server.Error)
    assert last.error.code == "storage_unavailable"
    assert call.client.closed is not None
    assert call.client.closed[1] == 1011
    assert call.upstream.closed is not None


def test_an_upstream_that_says_nothing_is_given_up() -> None:
    call = Call(upstream=FakeUpstream(opens=False), hang_up_at=30).live()
    assert call.client.kinds == ["error"]
    assert call.client.closed == (10.0, 1013, "server_error.upstream_unavailable")


def test_the_key_is_taken_out_of_whatever_quotes_it() -> None:
    def plot(call: Call) -> None:
        error = {"type": "invalid_request_error", "code": "x", "message": "no: sk-secret!"}
        call.at(1.0)(call.upstream.says, frame("error", error=error))
        call.at(2.0)(lambda: call.upstream.receiver.lost(3000, "bad key sk-secret"))

    call = Call(secret="sk-secret", hang_up_at=3).live(plot)
    assert call.client.kinds == ["session.created", "error"]
    assert call.client.closed == (2.0, 3000, "bad key ***")
    assert b"sk-secret" not in b"".join(call.client.frames)


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 3),
    st.booleans(),
    st.sampled_from([0.0, 0.02, 5.0]),
    st.sampled_from([0.0, 0.3, 60.0]),
)
def test_whenever_a_line_breaks_nothing_is_left_running(
    at: float, the_upstreams: bool, reads_every: float, commits_in: float
) -> None:
    """`live` insists that no task is left; both connections are closed."""

    def plot(call: Call) -> None:
        for i in range(20):
            call.at(0.5 + i / 10)(call.upstream.says, BEGUN, ADDED, SOUND, RECEIPT, *[SOUND] * 5)
            call.at(0.5 + i / 10)(call.says, APPEND, CREATE)
        if the_upstreams:
            call.at(at)(lambda: call.upstream.receiver.lost(1006, ""))

    call = Call(
        client=RawWire(read_every_s=reads_every),
        upstream=FakeUpstream(answer_s=1.0),
        store=SlowStore(takes_s=commits_in),
        hang_up_at=20 if the_upstreams else at,
    ).live(plot)
    assert the_upstreams or call.upstream.closed


# Recorded sessions


@pytest.mark.parametrize(
    "name",
    ["azure-tool-call-round", "server-vad-audio-turn", "text-in-audio-out-turn", "tool-call-round"],
)
def test_a_recorded_session_passes_verbatim_and_is_stored(name: str) -> None:
    """Open the call with our own `session.created`, and forward the rest byte for byte."""
    created, *said = recorded(name, "received")
    asked = list(recorded(name, "sent"))
    upstream = FakeUpstream(opens=False)

    def plot(call: Call) -> None:
        call.at(1.0)(upstream.says, created)
        call.at(1.1)(upstream.says, created.replace(b"session.created", b"session.updated", 1))
        for i, data in enumerate(said):
            call.at(2 + i / 100)(upstream.says, data)
        for i, data in enumerate(asked):
            call.at(2 + i / 100)(call.says, data)

    call = Call(upstream=upstream, store=SlowStore(takes_s=0.03)).live(plot)
    assert call.client.frames[1:] == said
    assert upstream.frames[1:] == asked
    folded = Conversation()
    responses: dict[str, server.Response] = {}
    for data in said:
        event = codec.decode_server(data)
        assert event is not None
        folded.apply(event)
        if isinstance(event, server.ResponseDone):
            responses[event.response.id] = event.response
    assert len(list(folded)) >= 2
    rows = sorted(call.store.rows.values(), key=lambda row: row.position)
    assert [row.item for row in rows] == list(folded)
    assert {i: r.status for i, r in call.store.responses.items()} == {
        i: r.status for i, r in responses.items()
    }
    assert all(row.usage for row in call.store.responses.values())
    spoken = [row for row in rows if isinstance(row.item, Message) and row.sent_ms]
    assert all(row.generated for row in spoken)


# Control connections


def test_a_controller_hears_all_but_the_sound_in_order() -> None:
    control = RawWire()

    def plot(call: Call) -> None:
        call.controlled_by(control)  # before the call is open
        call.at(1.0)(call.upstream.says, SOUND, NEWS, ADDED, RECEIPT, SOUND, NEWS)

    call = Call(store=SlowStore(takes_s=0.5)).live(plot)
    assert call.client.kinds[0] == "session.created"
    assert control.got == [(1.0, NEWS), (1.0, ADDED), (1.5, RECEIPT), (1.5, NEWS)]
    assert [data for data in call.client.frames[1:] if data != SOUND] == control.frames


def test_a_controller_speaks_to_the_upstream_and_the_call_outlives_it() -> None:
    control = RawWire()

    def leave() -> None:
        assert control.client is not None
        control.client.lost(1000, "")

    def plot(call: Call) -> None:
        call.at(1.0)(call.controlled_by, control)
        call.at(2.0)(control.say, CREATE)
        call.at(3.0)(leave)
        call.at(4.0)(call.upstream.says, NEWS)

    call = Call().live(plot)
    assert call.upstream.kinds[-1] == "response.create"
    assert call.client.at(NEWS) == 4.0
    assert not control.frames


def test_a_controller_of_a_relayed_call_is_closed_when_the_call_ends() -> None:
    control = RawWire()

    def plot(call: Call) -> None:
        call.at(1.0)(call.controlled_by, control)

    call = Call(hang_up_at=3.0).live(plot)
    assert control.closed == (3.0, 1000, "hung_up")
    assert call.ending == "client_closed_1000"


def test_a_slow_controller_of_a_relayed_call_does_not_slow_it() -> None:
    control = RawWire(read_every_s=1000)

    def plot(call: Call) -> None:
        call.at(1.0)(call.controlled_by, control)
        for tenth in range(200):
            call.at(2.0 + tenth / 20)(call.upstream.says, *[frame("x", pad="y" * 50_000)] * 3)

    call = Call(hang_up_at=20.0).live(plot)
    assert control.closed is not None
    assert control.closed[1] == 1013
    assert call.client.got[-1][0] == pytest.approx(11.95)
    assert call.upstream.reading
    assert call.ending == "client_closed_1000"


def test_P13_the_log_names_the_call_and_the_cause_of_a_lost_upstream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def plot(call: Call) -> None:
        def lose() -> None:
            call.upstream.receiver.lost(1009, "message too big sk-secret\x1b[0m")

        call.at(1.0)(lose)

    call = Call(secret="sk-secret").live(plot)
    (record,) = [r for r in caplog.records if r.name == "vivavoce.upstream"]
    assert (record.levelname, record.msg) == ("WARNING", "upstream_lost")
    fields = record.__dict__
    assert (fields["call"], fields["code"]) == ("rtc_1", 1009)
    assert fields["reason"] == "message too big ***?[0m"
    assert call.ending.startswith("server_closed_")


def test_P6_a_refused_session_is_logged_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    def plot(call: Call) -> None:
        error = {"type": "invalid_request_error", "code": "invalid_api_key",
                 "message": "no sk-secret", "param": "sk-secret"}  # fmt: skip
        call.at(0.5)(call.upstream.says, frame("error", error=error))

    Call(secret="sk-secret", upstream=FakeUpstream(opens=False)).live(plot)
    (record,) = [r for r in caplog.records if r.name == "vivavoce.upstream"]
    assert (record.levelname, record.msg) == ("WARNING", "upstream_refused")
    fields = record.__dict__
    assert (fields["call"], fields["code"], fields["param"]) == ("rtc_1", "invalid_api_key", "***")
    assert fields["reason"] == "the provider did not accept this server's key"


# Knowledge

COMMITTED = frame("input_audio_buffer.committed", previous_item_id=None, item_id="u1")
TRANSCRIPT = frame(
    "conversation.item.input_audio_transcription.completed", item_id="u1", content_index=0,
    transcript="When is lunch?", usage={"type": "duration", "seconds": 1},
)  # fmt: skip


class Shelf:
    """A retriever that takes 0.1 s, or another time."""

    def __init__(self, seconds: float = 0.1, failure: Exception | None = None) -> None:
        self._seconds = seconds
        self._failure = failure

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        await asyncio.sleep(self._seconds)
        if self._failure is not None:
            raise self._failure
        return (Passage(text="Lunch is at one.", source="a.md", revision="1", score=1.0),)


def searching(shelf: Shelf) -> KnowledgeWork:
    search = PassageSearch(shelf, "en", SearchOptions(budget_s=0.2), revision=lambda: 1)
    return KnowledgeWork(search, "rtc_1")


def test_a_turn_gets_its_passages_before_the_upstream_is_asked_to_answer() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, COMMITTED, TRANSCRIPT)

    call = Call(knowledge=searching(Shelf())).live(plot)
    times = [at for at, _ in call.upstream.got]
    _, item, request = call.upstream.frames
    assert b"Lunch is at one." in item
    assert b'"role":"system"' in item
    assert b'"previous_item_id":"root"' in item
    assert b"response.create" in request
    assert times[-2:] == pytest.approx([1.1, 1.1])


@pytest.mark.parametrize(
    ("shelf", "at"), [(Shelf(5.0), 1.2), (Shelf(failure=EngineError("away")), 1.1),
                      (Shelf(failure=KeyError("words")), 1.1)],
    ids=["slow", "failing", "broken"],
)  # fmt: skip
def test_a_turn_without_passages_in_time_is_answered_all_the_same(shelf: Shelf, at: float) -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, COMMITTED, TRANSCRIPT)

    call = Call(knowledge=searching(shelf)).live(plot)
    _, request = call.upstream.frames
    assert b"response.create" in request
    assert call.upstream.got[-1][0] == pytest.approx(at)


def test_a_call_that_ends_during_a_search_leaves_no_task() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, COMMITTED, TRANSCRIPT)

    call = Call(knowledge=searching(Shelf(5.0)), hang_up_at=1.05).live(plot)
    assert call.ending
    assert len(call.upstream.frames) == 1


def test_the_answer_after_a_search_has_its_passages_as_sources() -> None:
    cited: list[tuple[str, tuple[str, ...]]] = []
    told: list[str] = []

    def cite(item_id: str, sources: tuple[Source, ...]) -> None:
        cited.append((item_id, tuple(each.source for each in sources)))

    sources = AnswerSources(cite, lambda kind: f"{kind}_1")
    sources.listen(lambda event: told.append(type(event).__name__))
    search = PassageSearch(Shelf(), "en", SearchOptions(budget_s=0.2), revision=lambda: 1)
    work = KnowledgeWork(search, "rtc_1", on_use=sources.expect)

    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, COMMITTED, TRANSCRIPT)

    Call(knowledge=work).live(plot)
    for event in ANSWER:
        sources.observe(event)
    assert cited == [("item_9", ("a.md",))]
    assert told == ["AnswerSources"]
    for event in ANSWER:  # the next answer was given nothing
        sources.observe(event)
    assert len(cited) == 1


def _response(status: Literal["in_progress", "completed"]) -> server.Response:
    return server.Response(
        id="resp_9", status=status, conversation_id="conv_1", output_modalities=("text",)
    )


ANSWER = (
    server.ResponseCreated(response=_response("in_progress")),
    server.ItemAdded(item=Message(id="item_9", role="assistant", status="in_progress")),
    server.ItemAdded(item=Message(id="item_u", role="user")),
    server.ItemDone(item=Message(id="item_u", role="user")),
    server.ItemDone(item=Message(id="item_9", role="assistant")),
    server.ResponseDone(response=_response("completed")),
)
