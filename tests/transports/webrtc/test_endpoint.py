"""Listening peers, a server without WebRTC, and the number of calls that are being set up."""

from __future__ import annotations

import asyncio
import builtins
from typing import Any, cast

import pytest
from aioice import Connection

from vivavoce.app import webrtc
from vivavoce.config import Settings
from vivavoce.runtime.call_spec import CallRequest
from vivavoce.runtime.refusals import CallRefused
from vivavoce.transports.webrtc import ice, libopus
from vivavoce.transports.webrtc.endpoint import WebRtcEndpoint
from vivavoce.transports.webrtc.ice import LOOPBACK, IceSettings

from ...transports.test_webrtc import offer_of

REQUEST = CallRequest("key", "webrtc", {}, audio="media")


def candidates(settings: IceSettings) -> list[tuple[str, str, int]]:
    async def main() -> list[tuple[str, str, int]]:
        connection = Connection(ice_controlling=False)
        ice.listen(connection, settings)
        await connection.gather_candidates()
        found = [(each.type, each.host, each.port) for each in connection.local_candidates]
        await connection.close()
        return found

    return asyncio.run(main())


# Addresses


def test_the_public_address_leads_to_the_port_of_this_machine() -> None:
    settings = IceSettings(bind=("127.0.0.2",), public_address="198.51.100.7")
    (kind, host, port), (_, here, local) = sorted(candidates(settings), reverse=True)
    assert (kind, host, here) == ("srflx", "198.51.100.7", "127.0.0.2")
    assert port == local > 0


def test_a_public_address_of_the_other_version_is_left_out() -> None:
    settings = IceSettings(bind=("127.0.0.2",), public_address="2001:db8::7")
    assert [kind for kind, _, _ in candidates(settings)] == ["host"]


def test_each_port_is_within_the_range() -> None:
    ports = {candidates(IceSettings(bind=(LOOPBACK,), ports=(50_300, 50_309)))[0][2]
             for _ in range(5)}  # fmt: skip
    assert ports <= set(range(50_300, 50_310))


# A server without WebRTC


def said_by(settings: Settings) -> str:
    made = webrtc.signalling(
        settings, cast("Any", None), cast("Any", None), lambda kind: kind, lambda packets: None
    )
    with pytest.raises(CallRefused) as refused:
        asyncio.run(made.answer("v=0", REQUEST))
    assert (refused.value.status, refused.value.code) == (501, "webrtc_not_supported")
    return str(refused.value)


def test_it_is_switched_off() -> None:
    assert "webrtc.enabled" in said_by(Settings.model_validate({"webrtc": {"enabled": False}}))


def test_its_packages_are_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        if name.endswith("transports.webrtc"):
            raise ImportError("no", name="aiortc")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'vivavoce[webrtc]'" in said_by(Settings())
    assert "webrtc_not_installed" in caplog.text


def test_libopus_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(libopus, "candidates", lambda: iter(()))
    libopus.load.cache_clear()
    try:
        assert "libopus is missing" in said_by(Settings())
    finally:
        libopus.load.cache_clear()
    assert "webrtc_without_libopus" in caplog.text


# How many


class Slow:
    """A `CallSetup` that never finishes."""

    def __init__(self) -> None:
        self.asked = 0

    async def admit_in_time(self, request: CallRequest, *, call_id: str) -> Any:  # noqa: ANN401
        self.asked += 1
        await asyncio.Event().wait()


def test_calls_that_are_being_set_up_are_bounded_and_a_failed_one_gives_its_place_back() -> None:
    async def main() -> None:
        slow, offer = Slow(), await asyncio.to_thread(offer_of)
        endpoint = WebRtcEndpoint(
            cast("Any", slow), cast("Any", None), settings=IceSettings(bind=(LOOPBACK,)),
            connect_within_s=1.0, max_pending=2, make_id=lambda kind: kind,
            count_packets=lambda packets: None,
        )  # fmt: skip
        tasks = [asyncio.create_task(endpoint.answer(offer, REQUEST)) for _ in range(2)]
        await asyncio.sleep(0)
        assert slow.asked == 2
        with pytest.raises(CallRefused) as refused:
            await endpoint.answer(offer, REQUEST)
        assert (refused.value.status, refused.value.code) == (503, "server_busy")
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        third = asyncio.create_task(endpoint.answer(offer, REQUEST))
        await asyncio.sleep(0)
        assert slow.asked == 3
        for task in (tasks[1], third):
            task.cancel()
        await asyncio.wait([tasks[1], third])

    asyncio.run(main())
