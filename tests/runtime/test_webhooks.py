"""Deliver events to a receiver over real sockets: order, repetition, signatures, refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from standardwebhooks.webhooks import Webhook as Signer

from vivavoce.clock import ids
from vivavoce.errors import StoreError
from vivavoce.net.http import HttpClient
from vivavoce.protocol import error_body, server
from vivavoce.runtime import webhooks
from vivavoce.runtime.cluster import CallRef
from vivavoce.runtime.event_log import EVENT_TYPES, EventLog, Subscriber
from vivavoce.runtime.group_commit import GroupCommitter
from vivavoce.runtime.webhooks import PAUSES_S, WebhookSender, WebhookTarget
from vivavoce.store.events import Delivery, EventOutbox
from vivavoce.store.memory import MemoryStore

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ONE, OTHER = CallRef("rtc_1", "conv_1", "ada"), CallRef("rtc_2", "conv_2", "ada")


class Clock:
    """The wall clock of the sender. A test lets hours pass in it."""

    def __init__(self) -> None:
        self.passed = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed


class Receiver:
    """A web server that answers with the next status, and keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.more = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) != b"":
                lines = head.decode().split("\r\n")[1:-2]
                headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.headers.append(headers)
                self.bodies.append(body)
                self.got.append(json.loads(body))
                status = self.answers.pop(0) if self.answers else "204 No Content"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
                self.more.set()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def wait(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            while len(self.got) < count:
                self.more.clear()
                await self.more.wait()
        return self.got


class Post:
    def __init__(self, events: EventLog, receiver: Receiver, clock: Clock, url: str) -> None:
        self.events, self.receiver, self.clock, self.url = events, receiver, clock, url
        self.outbox = events.outbox

    async def settled(self, ready: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await ready():  # noqa: ASYNC110 (a store tells nobody)
                await asyncio.sleep(0.01)

    async def attempts(self, count: int) -> None:
        async def tried() -> bool:
            due = await self.outbox.due(self.url, self.clock() + timedelta(days=9))
            return any(d.attempts >= count for d in due) or bool(await self.outbox.dead())

        await self.settled(tried)


Story = Callable[[Post], Coroutine[Any, Any, None]]


def tell(story: Story, *, types: frozenset[str] = frozenset(), trusted: bool = True) -> None:
    async def main() -> None:
        store, clock, receiver = MemoryStore(), Clock(), Receiver()
        listening = await asyncio.start_server(receiver, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/hook"
        async with (
            listening,
            GroupCommitter(store) as writer,
            HttpClient(trusted=[url] if trusted else []) as http,
        ):
            events = EventLog(
                store.outbox,
                writer.submit,
                make_id=ids(),
                now=clock,
                webhooks=[Subscriber(url, types)],
            )
            sender = WebhookSender(WebhookTarget(url, SECRET), events, http, now=clock)
            sending = asyncio.create_task(sender.run())
            await story(Post(events, receiver, clock, url))
            sending.cancel()
            await asyncio.wait([sending])
            assert sending.cancelled()

    asyncio.run(main())


def error(at: Post, call: CallRef, code: str) -> None:
    body = error_body.server_error(code, "what the user said")
    at.events.observer(call, None)(server.Error(error=body))


def codes(got: list[dict[str, Any]]) -> list[str]:
    return [each["data"]["code"] for each in got]


def test_an_event_is_signed_as_standard_webhooks_says_and_has_no_words() -> None:
    async def story(at: Post) -> None:
        error(at, ONE, "e1")
        (got,) = await at.receiver.wait(1)
        assert got["type"] == "error"
        assert got["data"]["call_id"] == "rtc_1"
        assert "what the user said" not in json.dumps(got)
        headers = at.receiver.headers[0]
        assert headers["webhook-id"] == got["id"]
        assert Signer(SECRET).verify(at.receiver.bodies[0], headers) == got

    tell(story)


def test_a_failed_delivery_is_repeated_with_the_same_id_and_the_next_one_waits() -> None:
    async def story(at: Post) -> None:
        at.receiver.answers = ["500 Broken"]
        error(at, ONE, "e1")
        await at.attempts(1)
        error(at, ONE, "e2")
        error(at, OTHER, "e3")
        await at.receiver.wait(2)
        assert codes(at.receiver.got) == ["e1", "e3"], "another call does not wait"
        at.clock.passed += timedelta(seconds=PAUSES_S[0])
        error(at, OTHER, "e4")  # wakes the sender
        await at.receiver.wait(5)
        of_one = [each for each in at.receiver.got if each["data"]["call_id"] == "rtc_1"]
        assert codes(of_one) == ["e1", "e1", "e2"]
        assert of_one[0]["id"] == of_one[1]["id"]

    tell(story)


def test_a_delivery_that_fails_too_often_is_dead_and_visible() -> None:
    async def story(at: Post) -> None:
        at.receiver.answers = ["503 Busy"] * (len(PAUSES_S) + 1)
        error(at, ONE, "e1")
        for attempt in range(1, len(PAUSES_S) + 1):
            await at.attempts(attempt)
            at.clock.passed += timedelta(hours=25)
            error(at, ONE, "it waits behind the first, and wakes the sender")

        async def dead() -> bool:
            return bool(await at.outbox.dead())

        await at.settled(dead)
        (given_up,) = await at.outbox.dead()
        assert given_up.attempts == len(PAUSES_S) + 1
        assert "503" in (given_up.error or "")
        assert (await at.outbox.counts())[at.url][1] == 1

    tell(story)


def test_a_receiver_that_is_gone_ends_the_delivery_at_once() -> None:
    async def story(at: Post) -> None:
        at.receiver.answers = ["410 Gone"]
        error(at, ONE, "e1")
        error(at, ONE, "e2")
        await at.receiver.wait(2)
        assert codes(at.receiver.got) == ["e1", "e2"]
        assert len(await at.outbox.dead()) == 1

    tell(story)


def test_a_redirect_to_this_machine_is_not_followed() -> None:
    async def story(at: Post) -> None:
        secret_service: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            secret_service.append(await reader.read(1))
            writer.close()

        other = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]
        async with other:
            there = f"http://localhost:{port}/"
            at.receiver.answers = [f"307 Temporary Redirect\r\nLocation: {there}"]
            error(at, ONE, "e1")
            await at.attempts(1)
        assert secret_service == []
        (waits,) = await at.outbox.due(at.url, at.clock() + timedelta(hours=1))
        assert "redirects" in (waits.error or "")

    tell(story)


def test_a_private_address_that_the_operator_did_not_name_is_refused() -> None:
    async def story(at: Post) -> None:
        error(at, ONE, "e1")
        await at.attempts(1)
        assert at.receiver.got == []

    tell(story, trusted=False)


def test_a_webhook_gets_the_types_that_it_asked_for() -> None:
    async def story(at: Post) -> None:
        error(at, ONE, "e1")
        at.events.call_ended(ONE, "ada", "hung_up")
        (got,) = await at.receiver.wait(1)
        assert (got["type"], got["data"]["ending"], got["data"]["user"]) == (
            "call.ended", "hung_up", "ada",
        )  # fmt: skip

    tell(story, types=frozenset({"call.ended"}))


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_types_are_those_of_the_contract(kind: str) -> None:
    assert kind in {
        "call.started", "call.ended", "session.created", "session.updated", "response.done",
        "tool.run", "approval.requested", "error",
    }  # fmt: skip


class BusyOutbox:
    """An outbox that cannot be written a few times."""

    def __init__(self, outbox: Any, failures: int) -> None:  # noqa: ANN401
        self._outbox = outbox
        self._failures = failures

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._outbox, name)

    async def delivered(self, delivery: Delivery) -> None:
        self._failures -= 1
        if self._failures >= 0:
            raise StoreError("the disk is full")
        await self._outbox.delivered(delivery)


def test_a_store_that_cannot_note_a_delivery_does_not_end_the_webhook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "AGAIN_S", 0.01)

    async def story(at: Post) -> None:
        at.events.outbox = cast("EventOutbox", BusyOutbox(at.outbox, 1))
        error(at, ONE, "e1")
        error(at, OTHER, "e2")
        got = await at.receiver.wait(3)  # one of them again: at least once
        assert set(codes(got)) == {"e1", "e2"}
        error(at, ONE, "e3")
        assert codes(await at.receiver.wait(4))[-1] == "e3"

    tell(story)


def test_a_redirect_to_a_port_that_does_not_exist_is_a_failed_delivery() -> None:
    async def story(at: Post) -> None:
        at.receiver.answers = ["302 Found\r\nLocation: http://shop.example:99999999/"]
        error(at, ONE, "e1")
        await at.attempts(1)
        error(at, OTHER, "e2")
        assert codes(await at.receiver.wait(2)) == ["e1", "e2"]

    tell(story)


def test_the_log_of_a_failure_names_no_path(caplog: pytest.LogCaptureFixture) -> None:
    async def story(at: Post) -> None:
        at.receiver.answers = ["500 Broken"]
        error(at, ONE, "e1")
        await at.attempts(1)
        (failed,) = [each for each in caplog.records if each.message == "webhook_failed"]
        assert failed.__dict__["webhook"] == at.url.split("/")[2]

    tell(story)
