"""Approve what a tool does by a yes to a language model, and to a hosted model behind the relay.

The chat endpoint is the scripted one behind HTTP. The hosted model is a second real server. Both
follow one script: the model asks in its own words, and calls the tool again after a yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from ..support.calls import Caller
from ..support.model_server import model_server
from ..support.served import TAKES_ALL, Served, serve
from ..support.sounds import noise, spoken

SCRIPT = r"""
heard = ["yes please"]

[[rules]]
pattern = "order 5 pieces"
calls = [{ name = "look" }]
times = 1

[[rules]]
pattern = '"state": ?"requested"'
say = "Shall I do it?"

[[rules]]
pattern = "^ordered (?P<pieces>[0-9]+)"
say = "I have {text}."

[[rules]]
pattern = "^order three twice"
calls = [{ name = "order", arguments = { pieces = 3 } },
         { name = "order", arguments = { pieces = 3 } }]

[[rules]]
pattern = "^(order three|yes$|yes please)"
calls = [{ name = "order", arguments = { pieces = 3 } }]

[[rules]]
pattern = "^(order five|looked|yes, hurry)"
calls = [{ name = "order", arguments = { pieces = 5 } }]

[[rules]]
pattern = "^make it four"
calls = [{ name = "order", arguments = { pieces = 4 } }]

[[rules]]
pattern = "^(refund|please refund)"
calls = [{ name = "refund" }]
"""
PROVIDER = 'name = "hosted"\nengine = "scripted"\nscripted.script = "script.toml"\n'
CHAT = 'name = "chat"\n[cascade]\nstt = "openai"\nbrain = "openai"\ntts = "openai"\n'
RELAY = """
name = "relay"
engine = "upstream"
[upstream]
base_url = "{url}/v1"
model = "hosted"
key = {{ env = "PROVIDER_KEY" }}
"""
TOOLS = """
import asyncio
from pathlib import Path

from vivavoce import Call, tool


def note(text: str) -> str:
    with (Path(__file__).parent / "orders.txt").open("a") as file:
        file.write(text + "\\n")
    return text


@tool
async def look(call: Call) -> str:
    '''Look at the shelves.'''
    await asyncio.sleep(0.5)
    return "looked"


@tool(effects=True, approve="user", ask="Shall I order {pieces} pieces?")
async def order(call: Call, pieces: int) -> str:
    '''Order bread.'''
    return note(f"ordered {pieces}")


@tool(effects=True, approve="staff")
async def refund(call: Call) -> str:
    '''Give money back.'''
    return note("refunded")
"""


@dataclass
class Bakery:
    """A server whose assistants `chat` and `relay` have the same tools."""

    served: Served
    key: str

    def orders(self, assistant: str) -> list[str]:
        file = self._book(assistant)
        return file.read_text().splitlines() if file.exists() else []

    def forget(self) -> None:
        """Decline what waits, and forget the orders."""
        for run in self._requests("GET")["data"]:
            self._requests("POST", f"/{run['id']}", {"approve": False})
        for assistant in ("chat", "relay"):
            self._book(assistant).unlink(missing_ok=True)

    def waiting(self, assistant: str) -> list[tuple[str, str]]:
        """Return tool and arguments of what waits."""
        mine = [r for r in self._requests("GET")["data"] if r["assistant"] == assistant]
        return [(each["tool"], each["arguments"]) for each in mine]

    def _requests(self, method: str, path: str = "", body: object = None) -> Any:  # noqa: ANN401
        url = f"{self.served.url}/api/approvals{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx2.request(method, url, json=body, headers=headers).raise_for_status().json()

    def _book(self, assistant: str) -> Path:
        return self.served.data / "assistants" / assistant / "orders.txt"


@pytest.fixture(scope="module")
def served_bakery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bakery]:
    far, near = tmp_path_factory.mktemp("provider"), tmp_path_factory.mktemp("near")
    hosted = far / "assistants/hosted"
    hosted.mkdir(parents=True)
    (hosted / "assistant.toml").write_text(PROVIDER)
    (hosted / "script.toml").write_text(SCRIPT)
    with model_server(hosted / "script.toml") as model, serve(far, **TAKES_ALL) as provider:
        for name, toml in (("chat", CHAT), ("relay", RELAY.format(url=provider.url))):
            folder = near / "assistants" / name
            folder.mkdir(parents=True)
            (folder / "assistant.toml").write_text(toml)
            (folder / "tools.py").write_text(TOOLS)
        environ = {"VIVAVOCE_OPENAI__BASE_URL": model.url, "PROVIDER_KEY": provider.key()}
        with serve(near, **TAKES_ALL, **environ) as served:
            yield Bakery(served, served.key("--name", "tests"))


@pytest.fixture
def bakery(served_bakery: Bakery) -> Bakery:
    served_bakery.forget()
    return served_bakery


class Talk:
    """One call of a client that ends its turns itself."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def write(self, text: str) -> str:
        await self.caller.add(text)
        return await self._answer()

    async def speak(self) -> str:
        """Say what the recogniser hears as "yes please"."""
        await self.caller.append(noise(100, -60) + spoken("yes_rms"))
        await self.caller.say("input_audio_buffer.commit")
        await self.caller.hear("input_audio_buffer.committed")
        return await self._answer()

    async def _answer(self) -> str:
        """Return the words of the answer, after all calls of tools."""
        await self.caller.say("response.create")
        while True:
            done = (await self.caller.hear("response.done"))["response"]
            assert done["status"] == "completed", done
            if [item["type"] for item in done["output"]] == ["message"]:
                text: str = done["output"][0]["content"][0]["text"]
                return text


@asynccontextmanager
async def call(bakery: Bakery, assistant: str) -> AsyncIterator[Talk]:
    url = f"{bakery.served.ws}?assistant={assistant}&greeting=false"
    headers = {"Authorization": f"Bearer {bakery.key}"}
    async with connect(url, additional_headers=headers) as socket:
        caller = Caller(socket)
        await caller.hear("session.created")
        session: dict[str, Any] = {"type": "realtime", "output_modalities": ["text"]}
        session["audio"] = {"input": {"turn_detection": None}}
        await caller.say("session.update", session=session)
        await caller.hear("session.updated")
        yield Talk(caller)


both = pytest.mark.parametrize("assistant", ["chat", "relay"])
THREE, FOUR = ("order", '{"pieces": 3}'), ("order", '{"pieces": 4}')


@both
@pytest.mark.parametrize("way", ["typed", "spoken"])
def test_a_yes_of_the_caller_approves(bakery: Bakery, assistant: str, way: str) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk:
            assert await talk.write("order three") == "Shall I do it?"
            assert bakery.orders(assistant) == []
            said = await (talk.write("yes") if way == "typed" else talk.speak())
            assert said == "I have ordered 3."

    asyncio.run(story())
    assert bakery.orders(assistant) == ["ordered 3"]
    assert bakery.waiting(assistant) == []


@both
def test_a_model_that_calls_again_by_itself_approves_nothing(
    bakery: Bakery, assistant: str
) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk:
            assert await talk.write("order three twice") == "Shall I do it?"
            assert bakery.waiting(assistant) == [THREE]
            assert bakery.orders(assistant) == []
            assert await talk.write("yes") == "I have ordered 3."

    asyncio.run(story())
    assert bakery.orders(assistant) == ["ordered 3"]


@both
def test_what_the_caller_says_before_the_question_approves_nothing(
    bakery: Bakery, assistant: str
) -> None:
    """After the request, the model calls another tool first, and the caller is impatient."""

    async def story() -> None:
        async with call(bakery, assistant) as talk:
            await talk.caller.add("order five")
            await talk.caller.say("response.create")
            while (await talk.caller.hear("conversation.item.done"))["item"].get("name") != "look":
                pass
            await talk.caller.add("yes, hurry")
            while (await talk.caller.hear("response.done"))["response"]["output"][0].get("name"):
                pass
            assert bakery.orders(assistant) == [], "the question comes after these words"
            assert await talk.write("yes, hurry") == "I have ordered 5."

    asyncio.run(story())
    assert bakery.orders(assistant) == ["ordered 5"]


@both
def test_changed_arguments_are_another_request(bakery: Bakery, assistant: str) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk:
            await talk.write("order three")
            assert await talk.write("make it four") == "Shall I do it?"
            assert bakery.waiting(assistant) == [THREE, FOUR]
            assert bakery.orders(assistant) == []
            assert await talk.write("make it four") == "I have ordered 4."

    asyncio.run(story())
    assert bakery.orders(assistant) == ["ordered 4"]


@both
def test_a_yes_of_another_call_approves_nothing(bakery: Bakery, assistant: str) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk, call(bakery, assistant) as other:
            await talk.write("order three")
            assert await other.write("yes") == "Shall I do it?"
            assert bakery.orders(assistant) == []

    asyncio.run(story())
    assert bakery.orders(assistant) == []


@both
def test_a_callers_yes_is_not_the_yes_of_staff(bakery: Bakery, assistant: str) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk:
            await talk.write("refund")
            assert await talk.write("please refund") == "Shall I do it?"

    asyncio.run(story())
    assert bakery.orders(assistant) == []
