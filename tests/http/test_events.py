"""Subscribe to the events of a real server: a stream, and a webhook."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx2
import pytest

from ..support.calls import House
from ..support.served import TAKES_ALL, Served, serve
from ..support.shop import open_shop
from .test_routes import bearer
from .test_tool_runs import post, text_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Event = dict[str, Any]


class Hook(HTTPServer):
    """A program of the operator."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.got: list[Event] = []
        self.more = threading.Condition()

    def wait_for(self, kind: str) -> Event:
        def found() -> list[Event]:
            return [each for each in self.got if each["type"] == kind]

        with self.more:
            assert self.more.wait_for(found, 20), f"no {kind} in {self.got}"
            return found()[0]


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(204)
        self.end_headers()
        assert isinstance(self.server, Hook)
        with self.server.more:
            self.server.got.append(body)
            self.server.more.notify_all()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, hook: Hook) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("events")
    open_shop(data)
    address = f"http://127.0.0.1:{hook.server_port}/hook"
    (data / "vivavoce.toml").write_text(
        f'[[webhooks]]\nurl = "{address}"\nsecret = {{ env = "HOOK_SECRET" }}\n'
    )
    with serve(data, **TAKES_ALL, HOOK_SECRET=SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def key(shop: Served) -> str:
    return shop.key("--name", "tests")


def read(response: httpx2.Response, until: str) -> list[tuple[int, Event]]:
    """Read a stream up to the first event of this type."""
    found, position = [], 0
    for line in response.iter_lines():
        if line.startswith("id: "):
            position = int(line[4:])
        elif line.startswith("data: "):
            found.append((position, json.loads(line[6:])))
            if found[-1][1]["type"] == until:
                return found
    raise AssertionError("the stream ended")


def test_a_stream_and_a_webhook_get_the_events_of_a_call_with_a_tool(
    shop: Served, key: str, hook: Hook
) -> None:
    async def call() -> None:
        async with House(shop, key, "shop").welcome() as caller:
            assert await text_of(caller, "book for two") == "Done: booked 2"

    url = f"{shop.url}/api/events"
    with httpx2.stream("GET", url, headers=bearer(key), timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        asyncio.run(call())
        told = read(answer, "call.ended")
    kinds = [event["type"] for _, event in told]
    assert kinds[:2] == ["call.started", "session.created"]
    assert kinds.count("response.done") == 2
    runs = [event["data"]["state"] for _, event in told if event["type"] == "tool.run"]
    assert runs == ["started", "done"]
    assert "book for two" not in json.dumps(told), "nobody's words are in it"
    assert hook.wait_for("call.ended")["data"] == told[-1][1]["data"]
    assert [each["type"] for each in hook.got] == kinds, "in order"

    middle = told[2][0]
    headers = bearer(key) | {"Last-Event-ID": str(middle)}
    with httpx2.stream("GET", url, headers=headers, timeout=30) as answer:
        assert read(answer, "call.ended") == told[3:]
    chosen = f"{url}?types=tool.run,call.ended"
    headers = bearer(key) | {"Last-Event-ID": "0"}
    with httpx2.stream("GET", chosen, headers=headers, timeout=30) as answer:
        kinds = [event["type"] for _, event in read(answer, "call.ended")]
    assert kinds == ["tool.run", "tool.run", "call.ended"]


def test_a_key_of_another_assistant_gets_no_event_of_it(shop: Served, key: str) -> None:
    other = shop.key("--assistant", "echo")
    headers = bearer(other) | {"Last-Event-ID": "0"}
    post(shop, "/api/tools/shop/look", key, {"arguments": {"what": "bread"}})

    async def call() -> None:
        async with House(shop, other, "echo").welcome():
            pass

    with httpx2.stream("GET", f"{shop.url}/api/events", headers=headers, timeout=30) as answer:
        asyncio.run(call())
        told = read(answer, "call.ended")
    assert {event["data"]["assistant"] for _, event in told} == {"echo"}


def test_what_a_stream_cannot_give_is_refused(shop: Served, key: str) -> None:
    wrong = httpx2.get(f"{shop.url}/api/events?types=call.begun", headers=bearer(key))
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "types")
    headers = bearer(key) | {"Last-Event-ID": "evt_1"}
    wrong = httpx2.get(f"{shop.url}/api/events", headers=headers)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "Last-Event-ID")


def test_the_operator_sees_what_a_webhook_has_not_received(shop: Served, key: str) -> None:
    (seen,) = httpx2.get(f"{shop.url}/api/webhooks", headers=bearer(key)).json()["data"]
    assert seen["dead"] == 0
    assert seen["dead_deliveries"] == []
    other = shop.key("--assistant", "echo")
    assert httpx2.get(f"{shop.url}/api/webhooks", headers=bearer(other)).status_code == 403


def test_a_stream_ends_when_its_key_is_revoked_however_much_happens(shop: Served, key: str) -> None:
    leaked = shop.key("--name", "leaked")
    ended = threading.Event()

    def follow(answer: httpx2.Response) -> None:
        for _ in answer.iter_raw():
            pass
        ended.set()

    url = f"{shop.url}/api/events"
    with httpx2.stream("GET", url, headers=bearer(leaked), timeout=30) as answer:
        reader = threading.Thread(target=follow, args=[answer])
        reader.start()
        keys = json.loads(shop.cli("keys", "list", "--json"))
        (revoked,) = [each["id"] for each in keys if each["name"] == "leaked"]
        shop.cli("keys", "revoke", revoked)
        for _ in range(50):
            post(shop, "/api/tools/shop/look", key, {"arguments": {"what": "bread"}})
            if ended.wait(0.1):
                break
        told = ended.is_set()
    reader.join()
    assert told, "it still gets events"


def test_a_server_with_an_open_stream_stops_in_time(shop: Served, key: str) -> None:
    with httpx2.stream("GET", f"{shop.url}/api/events", headers=bearer(key), timeout=30) as answer:
        assert next(answer.iter_lines()).startswith(":")
        assert shop.stop() == 0
