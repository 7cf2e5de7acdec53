"""End a real server by SIGKILL in a booking, start it again, and ask what happened."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from ..http.test_routes import bearer
from ..support.calls import House
from ..support.served import TAKES_ALL, serve
from ..support.shop import open_shop, orders

RUNS = 20


def book_and_kill(data: Path, after_s: float) -> tuple[str, str]:
    """Return the key and the conversation."""

    async def call() -> str:
        async with House(server, key, "shop").welcome() as caller:
            await caller.add("book for two")
            await caller.say("response.create", response={"output_modalities": ["text"]})
            await asyncio.sleep(after_s)
            server.stop(signal.SIGKILL)
            return caller.conversation

    with serve(data, **TAKES_ALL) as server:
        key = server.key()
        return key, asyncio.run(call())


def ask_again(data: Path, key: str, conversation: str) -> list[dict[str, Any]]:
    """Continue the conversation on a new server. Return its items before the next response."""

    async def call() -> None:
        async with House(server, key, "shop").welcome(f"&conversation_id={conversation}") as caller:
            await caller.turn("hello")

    with serve(data, **TAKES_ALL) as server:
        asyncio.run(call())
        url = f"{server.url}/api/conversations/{conversation}"
        found: list[dict[str, Any]] = httpx2.get(url, headers=bearer(key)).json()["items"]
        return [each["item"] for each in found[:-2]]  # without the question and its answer


@pytest.mark.long
@pytest.mark.parametrize("number", range(RUNS))
def test_a_killed_server_books_once_and_knows_what_it_does_not_know(
    tmp_path: Path, number: int
) -> None:
    book = open_shop(tmp_path)
    key, conversation = book_and_kill(tmp_path, Random(number).uniform(0, 0.7))
    items = ask_again(tmp_path, key, conversation)
    outputs = [item["output"] for item in items if item["type"] == "function_call_output"]
    calls = [item for item in items if item["type"] == "function_call"]
    assert len(outputs) == len(calls) <= 1
    made = orders(book)
    assert len(made) <= 1
    if made:
        (output,) = outputs
        assert output == "booked 2" or '"unknown"' in output
    elif outputs:
        assert "booked 2" not in outputs
