"""A shop that counts its bookings, a model that books, and a server that may be killed.

`Life` is one process of the server: its commits and its tools stop at `kill`, as with kill -9. The
`MemoryStore` keeps the committed rows. A `Line` is one call of a user with the model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from vivavoce.core.call_settings import CallSettings
from vivavoce.core.relay import Relay
from vivavoce.core.session import Session
from vivavoce.core.types import ToolRules, ToolSpec
from vivavoce.engines.base import GenerateRequest
from vivavoce.engines.cascade import Cascade
from vivavoce.protocol import client, codec
from vivavoce.protocol.config import SessionConfig
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message, Part
from vivavoce.protocol.server import Usage
from vivavoce.runtime.driver import CallDriver
from vivavoce.runtime.engine_work import EngineWork
from vivavoce.runtime.group_commit import GroupCommitter
from vivavoce.runtime.reader import SessionReader
from vivavoce.runtime.recorded_tools import RecordedTools
from vivavoce.runtime.recorder import Recorder
from vivavoce.runtime.tool_history import ToolHistory
from vivavoce.runtime.tool_work import ToolWork
from vivavoce.runtime.upstream_work import RelayReader, UpstreamWork
from vivavoce.store.base import CallRow, Change, ConversationRow
from vivavoce.store.memory import MemoryStore
from vivavoce.store.tool_runs import ToolRunRow
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult
from vivavoce.tools.ledger import ToolLedger
from vivavoce.tools.runners import ToolRunners

from .fakes import ExactDecoder, FakeStt, FakeTts, FakeWire, now
from .upstream import FakeUpstream, RawWire, frame

CONVERSATION = "conv_1"
BOOKED = "booked"


def wall() -> datetime:
    return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=now())


def new_ids() -> Callable[[str], str]:
    """Return ids that no other life makes."""
    return lambda kind: f"{kind}_{_next()}"


_numbers = iter(range(10**9))


def _next() -> int:
    return next(_numbers)


@dataclass
class Shop:
    """Its orders survive the server. It does every order that it gets, also a second one."""

    orders: list[str] = field(default_factory=list)  # keys


@dataclass
class Booking:
    """A runner with one tool that has an effect."""

    shop: Shop
    life: Life
    rng: Random
    slow_s: float = 0.0
    rules_: ToolRules = field(default_factory=lambda: ToolRules(effects=True))

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        return (ToolSpec(name="book", description="Book a table."),)

    def rules(self, name: str) -> ToolRules:
        return self.rules_

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        await asyncio.sleep(self.slow_s + self.rng.uniform(0, 0.3))
        await self.life.alive()
        self.shop.orders.append(request.idempotency_key)
        await asyncio.sleep(self.rng.uniform(0, 0.3))
        await self.life.alive()
        return ToolResult(json.dumps({"state": BOOKED}))


@dataclass
class Disk:
    """Commits take a while. After `kill` none ends."""

    store: MemoryStore
    life: Life
    rng: Random

    async def commit(self, changes: Sequence[Change]) -> None:
        await asyncio.sleep(self.rng.uniform(0, 0.05))
        await self.life.alive()
        await self.store.commit(changes)


@dataclass(frozen=True)
class Context:
    """The outputs that a model read, and the number of orders at that moment."""

    outputs: tuple[str, ...]
    orders: int

    @property
    def text(self) -> str:
        return " ".join(self.outputs)


@dataclass
class Model:
    """Books once, as far as it can see. A `stubborn` one calls again after an unknown run."""

    shop: Shop
    stubborn: bool = False
    always: bool = False  # it calls the tool after everything that the user says
    contexts: list[Context] = field(default_factory=list)

    def answer(self, history: Sequence[Item]) -> str | FunctionCall:
        outputs = tuple(item.output for item in history if isinstance(item, FunctionOutput))
        self.contexts.append(Context(outputs, len(self.shop.orders)))
        calls = sum(isinstance(item, FunctionCall) for item in history)
        if self.always and isinstance(history[-1], Message):
            return self.call()
        if not outputs or ("unknown" in outputs[-1] and self.stubborn and calls < 2):
            return self.call()
        return "Here is what I know."

    def call(self) -> FunctionCall:
        return FunctionCall(name="book", call_id=f"call_{_next()}", arguments='{"seats": 2}')

    async def generate(
        self, question: GenerateRequest
    ) -> AsyncGenerator[str | FunctionCall | Usage, None]:
        await asyncio.sleep(0.1)
        yield self.answer(question.history)


class Life:
    """One process of the server, from its start to its end or its kill."""

    def __init__(
        self,
        store: MemoryStore,
        shop: Shop,
        rng: Random,
        *,
        rules: ToolRules | None = None,
        slow_s: float = 0,
    ) -> None:
        self.store, self.rng = store, rng
        self.changes: list[ToolRunRow] = []
        self._killed = False
        booking = Booking(shop, self, rng, slow_s)
        if rules is not None:
            booking.rules_ = rules
        self.runners = ToolRunners([booking])
        self.make_id = new_ids()
        self._stack = AsyncExitStack()

    async def start(self) -> Life:
        disk = Disk(self.store, self, self.rng)
        self.writer = await self._stack.enter_async_context(GroupCommitter(disk))
        self.ledger = await self._stack.enter_async_context(
            ToolLedger(
                self.store.tool_runs,
                self.writer.submit,
                make_id=self.make_id,
                now=wall,
                on_change=self.changes.append,
            )
        )
        await self.ledger.recover()
        return self

    async def alive(self) -> None:
        """Return at once, or never if the process was killed."""
        if self._killed:
            await asyncio.Event().wait()

    async def kill(self, *lines: Line) -> None:
        """End it as kill -9 does: nothing more is committed, and no tool does anything."""
        self._killed = True
        for line in lines:
            line.task.cancel()
        await self.stop(*lines)

    async def stop(self, *lines: Line) -> None:
        for line in lines:
            with suppress(asyncio.CancelledError):
                await line.task
        await self._stack.aclose()

    async def call(self, model: Model, *, relayed: bool) -> Line:
        """Begin a call that continues the conversation, if there is one."""
        names = frozenset({"book"})
        call_id = self.make_id("rtc")
        rows = await self._begun(call_id)
        complete = ToolHistory(self.ledger, self.writer.submit, make_id=self.make_id, now=wall)
        rows = await complete(CONVERSATION, names, rows)
        context = ToolContext(call_id=call_id, conversation_id=CONVERSATION, assistant="ada")
        tools = RecordedTools(self.ledger, self.runners, context)
        settings = CallSettings(
            conversation_id=CONVERSATION, server_tools=names, thinks_in_text=True
        )
        recorder = Recorder(call_id, CONVERSATION, self.writer.submit, wall=wall, kept=rows)
        history = [row.item for row in rows]
        line = Line(relayed)
        work = ToolWork(tools, context)
        driver: Any
        if relayed:
            relay = Relay(
                {"type": "realtime"}, settings, now=now(), new_id=self.make_id, history=history
            )
            line.upstream = HostedModel(model)
            upstream_work = UpstreamWork(relay, line.upstream, tools=work)
            driver = CallDriver(relay, upstream_work, recorder, observers=[tools.observe])
            line.wire.client = driver.attach(
                line.wire, lambda port: RelayReader(driver, upstream_work, port)
            )
        else:
            session = Session(
                SessionConfig(output_modalities=("text",)),
                settings,
                now=now(),
                new_id=self.make_id,
                history=history,
            )
            engine = Cascade(FakeStt(), model, FakeTts())
            engine_work = EngineWork(engine, tools=work)
            driver = CallDriver(session, engine_work, recorder, observers=[tools.observe])
            line.wire.client = driver.attach(
                line.wire,
                lambda port: SessionReader(
                    driver, port, ExactDecoder(), behind=lambda: engine_work.is_behind
                ),
            )
        tools.begin(driver.feed)

        async def run() -> None:
            try:
                await driver.run()
            finally:
                tools.close()

        line.task = asyncio.create_task(run())
        return line

    async def _begun(self, call_id: str) -> Any:  # noqa: ANN401
        new = None
        if await self.store.conversation(CONVERSATION) is None:
            new = ConversationRow(CONVERSATION, "ada", None, "en", wall(), wall())
        row = CallRow(call_id, CONVERSATION, "ada", None, "websocket", "cascade", wall())
        await self.store.begin_call(row, new)
        return tuple(await self.store.items(CONVERSATION))


@dataclass
class Line:
    """One call of a user."""

    relayed: bool
    wire: Any = None
    upstream: HostedModel | None = None
    task: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        self.wire = RawWire() if self.relayed else FakeWire()

    def ask(self, text: str = "Book for two, please.") -> None:
        part = Part(type="input_text", text=text)
        self.send(client.ItemCreate(item=Message(role="user", content=(part,))))
        self.send(client.ResponseCreate())

    def send(self, event: client.ClientEvent) -> None:
        if self.wire.closed is None:
            self.wire.say(codec.encode(event))

    def hang_up(self) -> None:
        if self.wire.closed is None:
            self.wire.client.lost(1000, "")

    def drop_upstream(self) -> None:
        if self.upstream is not None and self.upstream.closed is None:
            self.upstream.receiver.lost(1006, "")


@dataclass
class HostedModel(FakeUpstream):
    """A provider with the same model. It keeps a conversation as the protocol says."""

    model: Model | None = None
    items: list[dict[str, Any]] = field(default_factory=list)
    busy: bool = False

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model, self.items, self.busy = model, [], False

    def _hear(self, data: bytes) -> None:
        super()._hear(data)
        event = json.loads(data)
        loop = asyncio.get_running_loop()
        if event["type"] == "conversation.item.create":
            item = event["item"] | {"status": "completed"}
            item.setdefault("id", f"item_{_next()}")
            loop.call_later(0.01, self._add, item)
        elif event["type"] == "response.create":
            loop.call_later(0.02, self._respond)

    def _add(self, item: dict[str, Any]) -> None:
        if self.closed is not None:
            return
        previous = self.items[-1]["id"] if self.items else None
        self.items.append(item)
        for kind in ("added", "done"):
            self.says(frame(f"conversation.item.{kind}", previous_item_id=previous, item=item))

    def _respond(self) -> None:
        assert self.model is not None
        if self.closed is not None:
            return
        known = [_item(item) for item in self.items]
        answer = self.model.answer(known)
        response = {"object": "realtime.response", "id": f"resp_{_next()}",
                    "status": "in_progress", "status_details": None, "output": [],
                    "conversation_id": "conv_9", "output_modalities": ["text"]}  # fmt: skip
        self.says(frame("response.created", response=response))
        asyncio.get_running_loop().call_later(0.1, self._finish, response, answer)

    def _finish(self, response: dict[str, Any], answer: str | FunctionCall) -> None:
        if self.closed is not None:
            return
        if isinstance(answer, FunctionCall):
            item: dict[str, Any] = {
                "id": f"fc_{_next()}", "type": "function_call", "status": "completed",
                "name": answer.name, "call_id": answer.call_id, "arguments": answer.arguments,
            }  # fmt: skip
        else:
            content = [{"type": "output_text", "text": answer}]
            item = {
                "id": f"msg_{_next()}",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": content,
            }
        self._add(item)
        done = response | {"status": "completed", "output": [item]}
        self.says(frame("response.done", response=done))


def _item(raw: dict[str, Any]) -> Item:
    kind = raw["type"]
    if kind == "function_call":
        return FunctionCall(name=raw["name"], call_id=raw["call_id"], arguments=raw["arguments"])
    if kind == "function_call_output":
        return FunctionOutput(call_id=raw["call_id"], output=raw["output"])
    (part,) = raw["content"]
    return Message(role=raw["role"], content=(Part(type=part["type"], text=part["text"]),))
