"""Approve by voice what a tool does: with the embedded brain, in three languages, on a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from ..support.calls import Caller
from ..support.served import TAKES_ALL, Served, serve
from ..support.shipped import Talk
from ..support.sounds import noise, pieces, spoken

ASSISTANT = """
name = "desk"
engine = "cascade"
languages = ["en", "it", "es"]

[instructions]
default = "Take orders."

[turns]
type = "server_vad"

[cascade]
stt = "pocketsphinx"
brain = "extractive"
tts = "espeak"

[knowledge]
paths = ["prices.md"]
"""
PRICES = "# Bread\n\nThe price of bread is three euros.\n"
TOOLS = '''
from pathlib import Path

from vivavoce import Call, tool

BOOK = Path(__file__).parent / "orders.txt"


def note(text: str) -> dict[str, str]:
    with BOOK.open("a") as file:
        file.write(text + "\\n")
    return {"spoken": text}


@tool(
    effects=True,
    approve="user",
    ask={
        "en": "Shall I order {pieces} loaves of bread?",
        "it": "Devo ordinare {pieces} pagnotte?",
        "es": "¿Pido {pieces} panes?",
    },
    phrases={
        "en": ["order {pieces} loaves"],
        "it": ["ordina {pieces} pagnotte"],
        "es": ["pide {pieces} panes"],
    },
)
async def order(call: Call, pieces: int) -> dict[str, str]:
    """Order bread."""
    return note(f"ordered {pieces}")


@tool(
    effects=True,
    approve="user",
    phrases={
        "en": ["pay the bill"], "it": ["paga il conto"], "es": ["paga la cuenta"]
    },
)
async def settle(call: Call) -> dict[str, str]:
    """Pay the bill."""
    return note("paid")


@tool(effects=True, approve="staff", phrases=["give me my money back"])
async def refund(call: Call) -> dict[str, str]:
    """Give money back."""
    return note("refunded")
'''


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("desk")
    folder = data / "assistants/desk"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(ASSISTANT)
    (folder / "tools.py").write_text(TOOLS)
    (folder / "prices.md").write_text(PRICES)
    with serve(data, **TAKES_ALL) as server:
        yield server


@pytest.fixture(scope="module")
def key(desk: Served) -> str:
    return desk.key("--name", "tests")


@pytest.fixture
def book(desk: Served) -> Path:
    file = desk.data / "assistants/desk/orders.txt"
    file.unlink(missing_ok=True)
    return file


def orders(book: Path) -> list[str]:
    return book.read_text().splitlines() if book.exists() else []


@asynccontextmanager
async def call(
    desk: Served, key: str, language: str = "en", *, voice: bool = False
) -> AsyncIterator[Talk]:
    url = f"{desk.ws}?model=desk&language={language}&greeting=false"
    async with connect(url, additional_headers={"Authorization": f"Bearer {key}"}) as socket:
        caller = Caller(socket)
        assert (await caller.hear())["type"] == "session.created"
        modality = "audio" if voice else "text"
        session = {"type": "realtime", "output_modalities": [modality]}
        await caller.say("session.update", session=session)
        assert (await caller.hear())["type"] == "session.updated"
        yield Talk(caller)


def waiting(desk: Served, key: str) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {key}"}
    listed = httpx2.get(f"{desk.url}/api/approvals", headers=headers).json()["data"]
    assert isinstance(listed, list)
    return listed


@pytest.mark.parametrize(
    ("language", "asks", "question", "yes", "usual", "no", "refused"),
    [
        ("en", "order 2 loaves", "Shall I order 2 loaves of bread?", "Yes, please.",
         ("pay the bill", "Shall I do that?"), "No, thank you.", "All right, I won't do it."),
        ("it", "ordina 2 pagnotte", "Devo ordinare 2 pagnotte?", "Sì, grazie.",
         ("paga il conto", "Devo farlo?"), "Meglio di no.", "Va bene, non lo faccio."),
        ("es", "pide 2 panes", "¿Pido 2 panes?", "Sí, por favor.",
         ("paga la cuenta", "¿Lo hago?"), "No, gracias.", "De acuerdo, no lo hago."),
    ],
)  # fmt: skip
def test_a_typed_yes_approves_and_a_typed_no_declines_in_the_language_of_the_call(
    desk: Served, key: str, book: Path, language: str, asks: str, question: str, yes: str,
    usual: tuple[str, str], no: str, refused: str,
) -> None:  # fmt: skip
    async def story() -> None:
        async with call(desk, key, language) as talk:
            assert await talk.say(asks) == question
            assert orders(book) == []
            assert await talk.say(yes) == "ordered 2."
            assert orders(book) == ["ordered 2"]
            assert await talk.say(usual[0]) == usual[1]
            (run,) = waiting(desk, key)
            assert await talk.say(no) == refused
            assert waiting(desk, key) == []
            await talk.say(yes)
            assert orders(book) == ["ordered 2"], "nothing waits any more"
            assert run["tool"] == "settle"

    asyncio.run(story())


def test_another_answer_leaves_the_run_waiting_and_the_question_comes_again(
    desk: Served, key: str, book: Path
) -> None:
    async def story() -> None:
        async with call(desk, key) as talk:
            question = await talk.say("order 3 loaves")
            told = await talk.say("What is the price of bread?")
            assert told == f"The price of bread is three euros. {question}"
            assert len(waiting(desk, key)) == 1
            assert orders(book) == []
            assert await talk.say("Go ahead") == "ordered 3."

    asyncio.run(story())
    assert orders(book) == ["ordered 3"]


def test_of_two_runs_the_last_question_is_answered_first(
    desk: Served, key: str, book: Path
) -> None:
    async def story() -> None:
        async with call(desk, key) as talk:
            await talk.say("order 4 loaves")
            assert await talk.say("order 5 loaves") == "Shall I order 5 loaves of bread?"
            assert len(waiting(desk, key)) == 2
            first = "Shall I order 4 loaves of bread?"
            assert await talk.say("no") == f"All right, I won't do it. {first}"
            assert await talk.say("yes") == "ordered 4."

    asyncio.run(story())
    assert orders(book) == ["ordered 4"]


def test_a_pressed_yes_ends_the_question(desk: Served, key: str, book: Path) -> None:
    async def story() -> None:
        async with call(desk, key) as talk:
            await talk.say("order 6 loaves")
            (run,) = waiting(desk, key)
            url = f"{desk.url}/api/approvals/{run['id']}"
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx2.AsyncClient() as client:
                await client.post(url, json={"approve": True}, headers=headers)
            done = await talk.caller.hear("response.done")
            assert done["response"]["output"][0]["content"][0]["text"] == "ordered 6."
            await talk.say("yes")

    asyncio.run(story())
    assert orders(book) == ["ordered 6"]


def test_a_callers_yes_is_not_the_yes_of_staff(desk: Served, key: str, book: Path) -> None:
    async def story() -> None:
        async with call(desk, key) as talk:
            told = await talk.say("give me my money back")
            assert told.startswith("A member of staff has to approve this.")
            await talk.say("yes")
            assert [run["approve"] for run in waiting(desk, key)] == ["staff"]

    asyncio.run(story())
    assert orders(book) == []


def test_a_spoken_yes_approves(desk: Served, key: str, book: Path) -> None:
    async def story() -> None:
        async with call(desk, key, voice=True) as talk:
            await talk.caller.add("order 7 loaves")
            await talk.caller.say("response.create")
            await talk.caller.hear("response.done")  # the tool is called
            await talk.caller.hear("response.done")  # and its question is asked
            async for piece in pieces(noise(300, -60) + spoken("yes_rms") + noise(900, -60)):
                await talk.caller.append(piece)
            while not orders(book):
                event = await talk.caller.hear("conversation.item.done")
                if event["item"]["type"] == "function_call_output":
                    assert json.loads(event["item"]["output"]) == {"spoken": "ordered 7"}

    asyncio.run(story())
    assert orders(book) == ["ordered 7"]
