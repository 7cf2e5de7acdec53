"""A real server that is overloaded, and the errors that its clients read."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect

from ..support.official import accept
from ..support.served import Served, serve
from .test_websocket import end_of, hear, say

BUSY = {
    "VIVAVOCE_CALLS__OVERLOAD_LAG_MS": "0.00001",  # no loop is that punctual: it is always late
    "VIVAVOCE_CALLS__DEFAULT_ASSISTANT": "echo",
}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("busy"), **BUSY) as server:
        yield server


@pytest.fixture(scope="module")
def key(busy: Served) -> str:
    made = busy.key()
    deadline = time.monotonic() + 20
    while measured(busy, made, 'overloaded{signal="loop"}') != 1:
        assert time.monotonic() < deadline, "it never found itself late"
        time.sleep(0.1)
    return made


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def measured(busy: Served, key: str, name: str) -> float:
    text = httpx2.get(f"{busy.url}/metrics", headers=bearer(key)).raise_for_status().text
    found = re.search(rf"^vivavoce_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def there(socket: ClientConnection) -> ClientConnection:
    await hear(socket, "session.created")
    return socket


def come(busy: Served, key: str, **query: str) -> connect:
    asked = "".join(f"&{name}={value}" for name, value in query.items())
    return connect(f"{busy.ws}?model=echo{asked}", additional_headers=bearer(key))


def mint(busy: Served, key: str, **session: Any) -> httpx2.Response:  # noqa: ANN401
    body = {"session": {"type": "realtime", **session}, "vivavoce": {"assistant": "echo"}}
    where = f"{busy.url}/v1/realtime/client_secrets"
    return httpx2.post(where, json=body, headers=bearer(key))


def test_a_new_voice_call_on_a_busy_server_gets_retry_after(busy: Served, key: str) -> None:
    async def story() -> None:
        async with come(busy, key) as first:
            await there(first)
            async with come(busy, key) as second:
                data = await second.recv(decode=False)
                accept(data)
                error = json.loads(data)["error"]
                assert (error["type"], error["code"]) == ("rate_limit_error", "server_busy")
                assert f"try again in {error['retry_after']} seconds" in error["message"]
                assert await end_of(second) == (1013, "rate_limit_error.server_busy")
            await say(first, type="response.create")
            assert (await hear(first, "response.done"))["response"]["status"] == "completed"

    before = measured(busy, key, 'calls_refused_total{code="server_busy"}')
    asyncio.run(story())
    assert measured(busy, key, 'calls_refused_total{code="server_busy"}') == before + 1


def test_no_secret_is_minted_for_it_either(busy: Served, key: str) -> None:
    async def story() -> None:
        async with come(busy, key) as first:
            await there(first)
            refused = await asyncio.to_thread(mint, busy, key)
            assert refused.status_code == 429
            error = refused.json()["error"]
            assert error["code"] == "server_busy"
            assert f"in {refused.headers['retry-after']} seconds" in error["message"]

    asyncio.run(story())


def test_a_text_call_on_a_busy_server_is_admitted(busy: Served, key: str) -> None:
    async def story() -> None:
        async with come(busy, key) as first:
            await there(first)
            minted = await asyncio.to_thread(mint, busy, key, output_modalities=["text"])
            secret = minted.raise_for_status().json()["value"]
            async with come(busy, secret) as second:
                await there(second)

    asyncio.run(story())


def test_a_conversation_that_goes_on_stays_here(busy: Served, key: str) -> None:
    async def story() -> None:
        async with come(busy, key) as first, come(busy, key):
            await there(first)
            assert first.response is not None
            conversation = first.response.headers["Vivavoce-Conversation-Id"]
            async with come(busy, key, conversation_id=conversation) as again:
                await there(again)

    asyncio.run(story())


def test_the_only_call_is_always_admitted(busy: Served, key: str) -> None:
    async def story() -> None:
        async with come(busy, key) as only:
            await there(only)

    asyncio.run(story())


def test_the_command_line_says_it_too(busy: Served, key: str) -> None:
    async def story() -> str:
        async with come(busy, key) as first:
            await there(first)
            words = ("talk", "--text", "Hello", "--assistant", "echo", "--json")
            return await asyncio.to_thread(busy.cli, *words, check=False)

    told = json.loads(asyncio.run(story()))
    assert told["error"]["code"] == "server_busy"
    assert told["close"][0] == 1013


def test_metrics_need_a_key_for_all_assistants(busy: Served, key: str) -> None:
    bound = busy.key("--assistant", "echo")
    answer = httpx2.get(f"{busy.url}/metrics", headers=bearer(bound))
    assert answer.status_code == 403
    answer = httpx2.get(f"{busy.url}/metrics", headers=bearer(key))
    assert answer.headers["content-type"].startswith("text/plain; version=")


def test_metrics_may_be_opened(tmp_path_factory: pytest.TempPathFactory) -> None:
    opened = {"VIVAVOCE_SERVER__PUBLIC_METRICS": "true", **BUSY}
    with serve(tmp_path_factory.mktemp("open"), **opened) as server:
        text = httpx2.get(f"{server.url}/metrics").raise_for_status().text
    assert "vivavoce_calls_live 0.0" in text
