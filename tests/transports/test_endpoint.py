"""Handshakes and call setups that exceed their deadlines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from vivavoce.access.credential_policy import CredentialPolicy
from vivavoce.access.transport_security import TransportSecurity
from vivavoce.core.types import Caller, Frame
from vivavoce.net.websocket import Socket
from vivavoce.protocol.close_codes import CloseCode
from vivavoce.runtime.call_registry import InProcessCallRegistry
from vivavoce.runtime.call_setup import ADMIT_WITHIN_S, SIDEBANDS, AdmittedCall, CallSetup
from vivavoce.runtime.call_spec import CallRequest
from vivavoce.runtime.client_port import ClientPort, Reader
from vivavoce.runtime.live_call import LiveCall
from vivavoce.runtime.refusals import CallRefused
from vivavoce.transports.upgrade_request import UpgradeRequest
from vivavoce.transports.websocket import UpgradeResponse, WebSocketEndpoint

from ..support.virtual_time import live

if TYPE_CHECKING:
    from picows import WSTransport


class Slow(CallSetup):
    """A call setup that prepares what an assistant needs, on a machine that is busy."""

    def __init__(self) -> None:
        self.counted: list[str] = []
        self._counts = self

    def admitted(self, engine: str) -> None: ...

    def refused(self, code: str) -> None:
        self.counted.append(code)

    def call_ended(self, lasted_s: float) -> None: ...

    async def admit(self, request: CallRequest, **ids: str | None) -> AdmittedCall:
        await asyncio.sleep(ADMIT_WITHIN_S * 10)
        raise AssertionError("the endpoint has given up")


class Ear(Socket):
    """Connections that wait for admission, and their responses."""

    def __init__(self) -> None:
        super().__init__(largest=1024)
        self.told: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None

    def write(self, data: Frame) -> None:
        self.told.append(json.loads(bytes(data)))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def frame(self, data: Frame) -> None: ...

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None: ...


def endpoint_of(
    call_setup: CallSetup, registry: InProcessCallRegistry, max_pending: int = 1
) -> WebSocketEndpoint:
    return WebSocketEndpoint(
        call_setup,
        registry,
        largest=1024,
        security=TransportSecurity(),
        origins=(),
        max_pending=max_pending,
        make_id=lambda kind: f"{kind}_1",
    )


def test_a_call_that_cannot_be_set_up_in_time_may_be_tried_again() -> None:
    async def story() -> None:
        ear, slow = Ear(), Slow()
        async with InProcessCallRegistry() as registry:
            endpoint = endpoint_of(slow, registry)
            registry.spawn(
                endpoint._run_call(ear, CallRequest("key", "websocket", {}), "rtc_1", None), "call"
            )
            await asyncio.sleep(ADMIT_WITHIN_S + 1)
        (error,) = ear.told
        assert (error["error"]["type"], error["error"]["code"]) == ("server_error", "server_busy")
        assert error["error"]["retry_after"] == 5
        assert ear.closed == (1013, "server_error.server_busy")
        assert slow.counted == ["server_busy"]  # and counted like all who are refused

    live(story())


class Controlled:
    """A call's driver and its sidebands."""

    over = False

    def __init__(self) -> None:
        self.came: list[Socket] = []

    @property
    def sidebands(self) -> int:
        return len(self.came)

    def attach(
        self, transport: Socket, reader: Callable[[ClientPort], Reader], *, sideband: bool = False
    ) -> Ear:
        self.came.append(transport)
        return Ear()


def test_of_many_sidebands_that_wait_for_a_call_eight_attach() -> None:
    """All of them find it with no seat taken. The check counts them at the end."""

    async def known(credential: str | None) -> Caller:
        return Caller(credential="key")

    async def story() -> None:
        nobody = cast("Any", None)
        line, ears = Controlled(), [Ear() for _ in range(50)]
        async with InProcessCallRegistry() as registry:
            call_setup = CallSetup(
                identify=known,
                policy=CredentialPolicy(),
                resolver=nobody,
                admission=nobody,
                store=nobody,
                registry=registry,
                build=nobody,
                make_id=str,
            )
            endpoint, knock = endpoint_of(call_setup, registry), CallRequest("key", "websocket", {})
            waiting = [asyncio.create_task(call_setup.join(knock, "rtc_1")) for _ in ears]
            await asyncio.sleep(1)
            call = LiveCall("rtc_1", "conv_1", "echo")
            registry.add(call)
            registry.connect(call, cast("Any", line), nobody_reads)
            found = await asyncio.gather(*waiting)
            for ear, (live_call, credentials) in zip(ears, found, strict=True):
                endpoint._attach(ear, live_call, credentials)
            registry.remove(call)
        assert line.came == ears[:SIDEBANDS]
        assert {ear.told[0]["error"]["code"] for ear in ears[SIDEBANDS:]} == {"rate_limit_exceeded"}
        assert {ear.closed and ear.closed[0] for ear in ears[SIDEBANDS:]} == {1013}

    live(story())


class Wire:
    """The part of a picows transport that an endpoint uses."""

    def __init__(self) -> None:
        self.underlying_transport = self
        self.sent: list[bytes] = []
        self.gone = False

    def get_extra_info(self, name: str) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_protocol(self) -> asyncio.Protocol:
        return asyncio.Protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def send(self, kind: object, data: bytes) -> None:
        self.sent.append(bytes(data))

    def send_close(self, code: int, reason: bytes) -> None: ...

    def disconnect(self, graceful: bool = True) -> None:
        self.gone = True


class Unsure(Slow):
    """A call setup that refuses who comes with no key, and thinks long about the others."""

    async def admit(self, request: CallRequest, **ids: str | None) -> AdmittedCall:
        if request.credential:
            return await super().admit(request)
        raise CallRefused(401, "invalid_api_key", "unknown key", close=CloseCode.UNAUTHORIZED)


HEADERS = {"authorization": "Bearer vv_key"}


async def come(endpoint: WebSocketEndpoint, headers: dict[str, str]) -> Wire | UpgradeResponse:
    """Send an upgrade request, and stay. Return the response if it is not a WebSocket."""
    visit = endpoint.parse_request(b"/v1/realtime", headers)
    if not isinstance(visit, UpgradeRequest):
        return visit
    wire, socket = Wire(), endpoint.accept_call(visit).listener
    assert isinstance(socket, Socket)
    socket.on_ws_connected(cast("WSTransport", wire))
    await asyncio.sleep(0.01)
    return wire


def test_the_oldest_refused_connection_is_dropped_for_a_new_one() -> None:
    async def story() -> None:
        async with InProcessCallRegistry() as registry:
            endpoint = endpoint_of(cast("CallSetup", Unsure()), registry, max_pending=3)
            wires = [await come(endpoint, {}) for _ in range(7)]
            assert all(isinstance(wire, Wire) and wire.sent for wire in wires)
            assert [getattr(wire, "gone", None) for wire in wires] == [True] * 4 + [False] * 3
            waiting = [await come(endpoint, HEADERS) for _ in range(3)]
            assert [getattr(wire, "gone", None) for wire in wires] == [True] * 7
            assert [getattr(wire, "gone", None) for wire in waiting] == [False] * 3
            busy = await come(endpoint, HEADERS)  # all of them may still be admitted
            assert not isinstance(busy, Wire)
            assert busy.response.status == 503
            assert busy.response.headers["Retry-After"] == "5"

    live(story())


def nobody_reads(client: ClientPort) -> Reader:
    raise AssertionError("the line is not a real one")
