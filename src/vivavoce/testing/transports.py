"""Make an endpoint for tests. Its calls have real drivers, whose machine keeps what arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ..config import Settings
from ..core import effects as do
from ..core.effects import ClientId, DriverEffect, EngineEffect
from ..core.inputs import AudioReceived, DriverInput, HungUp, Played, SessionInput
from ..engines.transport_spec import Endpoint, TransportSpec
from ..protocol import server
from ..protocol.close_codes import HUNG_UP, CloseCode
from ..runtime.call_registry import InProcessCallRegistry
from ..runtime.call_spec import CallRequest
from ..runtime.client_port import ClientPort, Reader
from ..runtime.driver import CallDriver
from ..runtime.reader import SessionReader
from ..runtime.recorder import Recorder
from ..runtime.refusals import CallRefused
from ..runtime.transport_services import TransportServices

CREDENTIAL = "vv_0123456789abcdef"
SLOW_CLIENT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Perform:
    """An input that makes the machine request these effects."""

    effects: Sequence[DriverEffect]


_Input: TypeAlias = SessionInput | _Perform


class _Machine:
    """Keeps the inputs of one call."""

    def __init__(self, call: EndpointCall) -> None:
        self.closed = False
        self._call = call
        self._effects: list[DriverEffect] = []

    def receive(
        self, event: _Input | DriverInput, now: float, client_id: ClientId | None = None
    ) -> None:
        match event:
            case HungUp():
                self.closed = True
            case AudioReceived(pcm=pcm):
                self._call.heard += pcm
            case Played(item_id=item_id, ms=ms):
                self._call.played.append((item_id, ms))
            case _Perform(effects=effects):
                self._effects += effects
            case _:
                self._call.events.append(event)

    def effects(self) -> Sequence[DriverEffect]:
        requested, self._effects = self._effects, []
        return requested

    def next_deadline(self) -> float | None:
        return None

    def on_deadline(self, now: float) -> None: ...


class _NoWork:
    """The work of a call that has no engine."""

    def begin(self, driver: CallDriver[_Input, EngineEffect], tasks: asyncio.TaskGroup) -> None: ...

    def stop(self, effect: do.Cancel) -> None: ...

    def perform(self, effect: EngineEffect) -> None: ...

    def update_backpressure(self) -> None: ...

    def end(self) -> None: ...


class _Whole:
    """Passes audio on in one piece."""

    def decode(self, data: bytes) -> Iterator[AudioReceived]:
        yield AudioReceived(data)

    def held_back(self) -> Iterator[AudioReceived]:
        """Yield nothing, because this decoder has no filters."""
        return iter(())


@dataclass
class EndpointCall:
    """One call of the endpoint under test. A test plays its assistant."""

    request: CallRequest
    call_id: str
    conversation_id: str = "conv_1"
    language: str = "en"
    heard: bytearray = field(default_factory=bytearray)  # of the user, PCM16 at 24 kHz
    played: list[tuple[str, int]] = field(default_factory=list)
    events: list[object] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        recorder = Recorder(
            self.call_id,
            self.conversation_id,
            lambda change, outcome: None,
            wall=lambda: datetime.now(UTC),
        )
        self.driver: CallDriver[_Input, EngineEffect] = CallDriver(
            _Machine(self), _NoWork(), recorder, timeout_s=SLOW_CLIENT_S
        )

    def reader(self, client: ClientPort) -> Reader:
        return SessionReader(self.driver, client, _Whole())

    async def live(self) -> None:
        try:
            await self.driver.run()
        finally:
            self.over.set()

    def play(self, item_id: str, pcm: bytes) -> None:
        """Speak to the client."""
        delta = server.AudioDelta(
            event_id="event_1",
            response_id="resp_1",
            item_id=item_id,
            output_index=0,
            content_index=0,
            delta=pcm,
        )
        self.driver.feed(_Perform([do.Send(delta)]))

    def hush(self, item_id: str) -> None:
        """Stop speaking, as after an interruption."""
        self.driver.feed(_Perform([do.Hush(item_id)]))

    def hang_up(self) -> None:
        self.driver.hang_up(CloseCode.NORMAL, HUNG_UP)


@dataclass
class Bench:
    """An endpoint that listens, and the calls that its clients begin."""

    endpoint: Any = None  # of the package's own type
    peers: list[Any] = field(default_factory=list)  # that the test has connected
    calls: list[EndpointCall] = field(default_factory=list)
    admitting: asyncio.Event = field(default_factory=asyncio.Event)  # set: calls are admitted
    asked: int = 0  # calls that the endpoint has asked for
    _began: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def call(self, number: int = 0) -> EndpointCall:
        """Wait for a call."""
        async with self._began:
            await self._began.wait_for(lambda: len(self.calls) > number)
        return self.calls[number]

    async def admit(self, request: CallRequest) -> tuple[EndpointCall, EndpointCall]:
        """Admit a call with `CREDENTIAL`, and refuse all others."""
        self.asked += 1
        await self.admitting.wait()
        if request.credential != CREDENTIAL:
            message = "Incorrect API key provided."
            raise CallRefused(401, "invalid_api_key", message, close=CloseCode.UNAUTHORIZED)
        call = EndpointCall(request, f"rtc_{len(self.calls)}")
        async with self._began:
            self.calls.append(call)
            self._began.notify_all()
        return call, call


@asynccontextmanager
async def listening(
    spec: TransportSpec[TransportServices], table: Mapping[str, object]
) -> AsyncIterator[Bench]:
    """Start an endpoint with these settings. At the end, hang up its calls and stop it."""
    settings = Settings.model_validate({"transports": {spec.name: table}})
    bench = Bench()
    bench.admitting.set()
    async with InProcessCallRegistry() as registry:
        services = TransportServices(
            spec.name,
            spec.options(settings),
            admit=bench.admit,
            spawn=registry.spawn,
            max_pending=8,
        )
        endpoint: Endpoint = await spec.make(services)
        await endpoint.start()
        bench.endpoint = endpoint
        try:
            yield bench
        finally:
            bench.admitting.set()
            for call in bench.calls:
                call.driver.hang_up(CloseCode.SERVICE_RESTART, "service restart")
            await endpoint.stop()
