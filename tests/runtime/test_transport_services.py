"""A transport of another package gets calls under the rules of all calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vivavoce.core.types import Caller
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.close_codes import CloseCode
from vivavoce.runtime.call_spec import CallRequest
from vivavoce.runtime.refusals import CallRefused
from vivavoce.runtime.transport_services import RUN_WITHIN_S, Admitted, CallNames, TransportServices

from ..support.fakes import FakeWire
from ..support.media_wire import MediaWire
from .test_call_setup import Place, place
from .test_driver import HELLO


def services(at: Place, max_pending: int = 8) -> TransportServices:
    async def admit(request: CallRequest) -> tuple[CallNames, Admitted]:
        call = await at.call_setup.admit_in_time(request)
        return call.spec, call

    return TransportServices(
        "pigeon", None, admit=admit, spawn=at.registry.spawn, max_pending=max_pending
    )


def test_a_call_runs_until_its_client_is_lost_and_is_stored(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = MediaWire()
        async with services(at).call("key", {"assistant": "echo", "language": "en"}) as call:
            media = call.attach_media(wire)
            media.frame(codec.encode(client.ItemCreate(item=HELLO)))
            media.frame(codec.encode(client.ResponseCreate()))
            asyncio.get_running_loop().call_later(5, media.lost, 1000, "")
            assert await call.run() == "client_closed_1000"
        assert wire.ms > 100
        row = await at.store.call(call.id)
        assert row is not None
        assert (row.transport, row.ending) == ("pigeon", "client_closed_1000")
        assert row.conversation_id == call.conversation_id
        assert len(at.registry) == 0

    place(tmp_path, story)


def test_a_client_with_events_and_audio_is_told_both(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        audio, wire = MediaWire(), FakeWire()
        async with services(at).call("key") as call:
            media = call.attach_media(audio, wire)
            media.frame(codec.encode(client.ItemCreate(item=HELLO)))
            media.frame(codec.encode(client.ResponseCreate()))
            asyncio.get_running_loop().call_later(5, media.lost, 1000, "")
            await call.run()
        assert wire.first(server.SessionCreated)
        assert wire.first(server.PlayoutStopped)
        assert not wire.audio_chunks
        assert audio.ms > 100

    place(tmp_path, story)


def test_a_client_with_audio_in_events_is_a_client_like_any_other(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        async with services(at).call("key", audio="events") as call:
            wire.client = call.attach(wire)
            wire.script([(0.1, client.ItemCreate(item=HELLO)), (0.2, client.ResponseCreate())], 5)
            await call.run()
        assert wire.audio_chunks

    place(tmp_path, story)


def test_the_provider_learns_the_safety_identifier_of_a_transports_client(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        asked: list[CallRequest] = []

        async def admit(request: CallRequest) -> tuple[CallNames, Admitted]:
            asked.append(request)
            call = await at.call_setup.admit_in_time(request)
            return call.spec, call

        pigeons = TransportServices(
            "pigeon", None, admit=admit, spawn=at.registry.spawn, max_pending=8
        )
        async with pigeons.call("key", audio="events", safety_identifier="user_7") as call:
            assert call.id
        async with pigeons.call("key"):
            pass
        assert [request.safety_identifier for request in asked] == ["user_7", None]

    place(tmp_path, story)


def test_a_call_that_is_not_run_is_counted_no_longer(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        for _ in range(5):  # the assistant takes two calls at once
            async with services(at).call("key") as call:
                pass
            assert len(at.registry) == 0
            row = await at.store.call(call.id)
            assert row is not None
            assert row.ending == "client_gone"
        with pytest.raises(ZeroDivisionError):
            async with services(at).call("key"):
                raise ZeroDivisionError
        assert len(at.registry) == 0

    place(tmp_path, story)


def test_a_refused_call_is_refused_as_over_a_websocket(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        with pytest.raises(CallRefused) as refused:
            async with services(at).call("key", {"assistant": "nobody"}):
                pass
        assert refused.value.code == "assistant_not_found"
        with pytest.raises(CallRefused) as refused:
            async with services(at, max_pending=0).call("key"):
                pass
        assert (refused.value.code, refused.value.retry_s) == ("server_busy", 5)

    place(tmp_path, story)


def test_a_revoked_credential_ends_the_call(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        async with services(at).call("key") as call:
            wire = MediaWire()
            media = call.attach_media(wire)
            asyncio.get_running_loop().call_later(1, at.registry.revoke, ["key_1"])
            asyncio.get_running_loop().call_later(2, media.lost, 1006, "")
            assert await call.run() == "key_revoked"
            assert wire.closed == (3000, "invalid_request_error.key_revoked")

    place(tmp_path, story, caller=Caller(credential="key", key_id="key_1"))


def test_a_call_that_is_held_and_not_run_gives_its_place_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(at: Place) -> None:
        wire = MediaWire()
        async with services(at).call("key") as call:
            call.attach_media(wire)
            await asyncio.sleep(RUN_WITHIN_S - 0.1)
            assert (len(at.registry), wire.closed) == (1, None)
            await asyncio.sleep(0.2)
            assert len(at.registry) == 0
            assert wire.closed == (CloseCode.TRY_AGAIN_LATER, "not run")
            with pytest.raises(CallRefused, match="not run within 10 s") as refused:
                await call.run()
            assert (refused.value.status, refused.value.code) == (408, "call_not_run")
        row = await at.store.call(call.id)
        assert row is not None
        assert row.ending == "not_run"

    place(tmp_path, story)
    (late,) = [vars(r) for r in caplog.records if r.getMessage() == "call_not_run"]
    assert late["transport"] == "pigeon"
    assert late["call"]


def test_a_call_that_runs_in_time_is_not_ended_by_the_deadline(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        async with services(at).call("key") as call:
            media = call.attach_media(MediaWire())
            await asyncio.sleep(RUN_WITHIN_S - 0.1)
            asyncio.get_running_loop().call_later(60, media.lost, 1000, "")
            assert await call.run() == "client_closed_1000"

    place(tmp_path, story)


def test_a_call_has_one_client_and_runs_once(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        first, second = MediaWire(), MediaWire()
        async with services(at).call("key") as call:
            media = call.attach_media(first)
            with pytest.raises(RuntimeError, match="has a client"):
                call.attach_media(second)
            with pytest.raises(RuntimeError, match="has a client"):
                call.attach(FakeWire())
            running = asyncio.create_task(call.run())
            await asyncio.sleep(1)
            with pytest.raises(RuntimeError, match="runs already"):
                await call.run()
            assert not running.done(), "it goes on with its client"
            media.lost(1000, "")
            assert await running == "client_closed_1000"
        assert (first.closed, second.closed, second.packets) == (None, None, [])

    place(tmp_path, story)


@pytest.mark.parametrize("events", [False, True])
def test_a_client_that_attaches_after_the_end_is_closed_at_once(
    tmp_path: Path, events: bool
) -> None:
    async def story(at: Place) -> None:
        async with services(at).call("key") as call:
            await at.registry.hang_up(at.registry.get(call.id) or pytest.fail("no call"))
            assert await call.run() == "hung_up"
            audio, wire = MediaWire(), FakeWire()
            media = call.attach_media(audio, wire if events else None)
            closed = wire.closed[1:] if wire.closed else audio.closed
            assert closed == (1000, "hung_up")
            assert (audio.closed is None) == events
            media.frame(codec.encode(client.ResponseCreate()))
            media.feed_audio(bytes(960))
            media.writable()
            media.lost(1000, "")
            await asyncio.sleep(1)
            assert audio.packets == []
            assert wire.heard == []

    place(tmp_path, story)
