"""Answers of language models and of hosted models show their sources, and questions are kept.

The chat endpoint is the scripted one behind HTTP. The hosted model is a second real server. Each
model gets the passages before every answer, or searches for them by a tool.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from ..support.calls import ANSWER_TIMEOUT_S
from ..support.model_server import model_server
from ..support.served import TAKES_ALL, Served, serve
from .test_routes import bearer
from .test_tool_runs import OwnEventCaller, get

TOML = 'name = "{name}"\nlanguages = ["en", "it"]\n{engine}\n[knowledge]\n{ask}\n'
CHAT = '[cascade]\nstt = "openai"\nbrain = "openai"\ntts = "openai"\n'
HOSTED = """
engine = "upstream"
[upstream]
base_url = "{url}"
model = "hosted"
key = {{ env = "PROVIDER_KEY" }}
"""
OWN = CHAT.replace('brain = "openai"', 'brain = "extractive"')
TOOL = 'ask = "tool"'
LUNCH = "# Lunch\nLunch is served at one o'clock in the hall.\n\n# Garden\nThe garden has roses.\n"
PRANZO = "# Pranzo\nIl pranzo si serve all'una nella sala.\n\n# Giardino\nIl giardino ha rose.\n"
SCRIPT = r"""
[[rules]]
pattern = "passages"
say = "As the documents say."

[[rules]]
pattern = "^Look up (?P<first>.+) and (?P<second>.+)"
calls = [{ name = "search_knowledge", arguments = { query = "{first}" } },
         { name = "search_knowledge", arguments = { query = "{second}" } }]

[[rules]]
pattern = "^Look up (?P<query>.+)"
calls = [{ name = "search_knowledge", arguments = { query = "{query}" } }]
"""
PLAIN = '[[rules]]\nwhen = ""\nsay = "As the documents say."\n'


@dataclass
class House:
    served: Served
    key: str

    async def change(self, call_id: str, **body: object) -> None:
        async with httpx2.AsyncClient(base_url=self.served.url, headers=bearer(self.key)) as http:
            answer = await http.patch(f"/api/calls/{call_id}", json=body)
            assert answer.status_code == 200, answer.text

    async def put(self, assistant: str, path: str, text: str) -> None:
        async with httpx2.AsyncClient(base_url=self.served.url, headers=bearer(self.key)) as http:
            answer = await http.put(f"/api/knowledge/{assistant}/{path}", content=text.encode())
            assert answer.status_code == 200, answer.text

    def sources(self, item_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = get(self.served, f"/api/items/{item_id}/sources", self.key)[
            "data"
        ]
        return found

    def questions(self, assistant: str) -> dict[str, tuple[bool, str]]:
        """Return whether each question was answered, and its language."""
        data = get(self.served, f"/api/questions?assistant={assistant}", self.key)["data"]
        return {each["text"]: (each["answered"], each["language"]) for each in data}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    far = tmp_path_factory.mktemp("provider")
    for name, text in (("hosted", SCRIPT), ("plain", PLAIN)):
        folder = far / "assistants" / name
        folder.mkdir(parents=True)
        toml = f'name = "{name}"\nengine = "scripted"\nscripted.script = "script.toml"\n'
        (folder / "assistant.toml").write_text(toml)
        (folder / "script.toml").write_text(text)
    near = tmp_path_factory.mktemp("near")
    with (
        model_server(far / "assistants/hosted/script.toml") as model,
        serve(far, **TAKES_ALL) as provider,
    ):
        relayed = HOSTED.format(url=f"{provider.url}/v1")
        for name, engine, ask in (
            ("own", OWN, ""),
            ("chat", CHAT, ""),
            ("chat-tool", CHAT, TOOL),
            ("relay", relayed.replace("hosted", "plain"), ""),
            ("relay-tool", relayed, TOOL),
        ):
            folder = near / "assistants" / name
            (folder / "knowledge").mkdir(parents=True)
            (folder / "assistant.toml").write_text(TOML.format(name=name, engine=engine, ask=ask))
            (folder / "knowledge/house.en.md").write_text(LUNCH)
            (folder / "knowledge/house.it.md").write_text(PRANZO)
        environ = {"VIVAVOCE_OPENAI__BASE_URL": model.url, "PROVIDER_KEY": provider.key()}
        with serve(near, **TAKES_ALL, **environ) as served:
            yield House(served, served.key("--name", "tests"))


@dataclass
class Talk:
    """One call of a client that wants our own events."""

    house: House
    caller: OwnEventCaller
    call_id: str
    looks_up: bool

    async def ask(self, text: str) -> str:
        """Return the id of the item that answers a question. The models look up on demand."""
        if self.looks_up:
            text = f"Look up {text}"
        await self.caller.say(
            "conversation.item.create",
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            },
        )
        await self.caller.say("response.create")
        while True:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                done = (await self.caller.hear("response.done", "error"))["response"]
            assert done["status"] == "completed", done
            if [each["type"] for each in done["output"]] == ["message"]:
                item_id: str = done["output"][-1]["id"]
                return item_id

    async def sources(self, item_id: str) -> list[str]:
        """Return the titles of an answer's sources, as the event and the API name them."""
        found = [each for each in self.caller.own if each.get("item_id") == item_id]
        (event,) = [each for each in found if each["type"] == "vivavoce.sources"]
        assert await asyncio.to_thread(self.house.sources, item_id) == event["sources"]
        return [each["title"] for each in event["sources"]]

    @property
    def cited(self) -> set[str]:
        own = self.caller.own
        return {each["item_id"] for each in own if each["type"] == "vivavoce.sources"}


@asynccontextmanager
async def call(house: House, assistant: str) -> AsyncIterator[Talk]:
    url = f"{house.served.ws}?assistant={assistant}&greeting=false&events=vivavoce"
    async with connect(url, additional_headers=bearer(house.key)) as socket:
        caller = OwnEventCaller(socket)
        await caller.hear("session.created")
        session = {"type": "realtime", "output_modalities": ["text"]}
        await caller.say("session.update", session=session)
        await caller.hear("session.updated")
        assert socket.response is not None
        call_id = socket.response.headers["Vivavoce-Call-Id"]
        yield Talk(house, caller, call_id, looks_up=assistant.endswith("-tool"))


MODELS = ["chat", "chat-tool", "relay", "relay-tool"]


@pytest.mark.parametrize("assistant", MODELS)
def test_an_answer_has_its_sources_and_a_question_is_kept(house: House, assistant: str) -> None:
    async def story() -> None:
        async with call(house, assistant) as talk:
            lunch = await talk.ask("when is lunch")
            assert (await talk.sources(lunch))[0] == "Lunch"
            none = await talk.ask("is there a submarine")
            assert talk.cited == {lunch}
            assert none != lunch

    asyncio.run(story())
    asked = house.questions(assistant)
    assert asked["when is lunch"] == (True, "en")
    assert asked["is there a submarine"] == (False, "en")


@pytest.mark.parametrize("assistant", ["own", *MODELS])
def test_sources_and_questions_follow_the_language_of_a_running_call(
    house: House, assistant: str
) -> None:
    async def story() -> None:
        async with call(house, assistant) as talk:
            assert (await talk.sources(await talk.ask("when is lunch")))[0] == "Lunch"
            await house.change(talk.call_id, language="it")
            assert (await talk.sources(await talk.ask("il giardino ha rose")))[0] == "Giardino"

    asyncio.run(story())
    assert house.questions(assistant)["il giardino ha rose"] == (True, "it")


@pytest.mark.parametrize("assistant", ["chat-tool", "relay-tool"])
def test_an_answer_after_two_searches_has_the_sources_of_both(house: House, assistant: str) -> None:
    async def story() -> None:
        async with call(house, assistant) as talk:
            both = await talk.ask("lunch and garden")
            assert await talk.sources(both) == ["Lunch", "Garden"]
            talk.looks_up = False
            after = await talk.ask("Thank you.")
            assert talk.cited == {both}
            assert after != both

    asyncio.run(story())


@pytest.mark.parametrize("assistant", ["own", *MODELS])
def test_a_file_that_is_put_is_a_source_of_the_next_answer_in_a_running_call(
    house: House, assistant: str
) -> None:
    async def story() -> None:
        async with call(house, assistant) as talk:
            await talk.ask("when does the lift close")
            assert talk.cited == set()
            text = "# Lift\nThe lift does close at nine o'clock.\n"
            await house.put(assistant, "lift.en.md", text)
            (title,) = await talk.sources(await talk.ask("when does the lift close"))
            assert title == "Lift"

    asyncio.run(story())
