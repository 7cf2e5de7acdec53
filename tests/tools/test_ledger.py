"""The states of a run, approvals, and repetitions, with a real store and virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from vivavoce.core.types import ToolRules, ToolSpec
from vivavoce.errors import StoreError
from vivavoce.store.base import CallRow, ConversationRow
from vivavoce.store.memory import MemoryStore
from vivavoce.store.tool_runs import ToolRunRow
from vivavoce.tools.approval_requests import EXPIRES_AFTER, REQUESTS_OF_ASSISTANT
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult
from vivavoce.tools.ledger import ToolLedger, ToolOrigin
from vivavoce.tools.runners import ToolLimits, ToolRunners

from ..support.booking import CONVERSATION, Life, Line, Model, Shop, wall
from ..support.virtual_time import live

CONTEXT = ToolContext(call_id="rtc_1", conversation_id=CONVERSATION, assistant="ada")
ALONE = ToolContext(assistant="ada")


class Tool:
    """One tool with chosen rules. It takes one second."""

    def __init__(self, **rules: Any) -> None:  # noqa: ANN401
        self.requests: list[ToolRequest] = []
        self.result = ToolResult("booked")
        self._rules = ToolRules(**rules)

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        return (ToolSpec(name="book"),)

    def rules(self, name: str) -> ToolRules:
        return self._rules

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        self.requests.append(request)
        await asyncio.sleep(1)
        return self.result


class Desk:
    """A ledger on a store, and one tool."""

    def __init__(self, tool: Tool, ledger: ToolLedger, store: MemoryStore) -> None:
        self.tool, self.ledger, self.store = tool, ledger, store
        self.runners = ToolRunners([tool], limits=ToolLimits(timeout_s=5))
        self.told: list[tuple[str | None, str]] = []

    async def run(
        self,
        arguments: str = '{"seats": 2}',
        context: ToolContext = CONTEXT,
        number: int = 1,
        **origin: Any,  # noqa: ANN401
    ) -> tuple[ToolRunRow, ToolResult]:
        request = ToolRequest(f"call_{number}" if context.call_id else "", "book", arguments)
        outcome = await self.ledger.run(
            self.runners, request, context, ToolOrigin(item_id=f"item_{number}", **origin)
        )
        return outcome.row, outcome.result

    async def states(self) -> list[str]:
        await asyncio.sleep(0.1)
        rows = await self.store.tool_runs.in_states(
            ["requested", "approved", "started", "done", "failed", "unknown"]
        )
        return [row.state for row in rows]

    def attach(self) -> None:
        def take(row: ToolRunRow, output: str) -> None:
            self.told.append((row.tool_call_id, output))

        self.ledger.attach(CONVERSATION, take)


Story = Callable[[Desk], Coroutine[Any, Any, None]]


def tell(tool: Tool, story: Story, life: Callable[[MemoryStore], Life] | None = None) -> None:
    async def main() -> None:
        store = MemoryStore()
        row = ConversationRow(CONVERSATION, "ada", None, "en", wall(), wall())
        call = CallRow("rtc_1", CONVERSATION, "ada", None, "websocket", "cascade", wall())
        await store.begin_call(call, row)
        server = await Life(store, Shop(), Random(1)).start()
        await story(Desk(tool, server.ledger, store))
        await server.stop()

    live(main())


def test_a_run_with_effects_is_on_disk_before_it_starts() -> None:
    tool = Tool(effects=True)

    async def story(at: Desk) -> None:
        running = asyncio.create_task(at.run())
        await asyncio.sleep(0.5)
        (row,) = await at.store.tool_runs.of_call("rtc_1")
        assert (row.state, row.tool, row.item_id, row.tool_call_id) == (
            "started", "book", "item_1", "call_1",
        )  # fmt: skip
        assert tool.requests[0].idempotency_key == row.idempotency_key
        row, result = await running
        assert (row.state, result.output) == ("done", "booked")
        assert await at.states() == ["done"]
        (kept,) = await at.store.tool_runs.of_call("rtc_1")
        assert kept == row

    tell(tool, story)


def test_a_run_that_cannot_be_recorded_does_not_start() -> None:
    tool = Tool(effects=True)

    async def story(at: Desk) -> None:
        async def full(changes: object) -> None:
            raise StoreError("disk full")

        at.store.commit = full  # type: ignore[method-assign]
        row, result = await at.run()
        assert (row.state, result.failed) == ("failed", True)
        assert "could not record it" in result.output
        assert tool.requests == []

    tell(tool, story)


def test_a_run_without_effects_does_not_wait_for_the_disk() -> None:
    tool = Tool()

    async def story(at: Desk) -> None:
        began = asyncio.get_running_loop().time()
        row, result = await at.run()
        assert asyncio.get_running_loop().time() - began == 1.0
        assert (row.state, result.output) == ("done", "booked")
        assert await at.states() == ["done"]

    tell(tool, story)


def test_a_run_with_effects_that_times_out_may_have_happened() -> None:
    tool = Tool(effects=True)

    async def forever(request: ToolRequest, context: ToolContext) -> ToolResult:
        await asyncio.sleep(100)
        raise AssertionError

    tool.call = forever  # type: ignore[method-assign]

    async def story(at: Desk) -> None:
        row, result = await at.run()
        assert row.state == "unknown"
        assert json.loads(result.output)["state"] == "unknown"

    tell(tool, story)


def test_a_wrong_call_is_recorded_and_needs_no_approval() -> None:
    tool = Tool(effects=True, approve="user")

    async def story(at: Desk) -> None:
        row, result = await at.run("[]")
        assert (row.state, result.failed) == ("failed", True)
        assert at.ledger.requests == []
        assert await at.states() == ["failed"]

    tell(tool, story)


# Approvals


def test_the_user_agrees_in_words_and_the_model_calls_again() -> None:
    tool = Tool(effects=True, approve="user")

    async def story(at: Desk) -> None:
        row, result = await at.run()
        assert row.state == "requested"
        assert json.loads(result.output)["run_id"] == row.id
        assert "must confirm" in result.output
        assert tool.requests == []
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(2)
        again, result = await at.run(number=2, replied_to_at=clock())
        assert (again.id, again.state, result.output) == (row.id, "done", "booked")
        assert (again.approved_by, again.tool_call_id) == ("user, spoken", "call_2")
        assert len(tool.requests) == 1
        assert await at.states() == ["done"]

    tell(tool, story)


def test_a_model_that_calls_again_before_the_user_replied_gets_no_approval() -> None:
    tool = Tool(effects=True, approve="user")

    async def story(at: Desk) -> None:
        await asyncio.sleep(1)
        acted = asyncio.get_running_loop().time()
        await asyncio.sleep(1)
        first, _ = await at.run(replied_to_at=acted)
        again, result = await at.run(number=2, replied_to_at=acted)
        assert (again.id, again.state) == (first.id, "requested")
        assert "must confirm" in result.output
        assert tool.requests == []

    tell(tool, story)


def test_changed_arguments_need_an_approval_of_their_own() -> None:
    tool = Tool(effects=True, approve="user")

    async def story(at: Desk) -> None:
        first, _ = await at.run()
        await asyncio.sleep(1)
        now = asyncio.get_running_loop().time()
        other, _ = await at.run('{"seats": 20}', number=2, replied_to_at=now)
        assert other.id != first.id
        assert other.state == "requested"
        assert other.arguments_sha256 != first.arguments_sha256
        same, _ = await at.run('{ "seats" : 2 }', number=3, replied_to_at=now)
        assert (same.id, same.state) == (first.id, "done"), "spaces change nothing"
        assert len(tool.requests) == 1

    tell(tool, story)


def test_a_spoken_yes_does_not_replace_staff() -> None:
    tool = Tool(effects=True, approve="staff")

    async def story(at: Desk) -> None:
        first, result = await at.run()
        assert "member of staff" in result.output
        await asyncio.sleep(1)
        again, _ = await at.run(number=2, replied_to_at=asyncio.get_running_loop().time())
        assert (again.id, again.state) == (first.id, "requested")
        assert tool.requests == []

    tell(tool, story)


def test_a_pressed_yes_starts_the_run_and_tells_the_conversation() -> None:
    tool = Tool(effects=True, approve="staff")

    async def story(at: Desk) -> None:
        at.attach()
        row, _ = await at.run()
        decided = await at.ledger.decide(row.id, approve=True, by="key_1")
        assert decided is not None
        assert (decided.state, decided.approved_by) == ("approved", "key_1")
        assert await at.ledger.decide(row.id, approve=True, by="key_2") is None
        await asyncio.sleep(2)
        assert len(tool.requests) == 1
        assert at.told == [(decided.tool_call_id, "booked")]
        assert await at.states() == ["done"]

    tell(tool, story)


def test_a_no_fails_the_run_and_tells_the_conversation() -> None:
    tool = Tool(effects=True, approve="user")

    async def story(at: Desk) -> None:
        at.attach()
        row, _ = await at.run()
        await at.ledger.decide(row.id, approve=False, by="key_1")
        assert await at.states() == ["failed"]
        ((_, output),) = at.told
        assert "not approved" in output
        assert tool.requests == []

    tell(tool, story)


def test_a_request_expires() -> None:
    tool = Tool(effects=True, approve="user")

    async def story(at: Desk) -> None:
        row, _ = await at.run()
        assert at.ledger.requests == [row]
        await asyncio.sleep(EXPIRES_AFTER.total_seconds() + 1)
        assert at.ledger.requests == []
        assert await at.states() == ["failed"]
        assert await at.ledger.decide(row.id, approve=True, by="key_1") is None

    tell(tool, story)


def test_the_requests_of_one_assistant_leave_room_for_another() -> None:
    tool = Tool(effects=True, approve="staff")

    async def story(at: Desk) -> None:
        for number in range(REQUESTS_OF_ASSISTANT + 1):
            row, _ = await at.run(f'{{"seats": {number}}}', ALONE)
        assert row.state == "failed"
        row, _ = await at.run(context=ToolContext(assistant="bob"))
        assert row.state == "requested"
        assert len(at.ledger.requests) == REQUESTS_OF_ASSISTANT + 1

    tell(tool, story)


# Programs


def test_a_program_that_asks_again_with_its_key_gets_the_same_run() -> None:
    tool = Tool(effects=True)

    async def story(at: Desk) -> None:
        first, _ = await at.run(context=ALONE, idempotency_key="order 7")
        again, result = await at.run(context=ALONE, idempotency_key="order 7")
        other, _ = await at.run(context=ALONE, idempotency_key="order 8")
        assert (again.id, result.output) == (first.id, "booked")
        assert other.id != first.id
        assert len(tool.requests) == 2

    tell(tool, story)


def test_two_requests_with_one_key_at_the_same_time_run_the_tool_once() -> None:
    tool = Tool(effects=True)

    async def story(at: Desk) -> None:
        both = [at.run(context=ALONE, idempotency_key="order 7") for _ in range(2)]
        (first, _), (other, _) = await asyncio.gather(*both)
        assert first.id == other.id
        assert len(tool.requests) == 1

    tell(tool, story)


def test_a_spoken_no_rejects_the_run_whichever_call_asked_last() -> None:
    tool = Tool(effects=True, approve="user")

    async def story(at: Desk) -> None:
        first, _ = await at.run()
        again, _ = await at.run(number=2)
        assert (again.id, again.tool_call_id) == (first.id, "call_2")
        declined = at.ledger.decline(CONVERSATION, "call_2")
        assert declined is not None
        assert (declined.id, declined.state) == (first.id, "failed")
        assert at.ledger.requests == []
        assert tool.requests == []

    tell(tool, story)


def test_a_spoken_no_rejects_the_run_of_its_call_and_tells_nothing() -> None:
    tool = Tool(effects=True, approve="user")

    async def story(at: Desk) -> None:
        at.attach()
        await at.run('{"seats": 2}', number=1)
        await at.run('{"seats": 3}', number=2)
        assert at.ledger.decline("conv_other", "call_1") is None
        declined = at.ledger.decline(CONVERSATION, "call_1")
        assert declined is not None
        assert (declined.state, declined.arguments) == ("failed", '{"seats": 2}')
        assert at.ledger.decline(CONVERSATION, "call_1") is None
        assert [row.arguments for row in at.ledger.requests] == ['{"seats": 3}']
        assert at.told == []
        assert await at.states() == ["failed", "requested"]

    tell(tool, story)


@pytest.mark.parametrize(
    ("language", "arguments", "question"),
    [
        ("en", '{"seats": 2}', "Shall I book 2 seats?"),
        ("it-CH", '{"seats": 2}', "Prenoto 2 posti?"),
        ("es", '{"seats": 2}', "¿Lo hago?"),
        ("en", "{}", "Shall I do that?"),
        ("en", json.dumps({"seats": "2 " * 200}), "Shall I do that?"),
        ("sw", "{}", "Shall I do that?"),
    ],
)
def test_the_question_is_in_the_language_of_the_call(
    language: str, arguments: str, question: str
) -> None:
    ask = {"en": "Shall I book {seats} seats?", "it": "Prenoto {seats} posti?"}
    tool = Tool(effects=True, approve="user", ask=ask)

    async def story(at: Desk) -> None:
        _, result = await at.run(arguments, replace(CONTEXT, language=language))
        assert json.loads(result.output)["spoken"] == question

    tell(tool, story)


@pytest.mark.parametrize("relayed", [False, True], ids=["embedded", "relayed"])
def test_an_approved_run_enters_the_conversation_as_a_tool_call_and_is_answered(
    relayed: bool,
) -> None:
    async def story() -> tuple[Model, Line]:
        shop = Shop()
        rules = ToolRules(effects=True, approve="staff")
        life = await Life(MemoryStore(), shop, Random(1), rules=rules).start()
        model = Model(shop)
        line = await life.call(model, relayed=relayed)
        await asyncio.sleep(0.1)
        line.ask()
        await asyncio.sleep(2)
        assert len(model.contexts) == 2, "the model has told the user to wait"
        (row,) = life.ledger.requests
        await life.ledger.decide(row.id, approve=True, by="key_1")
        await asyncio.sleep(2)
        line.hang_up()
        await life.stop(line)
        return model, line

    model, _ = live(story())
    assert len(model.contexts) == 3
    last = model.contexts[-1]
    assert "requested" in last.outputs[0]
    assert "booked" in last.outputs[1]
    assert last.orders == 1


@pytest.mark.parametrize("relayed", [False, True], ids=["embedded", "relayed"])
def test_the_next_call_of_a_conversation_gets_the_result_of_a_run_that_outlasts_its_call(
    relayed: bool,
) -> None:
    """Take more time for a booking than the next call waits."""

    async def story() -> Model:
        shop = Shop()
        life = await Life(MemoryStore(), shop, Random(1), slow_s=10).start()
        model = Model(shop)
        line = await life.call(model, relayed=relayed)
        await asyncio.sleep(0.1)
        line.ask()
        await asyncio.sleep(1)
        line.hang_up()
        other = await life.call(model, relayed=relayed)
        await asyncio.sleep(0.1)
        other.ask("Is it done?")
        await asyncio.sleep(20)
        other.hang_up()
        await life.stop(line, other)
        return model

    model = live(story())
    unknown, done = model.contexts[1:]
    assert "may have happened" in unknown.text
    assert "booked" in done.outputs[-1]
    assert done.orders == 1


def test_a_restart_settles_what_was_requested_and_what_was_started() -> None:
    async def story() -> list[ToolRunRow]:
        store, shop = MemoryStore(), Shop()
        life = await Life(store, shop, Random(3)).start()
        line = await life.call(Model(shop), relayed=False)
        line.ask()
        await asyncio.sleep(0.35)
        await life.kill(line)
        other = await Life(store, shop, Random(3)).start()
        rows = await store.tool_runs.of_conversation(CONVERSATION)
        await other.stop()
        return rows

    (row,) = live(story())
    assert row.state == "unknown"
    assert row.ended_at is not None
