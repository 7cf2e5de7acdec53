"""Credentials that are revoked during their calls, over real sockets and processes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect

from vivavoce.runtime.other_processes import CHECK_EVERY_S

from ..support.served import TAKES_ALL, Served, serve
from .test_sideband import call_id_of, clear, control
from .test_websocket import end_of, hear, say, with_key

GATE = """
name = "gate"
engine = "upstream"

[instructions]
default = "Say it again."

[upstream]
base_url = "{url}/v1"
model = "echo"
key = {{ env = "PROVIDER_KEY" }}
"""
ENGINES = ["echo", "gate"]
AT_ONCE_S = 1.0  # what is revoked by the server itself
WITHIN_S = 2.0  # by another process: a second, and a slow machine
OVER = (1000, "hung_up")


def reason(code: str) -> tuple[int, str]:
    return 3000, f"invalid_request_error.{code}"


@dataclass
class Key:
    id: str
    key: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass
class Place:
    """A server with an engine of its own and a gateway to another server."""

    server: Served

    def new_key(self, *arguments: str) -> Key:
        made = json.loads(self.server.cli("keys", "create", "--json", *arguments))
        return Key(made["id"], made["key"])

    def change(self, table: str, name: str, column: str) -> None:
        """Let a time have come, as another process does, in less time than it takes to start."""
        database = sqlite3.connect(self.server.data / "vivavoce.db", timeout=10)
        with database:
            come = "2020-11-21 12:00:00.000000"
            database.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (come, name))
        database.close()

    def revoke(self, key: Key) -> None:
        self.change("api_keys", key.id, "revoked_at")

    def http(self, **how: Any) -> httpx2.AsyncClient:  # noqa: ANN401
        return httpx2.AsyncClient(base_url=self.server.url, timeout=20, **how)

    async def minted(
        self, http: httpx2.AsyncClient, assistant: str = "echo", **more: object
    ) -> dict[str, Any]:
        body = {"vivavoce": {"assistant": assistant}, **more}
        answer = await http.post("/v1/realtime/client_secrets", json=body)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    @asynccontextmanager
    async def signed_in(self) -> AsyncIterator[httpx2.AsyncClient]:
        code = self.server.cli("link").partition("#code=")[2]
        async with self.http() as browser:
            assert (await browser.post("/api/sign-in", json={"code": code})).status_code == 204
            yield browser

    async def ending(self, call_id: str, by: Key) -> str:
        """Return how a call ended, when it has."""
        async with self.http(headers=by.headers) as http, asyncio.timeout(20):
            while True:
                kept = (await http.get(f"/api/calls/{call_id}")).json()
                if kept["ending"]:
                    assert not kept["live"]
                    ending: str = kept["ending"]
                    return ending
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def place(served: Served, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data = tmp_path_factory.mktemp("revocation")
    (data / "assistants/gate").mkdir(parents=True)
    (data / "assistants/gate/assistant.toml").write_text(GATE.format(url=served.url))
    with serve(data, PROVIDER_KEY=key, **TAKES_ALL) as server:
        yield Place(server)
    assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def operator(place: Place) -> Key:
    """Return a key that is not revoked."""
    return place.new_key("--name", "operator")


def call(place: Place, credential: str, assistant: str = "echo") -> connect:
    return connect(f"{place.server.ws}?model={assistant}", **with_key(credential))


async def begun(socket: ClientConnection) -> str:
    """Return the call's id after its first item."""
    assert (await hear(socket))["type"] == "session.created"
    part = {"type": "input_text", "text": "remember this"}
    item = {"type": "message", "role": "user", "content": [part]}
    await say(socket, type="conversation.item.create", item=item)
    await hear(socket, "conversation.item.done")
    return call_id_of(socket)


async def ends(socket: ClientConnection, code: str, within_s: float) -> None:
    """Check that the client reads the reason and 3000 in time."""
    async with asyncio.timeout(within_s):
        assert (await hear(socket, "error"))["error"]["code"] == code
        assert await end_of(socket) == reason(code)


async def goes_on(socket: ClientConnection) -> None:
    await clear(socket)
    assert await hear(socket, "input_audio_buffer.cleared")


@pytest.mark.parametrize("assistant", ENGINES)
def test_X5_a_key_that_another_process_revokes_ends_its_calls_and_control_connections(
    place: Place, operator: Key, assistant: str
) -> None:
    async def story() -> None:
        mine = place.new_key()
        async with (
            call(place, mine.key, assistant) as person,
            call(place, operator.key, assistant) as bystander,
        ):
            mine_id, others_id = await begun(person), await begun(bystander)
            async with (
                control(place.server, operator.key, mine_id) as watcher,
                control(place.server, mine.key, others_id) as controller,
            ):
                await goes_on(watcher)
                await goes_on(controller)
                await asyncio.to_thread(place.server.cli, "keys", "revoke", mine.id)
                await ends(person, "key_revoked", WITHIN_S)
                await ends(controller, "key_revoked", WITHIN_S)
                assert await end_of(watcher) == OVER
                await goes_on(bystander)
                async with control(place.server, operator.key, others_id) as another:
                    await goes_on(another)
        assert await place.ending(mine_id, operator) == "key_revoked"
        async with call(place, mine.key) as refused:
            await ends(refused, "invalid_api_key", WITHIN_S)

    asyncio.run(story())


@pytest.mark.parametrize("assistant", ENGINES)
def test_calls_by_a_secret_end_with_the_key_that_minted_it(
    place: Place, operator: Key, assistant: str
) -> None:
    async def story() -> None:
        mine = place.new_key()
        async with place.http(headers=mine.headers) as http:
            secret = await place.minted(http, assistant)
        async with call(place, secret["value"]) as person:
            call_id = await begun(person)
            place.revoke(mine)
            await ends(person, "key_revoked", WITHIN_S)
        assert await place.ending(call_id, operator) == "key_revoked"

    asyncio.run(story())


@pytest.mark.parametrize("assistant", ENGINES)
def test_a_secret_that_is_revoked_over_http_ends_its_calls_at_once_and_begins_none(
    place: Place, operator: Key, assistant: str
) -> None:
    async def story() -> None:
        async with place.http(headers=operator.headers) as http, AsyncExitStack() as stack:
            secret, other = [await place.minted(http, assistant) for _ in range(2)]
            sockets = [
                await stack.enter_async_context(call(place, value))
                for value in (secret["value"], secret["value"], other["value"], operator.key)
            ]
            ids = [await begun(socket) for socket in sockets]
            path = f"/v1/realtime/client_secrets/{secret['vivavoce']['id']}"
            assert (await http.delete(path)).status_code == 204
            for socket in sockets[:2]:
                await ends(socket, "secret_revoked", AT_ONCE_S)
            for socket in sockets[2:]:
                await goes_on(socket)
            assert (await http.delete(path)).status_code == 204  # it is gone, as was asked
            async with call(place, secret["value"]) as refused:
                event = await hear(refused)
                assert event["error"]["code"] == "invalid_api_key"
                assert "revoked" in event["error"]["message"]
                assert await end_of(refused) == reason("invalid_api_key")
        assert await place.ending(ids[0], operator) == "secret_revoked"

    asyncio.run(story())


def test_a_secret_that_the_operator_revokes_ends_its_calls_also_when_it_has_expired(
    place: Place, operator: Key
) -> None:
    """A call that has begun goes on when its secret expires; it can still be ended."""

    async def story() -> None:
        async with place.http(headers=operator.headers) as http:
            secret = await place.minted(http, expires_after={"seconds": 10})
        async with call(place, secret["value"]) as person:
            await begun(person)
            place.change("client_secrets", secret["vivavoce"]["id"], "expires_at")
            async with call(place, secret["value"]) as late:
                assert "expired" in (await hear(late))["error"]["message"]
            await goes_on(person)
            name = secret["vivavoce"]["id"]
            await asyncio.to_thread(place.server.cli, "secrets", "revoke", name)
            await ends(person, "secret_revoked", WITHIN_S)

    asyncio.run(story())


def test_a_call_goes_on_when_its_key_expires(place: Place) -> None:
    async def story() -> None:
        mine = place.new_key("--expires", "1h")
        async with call(place, mine.key) as person:
            await begun(person)
            place.change("api_keys", mine.id, "expires_at")
            await asyncio.sleep(2 * CHECK_EVERY_S)
            await goes_on(person)
            async with call(place, mine.key) as late:
                await ends(late, "invalid_api_key", WITHIN_S)

    asyncio.run(story())


def test_only_the_minter_of_a_secret_revokes_it_over_http(place: Place, operator: Key) -> None:
    """A credential of another user gets the same answer as an unknown one."""

    async def story() -> None:
        others = place.new_key()
        async with (
            place.signed_in() as browser,
            place.http(headers=operator.headers) as http,
            place.http(headers=others.headers) as other,
        ):
            secret, pages = await place.minted(http), await place.minted(browser)
            async with call(place, secret["value"]) as person:
                await begun(person)
                theirs = secret["vivavoce"]["id"]
                for client, name in (
                    (other, theirs),
                    (browser, theirs),
                    (http, pages["vivavoce"]["id"]),
                    (http, operator.id),
                    (http, "cs_" + "0" * 21),
                ):
                    answer = await client.delete(f"/v1/realtime/client_secrets/{name}")
                    assert answer.status_code == 404
                    error = answer.json()["error"]
                    assert error.pop("message") == f"There is no client secret '{name}'."
                    assert error == {
                        "type": "invalid_request_error",
                        "code": "client_secret_not_found",
                        "param": None,
                    }
                url = f"{place.server.url}/v1/realtime/client_secrets/{theirs}"
                assert httpx2.delete(url).status_code == 401
                by_itself = httpx2.delete(url, headers={"api-key": secret["value"]})
                assert by_itself.status_code == 403  # a client secret starts calls only
                await goes_on(person)

    asyncio.run(story())


def test_a_secret_in_the_betas_shape_has_an_id_too(place: Place, operator: Key) -> None:
    async def story() -> None:
        async with place.http(headers=operator.headers) as http:
            minted = (await http.post("/v1/realtime/sessions", json={"model": "echo"})).json()
            async with call(place, minted["client_secret"]["value"]) as person:
                await begun(person)
                path = f"/openai/v1/realtime/client_secrets/{minted['vivavoce']['id']}"
                assert (await http.delete(path)).status_code == 204
                await ends(person, "secret_revoked", AT_ONCE_S)

    asyncio.run(story())


# Signing out


@pytest.mark.parametrize("assistant", ENGINES)
def test_X5_signing_out_ends_the_calls_of_that_browser_and_its_secrets(
    place: Place, operator: Key, assistant: str
) -> None:
    async def story() -> None:
        async with (
            place.signed_in() as mine,
            place.signed_in() as another,
            AsyncExitStack() as stack,
        ):
            copied = dict(mine.cookies)
            secrets = [
                await place.minted(browser, assistant) for browser in (mine, mine, mine, another)
            ]
            tab, other_tab, elsewhere = [
                await stack.enter_async_context(call(place, secrets[n]["value"])) for n in (0, 1, 3)
            ]
            call_id = await begun(tab)
            await begun(other_tab)
            await begun(elsewhere)
            assert (await mine.post("/api/sign-out")).status_code == 204
            await ends(tab, "signed_out", AT_ONCE_S)
            await ends(other_tab, "signed_out", AT_ONCE_S)
            for secret in secrets[:3]:
                async with call(place, secret["value"]) as refused:
                    await ends(refused, "invalid_api_key", AT_ONCE_S)
            async with place.http(cookies=copied) as thief:
                again = await thief.post("/v1/realtime/client_secrets", json={})
                assert again.status_code == 401
            await goes_on(elsewhere)
            async with call(place, (await place.minted(another))["value"]) as still:
                await begun(still)
        assert await place.ending(call_id, operator) == "signed_out"

    asyncio.run(story())


def test_signing_out_by_a_copied_cookie_ends_the_same_calls(place: Place) -> None:
    async def story() -> None:
        async with place.signed_in() as browser, place.http(cookies=dict(browser.cookies)) as thief:
            async with call(place, (await place.minted(browser))["value"]) as person:
                await begun(person)
                assert (await thief.post("/api/sign-out")).status_code == 204
                await ends(person, "signed_out", AT_ONCE_S)
            assert (await browser.get("/api/assistants")).status_code == 401
            assert (await browser.post("/api/sign-out")).status_code == 204

    asyncio.run(story())


def test_an_unused_sign_in_link_outlives_a_sign_out(place: Place) -> None:
    """A link belongs to no sign-in: it was printed for the operator, and lives ten minutes."""

    async def story() -> None:
        code = place.server.cli("link").partition("#code=")[2]
        async with place.signed_in() as browser:
            await browser.post("/api/sign-out")
            again = await browser.post("/api/sign-in", json={"code": code})
            assert again.status_code == 204

    asyncio.run(story())


# At the same moment


def test_a_call_that_is_set_up_while_its_secret_is_revoked_ends(
    place: Place, operator: Key
) -> None:
    async def one(http: httpx2.AsyncClient, wait_s: float) -> str:
        secret = await place.minted(http)
        path = f"/v1/realtime/client_secrets/{secret['vivavoce']['id']}"

        async def revoke() -> None:
            await asyncio.sleep(wait_s)
            assert (await http.delete(path)).status_code == 204

        revoking = asyncio.create_task(revoke())
        async with call(place, secret["value"]) as socket:
            await revoking
            async with asyncio.timeout(WITHIN_S):
                code, why = await end_of(socket)
        assert code == 3000
        return why.rpartition(".")[2]

    async def story() -> None:
        async with place.http(headers=operator.headers) as http:
            ends = [await one(http, n / 2000) for n in range(40)]
        assert set(ends) <= {"secret_revoked", "invalid_api_key"}
        assert "secret_revoked" in ends

    asyncio.run(story())


def test_a_sideband_that_waits_is_refused_before_its_call_begins(place: Place) -> None:
    async def story() -> None:
        mine = place.new_key()
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, place.revoke, mine)
        began = time.monotonic()
        async with control(place.server, mine.key, "rtc_later") as refused:
            await ends(refused, "key_revoked", WITHIN_S)
        assert time.monotonic() - began < 0.5 + WITHIN_S

    asyncio.run(story())


async def deaf(place: Place, key: Key, stack: AsyncExitStack) -> str:
    """Begin a call whose client reads nothing of what it asks for. Returns the call's id."""
    socket = await stack.enter_async_context(
        connect(f"{place.server.ws}?model=echo", max_queue=1, **with_key(key.key))
    )
    stack.callback(socket.transport.abort)  # without a closing handshake
    call_id = await begun(socket)
    socket.transport.pause_reading()
    words = {"type": "input_text", "text": "one two three four " * 5000}
    item = {"type": "message", "role": "user", "content": [words]}
    for _ in range(40):  # each makes two events: more than the network holds
        await say(socket, type="conversation.item.create", item=item)
    await asyncio.sleep(0.5)
    return call_id


def test_a_client_that_does_not_read_is_ended_too(place: Place, operator: Key) -> None:
    async def story() -> None:
        mine = place.new_key()
        async with AsyncExitStack() as stack:
            call_id = await deaf(place, mine, stack)
            place.revoke(mine)
            async with asyncio.timeout(WITHIN_S + 1):
                assert await place.ending(call_id, operator) == "key_revoked"

    asyncio.run(story())


def test_a_request_that_waits_for_a_call_to_end_is_refused(place: Place, operator: Key) -> None:
    async def story() -> None:
        mine = place.new_key()
        async with AsyncExitStack() as stack, place.http(headers=mine.headers) as http:
            call_id = await deaf(place, operator, stack)
            asyncio.get_running_loop().call_later(0.1, place.revoke, mine)
            answer = await http.post(f"/v1/realtime/calls/{call_id}/hangup")
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "key_revoked")
            assert await place.ending(call_id, operator) == "hung_up"

    asyncio.run(story())
