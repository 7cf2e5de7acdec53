"""The rows that a call's events become: their order, and the times of each turn."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio import pcm as audio
from vivavoce.core.effects import Record, Send
from vivavoce.core.inputs import Finished, OutputChunk
from vivavoce.core.session import Session
from vivavoce.errors import StoreError
from vivavoce.protocol import client, server
from vivavoce.protocol.config import ServerVad, TurnDetection
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message, Part
from vivavoce.runtime.recorder import Outcome, Recorder
from vivavoce.store.base import Change, ItemRow, ResponseRow

from ..support.scenario import Scenario, config, numbered_ids

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def says(text: str, item_id: str) -> Message:
    return Message(id=item_id, role="user", content=(Part(type="input_text", text=text),))


@dataclass
class Tape:
    """A session whose events are recorded, and what the recorder asked the writer for."""

    turns: TurnDetection | None = None
    kept: tuple[ItemRow, ...] = ()
    changes: list[Change] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)
    failures: int = 0

    def __post_init__(self) -> None:
        history = tuple(row.item for row in self.kept)
        self.session = Scenario(config(self.turns), history=history)
        self.recorder = Recorder(
            "rtc_1",
            "conv_1",
            self._submit,
            wall=lambda: NOON + timedelta(seconds=self.session.now),
            ledger=self.session.session.ledger,
            kept=self.kept,
        )
        self.recorder.on_commit = self.committed.append
        self.recorder.on_failure = self._fail
        self._seen = 0
        for event in self.session.opening:
            self.recorder.record_event(event)

    def tell(self, *events: client.Command | OutputChunk | Finished) -> Tape:
        self.session.tell(*events)
        return self.fold()

    def fold(self) -> Tape:
        for effect in self.session.log[self._seen :]:
            if isinstance(effect, Send | Record):
                self.recorder.record_event(effect.event)
                if isinstance(effect.event, server.AudioDelta | server.SpeechStopped):
                    self.recorder.written(effect.event, self.session.now)
        self._seen = len(self.session.log)
        return self

    def create(self, item: Item, previous: str | None = None) -> Tape:
        return self.tell(client.ItemCreate(item=item, previous_item_id=previous))

    def answer(self, text: str = "It is noon.", ms: int = 1000) -> str:
        """Record a complete spoken answer. Return its item."""
        self.tell(client.ResponseCreate())
        response_id = self.session.request.response_id
        self.tell(OutputChunk(response_id, text, audio.silence(ms)), Finished(response_id))
        last = self.session.session.conversation.last_id
        assert last is not None
        return last

    @property
    def rows(self) -> dict[str, ItemRow]:
        """Return the rows on disk when all commits have succeeded."""
        rows: dict[str, ItemRow] = {row.item.id: row for row in self.kept}
        for change in self.changes:
            rows |= {row.item.id: row for row in change.items}
            for item_id in change.deleted:
                del rows[item_id]
        return rows

    @property
    def order(self) -> list[str]:
        rows = self.rows
        return sorted(rows, key=lambda item_id: rows[item_id].position)

    @property
    def responses(self) -> list[ResponseRow]:
        self.recorder.finish()
        return list({row.id: row for change in self.changes for row in change.responses}.values())

    def _submit(self, change: Change, outcome: Outcome) -> None:
        self.changes.append(change)
        self.outcomes.append(outcome)

    def _fail(self, failure: StoreError) -> None:
        self.failures += 1


def test_items_stand_in_the_conversations_order_not_in_that_of_their_coming() -> None:
    tape = Tape().create(says("one", "a")).create(says("three", "c"))
    tape.create(says("two", "b"), previous="a").create(says("zero", "z"), previous="root")
    assert tape.order == ["z", "a", "b", "c"]
    assert [len(change.items) for change in tape.changes] == [1, 1, 1, 1]  # no item moved


def test_only_positions_without_room_are_written_again() -> None:
    tape = Tape().create(says("first", "a")).create(says("last", "z"))
    for number in range(80):
        tape.create(says("between", f"n{number}"), previous="a")
    assert tape.order == ["a", *(f"n{number}" for number in reversed(range(80))), "z"]


def test_an_insert_moves_only_the_rows_near_it() -> None:
    rows = tuple(
        ItemRow(says("x", f"i{n}"), 1024.0 * n, NOON, input_method="text") for n in range(999)
    )
    near = replace(rows[500], position=math.nextafter(rows[499].position, math.inf))
    tape = Tape(kept=(*rows[:500], near, *rows[501:]))
    tape.create(says("between", "x"), previous="i499")
    written = [row.item.id for row in tape.changes[-1].items]
    assert len(written) < 30
    assert written.index("i499") + 1 == written.index("x") == written.index("i500") - 1


def test_a_deleted_item_is_deleted_in_the_store() -> None:
    tape = Tape().create(says("one", "a")).create(says("two", "b"))
    tape.tell(client.ItemDelete(item_id="a"))
    assert tape.changes[-1].deleted == ("a",)
    assert list(tape.rows) == ["b"]


def test_a_truncated_answer_keeps_what_was_generated_and_says_what_was_heard() -> None:
    tape = Tape()
    item_id = tape.answer("It is noon.", ms=1000)
    tape.tell(client.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=300))
    row = tape.rows[item_id]
    assert (row.generated, row.sent_ms, row.heard_ms) == ("It is noon.", 1000, 300)


def test_each_item_knows_how_it_came() -> None:
    tape = Tape(ServerVad(create_response=False)).create(says("one", "a"))
    tape.session.hear(speech_ms=960, silence_ms=700)
    tape.fold()
    answer = tape.answer()
    spoken = next(i for i in tape.rows if i not in ("a", answer))
    assert [tape.rows[i].input_method for i in ("a", spoken, answer)] == ["text", "voice", None]
    assert tape.rows[answer].voice == "marin"
    assert tape.rows[answer].model
    assert tape.rows["a"].model is None


def test_a_continued_conversation_goes_on_behind_what_is_kept() -> None:
    kept = (
        ItemRow(says("one", "a"), 1024.0, NOON - timedelta(days=1), input_method="voice"),
        ItemRow(says("two", "b"), 2048.0, NOON - timedelta(days=1), input_method="text"),
    )
    tape = Tape(kept=kept).create(says("three", "c"))
    assert tape.order == ["a", "b", "c"]
    assert [row.item.id for change in tape.changes for row in change.items] == ["c"]
    tape.create(says("between", "x"), previous="a")
    assert tape.order == ["a", "x", "b", "c"]


def test_the_times_of_a_turn_are_those_of_its_response() -> None:
    tape = Tape(ServerVad())
    tape.session.hear(speech_ms=960, silence_ms=700)
    tape.fold()
    request = tape.session.request
    stopped = tape.session.now
    tape.recorder.stage("stt", 31.44)
    tape.recorder.stage("brain", 12.0)
    tape.recorder.stage("brain", 99.0)  # its second sentence: the first is what one waits for
    tape.session.wait(0.25)
    tape.tell(OutputChunk(request.response_id, "Noon.", audio.silence(100)))
    tape.session.wait(0.25)
    tape.tell(OutputChunk(request.response_id, " Really.", audio.silence(100)))
    tape.tell(Finished(request.response_id))
    (row,) = tape.responses
    assert row.first_audio_ms == pytest.approx((tape.session.now - 0.25 - stopped) * 1000, abs=1)
    assert (row.stt_ms, row.brain_ms, row.tts_ms) == (31.4, 12.0, None)
    assert row.status == "completed"


def test_speech_during_an_answer_does_not_change_its_first_audio_time() -> None:
    """Its first sound was written long before the end of that speech: they are two turns."""
    tape = Tape(ServerVad(interrupt_response=False, create_response=False))
    tape.tell(client.ResponseCreate())
    request = tape.session.request
    tape.tell(OutputChunk(request.response_id, "A long story", audio.silence(5000)))
    tape.session.hear(speech_ms=960, silence_ms=700)
    tape.fold().tell(Finished(request.response_id))
    (row,) = tape.responses
    assert row.first_audio_ms is None


def test_a_receipt_has_a_number_and_other_events_have_none() -> None:
    tape = Tape()
    event = server.ItemAdded(previous_item_id=None, item=says("one", "a"))
    assert tape.recorder.record_event(event) == 0
    assert tape.recorder.record_event(server.ItemDone(previous_item_id=None, item=event.item)) == 1
    output = FunctionOutput(id="o", call_id="c", output="42")
    tape.recorder.record_event(server.ItemAdded(previous_item_id="a", item=output))
    assert tape.recorder.record_event(server.ItemDone(previous_item_id="a", item=output)) == 2


def test_waiting_is_true_until_every_commit_has_an_outcome() -> None:
    tape = Tape().create(says("one", "a")).create(says("two", "b"))
    assert tape.recorder.waiting
    tape.outcomes[0](None)
    assert tape.recorder.waiting
    tape.outcomes[1](StoreError("disk full"))
    assert not tape.recorder.waiting
    assert (tape.committed, tape.failures) == ([1], 1)


def test_finish_submits_changes_that_no_receipt_committed() -> None:
    tape = Tape()
    assert tape.recorder.finish() == 0
    tape.tell(client.ResponseCreate())
    before = len(tape.changes)
    assert tape.recorder.finish() == before + 1
    assert [row.status for row in tape.changes[-1].responses] == ["in_progress"]
    assert tape.recorder.finish() == 0


# Long conversations


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-1, 40), st.booleans()), max_size=80))
def test_positions_follow_the_order_wherever_items_come_and_go(
    steps: list[tuple[int, bool]],
) -> None:
    tape = Tape()
    for number, (where, deletes) in enumerate(steps):
        ids = [item.id for item in tape.session.session.conversation]
        at = ids[where % len(ids)] if ids and where >= 0 else "root"
        if deletes and ids:
            tape.tell(client.ItemDelete(item_id=at if at != "root" else ids[0]))
        else:
            tape.create(says("hello", f"item_{number}"), at)
        order = [item.id for item in tape.session.session.conversation]
        positions = {item_id: tape.recorder._position(item_id) for item_id in order}
        assert sorted(order, key=positions.__getitem__) == order
        assert len(set(positions.values())) == len(order)


def test_insertions_at_one_spot_move_those_beside_it_now_and_then() -> None:
    tape = Tape().create(says("first", "first")).create(says("last", "last"))
    rows = [len(tape.create(says("hello", f"item_{n}"), "first").changes[-1].items)
            for n in range(60)]  # fmt: skip
    assert rows.count(1) >= 58
    assert max(rows) > 5, "their new places have to be written"


@pytest.mark.parametrize("previous", [None, "root"])
def test_a_long_conversation_costs_no_more_for_each_item_than_a_short_one(
    previous: str | None,
) -> None:
    """Two thousand items took fourteen seconds when each looked at all that were there."""
    session = Session(config(None), now=0.0, new_id=numbered_ids())
    recorder = Recorder("rtc_1", "conv_1", lambda change, outcome: None, wall=lambda: NOON)
    began = time.process_time()
    for _ in range(2000):
        session.receive(client.ItemCreate(item=says("hi", ""), previous_item_id=previous), 0.0)
        for effect in session.effects():
            if isinstance(effect, Send | Record):
                recorder.record_event(effect.event)
    assert time.process_time() - began < 3


WRITTEN: list[Item] = [
    says("hello", "a"),
    Message(id="b", role="assistant", content=(Part(type="output_text", text="hi"),)),
    Message(id="c", role="user", content=(Part(type="input_audio", transcript="hello"),)),
    FunctionCall(id="d", call_id="c1", name="lookup", arguments="{}"),
    FunctionOutput(id="e", call_id="c1", output="42"),
]


@pytest.mark.parametrize("item", WRITTEN, ids=lambda item: item.id)
def test_every_item_of_a_client_is_committed_before_its_receipt(item: Item) -> None:
    """SDKs replay earlier items of all kinds."""
    tape = Tape().tell(client.ItemCreate(item=item))
    (change,) = tape.changes
    assert [row.item.id for row in change.items] == [item.id]


def test_a_spoken_item_and_an_item_of_a_response_have_later_receipts() -> None:
    tape = Tape(ServerVad(prefix_padding_ms=0))
    tape.session.hear(speech_ms=320, silence_ms=600)
    tape.fold()
    assert tape.changes == []
    tape.tell(OutputChunk("resp_1", "hi", audio.silence(100)))
    assert tape.changes == []
    tape.tell(Finished("resp_1"))
    assert len(tape.changes) == 1, "the response is done"
