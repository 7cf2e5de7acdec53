"""A call, its setup and its sidebands end when a credential is revoked."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from vivavoce.core.types import Caller
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.items import Message, Part
from vivavoce.runtime.call_registry import POLITE_S
from vivavoce.runtime.call_setup import APPEARS_WITHIN_S, AdmittedCall
from vivavoce.runtime.call_spec import CallRequest
from vivavoce.runtime.refusals import CallRefused

from ..support.fakes import FakeWire, now
from .test_call_setup import Place, place
from .test_driver import HELLO

MINTED = Caller(credential="secret", secret_id="cs_1", key_id="key_1", browser=True)
OTHER_KEY = Caller(credential="key", key_id="key_2")
CLEAR = codec.encode(client.AudioClear())


def reason(code: str) -> tuple[int, str]:
    return 3000, f"invalid_request_error.{code}"


async def controlled(at: Place, call: AdmittedCall, by: Caller, wire: FakeWire) -> FakeWire:
    """Attach a control connection to a running call."""
    at.caller, before = by, at.caller
    found, credentials = await at.call_setup.join(
        CallRequest("key", "websocket"), call.spec.call_id
    )
    wire.client = at.registry.attach(found, wire, credentials)
    at.caller = before
    return wire


def last_error(wire: FakeWire) -> str | None:
    (_, last) = wire.heard[-1]
    assert isinstance(last, server.Error)
    return last.error.code


@pytest.mark.parametrize(
    ("caller", "revoked", "code"),
    [
        (Caller(credential="key", key_id="key_1"), "key_1", "key_revoked"),
        (MINTED, "key_1", "key_revoked"),
        (MINTED, "cs_1", "secret_revoked"),
        (Caller(credential="secret", secret_id="cs_1", sign_in_id="si_1"), "si_1", "signed_out"),
    ],
)
def test_a_call_ends_at_once_with_an_error_and_3000(
    tmp_path: Path, caller: Caller, revoked: str, code: str
) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire)
        wire.say(codec.encode(client.ItemCreate(item=HELLO)))
        await asyncio.sleep(1)
        began = now()
        assert at.registry.revoke([revoked]) == 1
        assert wire.closed == (began, *reason(code))
        assert last_error(wire) == code
        await asyncio.sleep(0.1)
        assert (len(at.registry), at.registry.in_use.ids) == (0, ())
        kept = await at.store.call(call.spec.call_id)
        assert kept is not None
        assert kept.ending == code
        kept_items = [row.item for row in await at.store.items(call.spec.conversation_id)]
        told = [event.item for _, event in wire.all(server.ItemDone)]
        assert kept_items == told
        assert any(isinstance(item, Message) and item.role == "user" for item in told)

    place(tmp_path, story, caller=caller)


def test_calls_of_other_credentials_go_on(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        ours, others = FakeWire(), FakeWire()
        await at.call(ours)
        at.caller = OTHER_KEY
        await at.call(others)
        assert at.registry.revoke(["key_1", "key_never"]) == 1
        assert (ours.closed is None, others.closed is None) == (False, True)
        others.say(CLEAR)
        assert others.all(server.AudioCleared)

    place(tmp_path, story)


def test_an_answer_that_is_being_given_is_cancelled_and_kept(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire)
        long = Message(role="user", content=(Part(type="input_text", text="one two " * 400),))
        wire.say(codec.encode(client.ItemCreate(item=long)))
        wire.say(codec.encode(client.ResponseCreate()))
        await asyncio.sleep(1)
        assert wire.audio_chunks
        assert not wire.all(server.ResponseDone)
        at.registry.revoke(["key_1"])
        await asyncio.sleep(0.1)
        assert wire.closed is not None
        assert wire.first(server.ResponseDone)[1].response.status == "cancelled"
        assert last_error(wire) == "key_revoked"
        assert [row.status for row in await at.store.responses(call.spec.call_id)] == ["cancelled"]

    place(tmp_path, story)


def test_a_revoked_client_is_not_listened_to_while_it_reads_slowly(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire(read_every_s=60)
        call = await at.call(wire)
        for _ in range(10):
            wire.say(CLEAR)
        began = now()
        at.registry.revoke(["key_1"])
        wire.say(codec.encode(client.ItemCreate(item=HELLO)))
        await asyncio.sleep(POLITE_S + 0.1)
        assert wire.closed == (began + POLITE_S, *reason("key_revoked"))
        assert len(at.registry) == 0
        assert await at.store.items(call.spec.conversation_id) == []

    place(tmp_path, story)


# Control connections


def test_a_control_connection_of_a_revoked_key_ends_alone(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire, other = FakeWire(), FakeWire()
        call = await at.call(wire)
        one = await controlled(at, call, OTHER_KEY, FakeWire())
        await controlled(at, call, Caller(credential="key", key_id="key_3"), other)
        began = now()
        assert at.registry.revoke(["key_2"]) == 0
        assert one.closed == (began, *reason("key_revoked"))
        assert last_error(one) == "key_revoked"
        wire.say(CLEAR)
        assert wire.all(server.AudioCleared)
        assert other.all(server.AudioCleared)
        assert not one.all(server.AudioCleared)
        await asyncio.sleep(POLITE_S * 2)
        assert (wire.closed, other.closed) == (None, None)

    place(tmp_path, story)


def test_events_of_a_revoked_sideband_are_ignored(tmp_path: Path) -> None:
    """The client does not read, so its close has to wait, and its frames are ignored."""

    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire)
        one = await controlled(at, call, OTHER_KEY, FakeWire(read_every_s=60))
        for _ in range(10):
            wire.say(CLEAR)
        await asyncio.sleep(0.1)  # the reader shares the loop: on a slow machine it takes turns
        began = now()
        at.registry.revoke(["key_2"])
        assert one.closed is None
        one.say(codec.encode(client.ItemCreate(item=HELLO)))
        await asyncio.sleep(POLITE_S + 0.1)
        assert one.closed == (began + POLITE_S, *reason("key_revoked"))
        assert not wire.all(server.ItemAdded)
        assert await at.store.items(call.spec.conversation_id) == []

    place(tmp_path, story)


def test_the_control_connection_of_another_key_reads_that_its_call_is_over(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire)
        one = await controlled(at, call, OTHER_KEY, FakeWire())
        same = await controlled(at, call, at.caller, FakeWire())
        slow = await controlled(at, call, OTHER_KEY, FakeWire(read_every_s=60))
        for _ in range(10):
            wire.say(CLEAR)
        at.registry.revoke(["key_1"])
        await asyncio.sleep(POLITE_S + 0.1)
        closes = [w.closed and w.closed[1:] for w in (wire, one, same, slow)]
        over = (1000, "hung_up")
        assert closes == [reason("key_revoked"), over, reason("key_revoked"), over]
        assert not one.all(server.Error)
        assert at.registry.in_use.ids == ("key_2",)  # until the network has let go of them
        for gone in (one, slow):
            assert gone.client is not None
            gone.client.lost(1000, "")
        assert not at.registry.in_use.ids

    place(tmp_path, story)


def test_a_control_connection_whose_key_is_revoked_during_its_handshake_ends(
    tmp_path: Path,
) -> None:
    async def story(at: Place) -> None:
        wire, late = FakeWire(), FakeWire()
        call = await at.call(wire)
        at.caller = OTHER_KEY
        found, credentials = await at.call_setup.join(
            CallRequest("key", "websocket"), call.spec.call_id
        )
        at.registry.revoke(["key_2"])
        late.client = at.registry.attach(found, late, credentials)
        assert late.closed is not None
        assert late.closed[1:] == reason("key_revoked")
        assert wire.closed is None

    place(tmp_path, story)


def test_a_sideband_that_waits_for_its_call_is_refused_at_once_on_revocation(
    tmp_path: Path,
) -> None:
    async def story(at: Place) -> None:
        asyncio.get_running_loop().call_at(2, at.registry.revoke, ["key_1"])
        with pytest.raises(CallRefused) as refused:
            await at.call_setup.join(CallRequest("key", "websocket"), "rtc_later")
        assert (refused.value.code, refused.value.close) == ("key_revoked", 3000)
        assert now() == 2 < APPEARS_WITHIN_S

    place(tmp_path, story)


# Calls that are being set up


@pytest.mark.parametrize("at_s", [0.0, 0.2, 0.499])
def test_a_call_that_is_being_set_up_ends_too(tmp_path: Path, at_s: float) -> None:
    async def story(at: Place) -> None:
        asyncio.get_running_loop().call_at(at_s, at.registry.revoke, ["key_1"])
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire())
        assert (refused.value.status, refused.value.code) == (401, "key_revoked")
        assert (refused.value.close, now()) == (3000, at_s)
        await asyncio.sleep(1)
        assert (len(at.registry), at.registry.in_use.ids) == (0, ())
        assert not [row for row in await at.store.calls() if row.ended_at is None]

    place(tmp_path, story, building_takes_s=0.5)


def test_a_call_by_a_key_that_was_revoked_a_moment_ago_does_not_begin(tmp_path: Path) -> None:
    """A credential is revoked between the store's answer and its use."""

    async def story(at: Place) -> None:
        at.registry.revoke(["key_1"])
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire())
        assert refused.value.code == "key_revoked"
        assert await at.conversations() == 0

    place(tmp_path, story)


def test_a_revocation_is_logged_with_ids_and_numbers_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(at: Place) -> None:
        call = await at.call(FakeWire())
        await controlled(at, call, OTHER_KEY, FakeWire())
        at.registry.revoke(["key_2", "key_1", "cs_9"])

    with caplog.at_level(logging.INFO, "vivavoce.runtime.call_registry"):
        place(tmp_path, story)
    told = [
        vars(record) for record in caplog.records if record.name == "vivavoce.runtime.call_registry"
    ]
    assert [
        (one["message"], one["credential"], one["calls"], one["control_connections"])
        for one in told
    ] == [
        ("key_revoked", "key_2", 0, 1),
        ("key_revoked", "key_1", 1, 0),
        ("secret_revoked", "cs_9", 0, 0),
    ]


def test_a_call_is_ended_even_if_the_request_to_hang_up_is_cancelled(tmp_path: Path) -> None:
    """The key that hangs up is revoked while the call writes its last frames."""

    async def story(at: Place) -> None:
        wire = FakeWire(read_every_s=60)
        call = await at.call(wire)
        for _ in range(10):
            wire.say(CLEAR)
        live, began = at.call_setup.find(OTHER_KEY, call.spec.call_id), now()
        asyncio.get_running_loop().call_later(0.1, at.registry.revoke, ["key_2"])
        with pytest.raises(CallRefused):
            async with at.registry.in_use.while_valid(OTHER_KEY):
                await at.registry.hang_up(live)
        assert now() == pytest.approx(began + 0.1)
        await asyncio.sleep(POLITE_S)
        assert wire.closed == (began + POLITE_S, 1000, "hung_up")

    place(tmp_path, story)
