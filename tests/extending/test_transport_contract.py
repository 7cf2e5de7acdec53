"""Each check of the contract of transports fails for a transport that breaks its rule."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest

from vivavoce.api import TransportServices, TransportSpec
from vivavoce.testing.contracts import transport

from .conftest import HERE

FOLDER = HERE / "audiosocket"


def loaded(name: str) -> ModuleType:
    """Import a file of the package, which is not installed in this process."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


ours: Any = loaded("vivavoce_audiosocket")
tests: Any = loaded("test_audiosocket")


def faulty(fault: str) -> Any:  # noqa: ANN401  # a class of the package
    """Return the endpoint of the package with one fault in its connections."""

    class Connection(ours.AudioConnection):  # type: ignore[misc]
        _closing: bool

        def _take(self, kind: int, payload: bytes) -> None:
            if fault == "is deaf" and kind == ours.AUDIO:
                return
            if fault == "ignores a hang-up" and kind == ours.HANG_UP:
                return
            if fault == "mixes calls" and kind == ours.AUDIO:
                others = [each for each in self._endpoint.connections if each is not self]
                others[0]._client.feed_audio(payload * 3)
                return
            super()._take(kind, payload)

        def _begin(self, kind: int, payload: bytes) -> None:
            trusted = fault == "trusts everybody" and kind == ours.LINE
            super()._begin(kind, tests.SALES.bytes if trusted else payload)

        def write(self, data: bytes) -> None:
            if fault == "is silent":
                return
            if fault == "keeps audio back":
                self._loop.call_later(0.4, super().write, bytes(data))
            else:
                super().write(data)

        def pause_writing(self) -> None:
            if fault != "buffers without a bound":
                super().pause_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            if fault == "forgets its client":
                self._client = None
            closing = self._closing
            super().connection_lost(exc)
            if fault == "attaches a client that has left":
                self._closing = closing

        async def _call(self, query: dict[str, str]) -> None:
            if fault == "attaches a client that has left":
                self.resume_reading = lambda: None  # the connection cannot be read any more
            await super()._call(query)

        def close(self, code: int, reason: str) -> None:
            if fault != "does not hang up":
                super().close(code, reason)

    class Endpoint(ours.AudioSocket):  # type: ignore[misc]
        _server: asyncio.Server

        async def start(self) -> None:
            await super().start()
            self._server.close()
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]

        async def stop(self) -> None:
            if fault == "leaves its clients":
                self._server.close()
            else:
                await super().stop()

    async def make(services: TransportServices) -> Any:  # noqa: ANN401
        return Endpoint(services)

    return TransportSpec(name="audiosocket", make=make, settings_model=ours.Options)


FAULTS: dict[transport.Check, str] = {
    transport.passes_on_what_the_user_says: "is deaf",
    transport.plays_in_real_time_and_reports_what_was_played: "is silent",
    transport.stops_at_once_when_the_user_interrupts: "keeps audio back",
    transport.ends_the_call_when_its_client_hangs_up: "ignores a hang-up",
    transport.ends_the_call_when_its_client_vanishes: "forgets its client",
    transport.ends_a_call_whose_client_left_while_it_was_set_up: "attaches a client that has left",
    transport.hangs_up_when_the_server_ends_the_call: "does not hang up",
    transport.gives_up_a_client_that_reads_nothing: "buffers without a bound",
    transport.keeps_two_calls_apart: "mixes calls",
    transport.refuses_a_stranger: "trusts everybody",
    transport.hangs_up_on_a_client_whose_call_is_refused: "does not hang up",
    transport.disconnects_its_clients_when_it_stops: "leaves its clients",
}


@pytest.mark.long
@pytest.mark.parametrize("check", transport.CHECKS)
def test_a_check_of_transports_fails_for_its_fault_and_passes_without_it(
    check: transport.Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SLOWLY_S", 5.0)
    case = transport.Case(
        faulty(FAULTS[check]), tests.table, tests.Asterisk.call, tests.CASE.strangers
    )
    with pytest.raises((AssertionError, TimeoutError)):
        check(case)
    check(tests.CASE)
