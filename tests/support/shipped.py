"""Shipped assistants on a real server, each also with a language model behind it."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from vivavoce.assistants import SHIPPED
from vivavoce.engines.scripted.script import Script

from .calls import Caller, Event
from .model_server import ModelServer, model_server
from .served import Served, serve

EXTRACTIVE, OPENAI = 'brain = "extractive"', 'brain = "openai"'


def copy_with_model(name: str, assistants: Path) -> str:
    """Copy a shipped assistant, with a language model as its brain. Return the copy's name."""
    copied = f"{name}-model"
    shutil.copytree(SHIPPED / name, assistants / copied)
    file = assistants / copied / "assistant.toml"
    text = file.read_text("utf-8")
    assert EXTRACTIVE in text
    text = text.replace(EXTRACTIVE, OPENAI).replace(f'name = "{name}"', f'name = "{copied}"', 1)
    file.write_text(text, "utf-8")
    return copied


class House:
    """A server with one shipped assistant, and the language model of its copy."""

    def __init__(self, name: str, server: Served, model: ModelServer) -> None:
        self.name = name
        self.server = server
        self.model = model
        self.key = server.key()

    def secret(self, assistant: str | None = None, **binding: object) -> str:
        """Mint a client secret, as a back end does for its user."""
        body = {"vivavoce": {"assistant": assistant or self.name, **binding}}
        made: str = self.request("POST", "/v1/realtime/client_secrets", body)["value"]
        return made

    def request(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        request = urllib.request.Request(
            self.server.url.rstrip("/") + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    @asynccontextmanager
    async def call(
        self, query: str = "", *, model: bool = False, **binding: object
    ) -> AsyncIterator[Talk]:
        """Call as a browser whose secret has this binding. `model`: with a language model."""
        name = f"{self.name}-model" if model else self.name
        headers = {"Authorization": f"Bearer {self.secret(name, **binding)}"}
        url = f"{self.server.ws}?model={name}&greeting=false{query}"
        async with connect(url, additional_headers=headers, open_timeout=30) as socket:
            caller = Caller(socket)
            assert (await caller.hear())["type"] == "session.created"
            session = {"type": "realtime", "output_modalities": ["text"]}
            await caller.say("session.update", session=session)
            assert (await caller.hear())["type"] == "session.updated"
            yield Talk(caller)


class Talk:
    """A call in text: its lines, and the tools that ran."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.outputs: list[Event] = []  # of the tools, in their order, as objects
        self.names: list[str] = []  # of the tools
        self.conversation = ""  # the id of the conversation

    async def say(self, text: str) -> str:
        """Say a text, and return the answer that follows the tools."""
        await self.caller.add(text)
        await self.caller.say("response.create")
        while True:
            event = await self.caller.hear("response.done", "conversation.item.done")
            if event["type"] == "conversation.item.done":
                self._note(event["item"])
                continue
            response = event["response"]
            assert response["status"] == "completed", response
            self.conversation = response["conversation_id"]
            said = [item for item in response["output"] if item["type"] == "message"]
            if said:
                answer: str = said[-1]["content"][0]["text"]
                return answer

    def _note(self, item: Event) -> None:
        if item["type"] == "function_call":
            self.names.append(item["name"])
        if item["type"] == "function_call_output":
            self.outputs.append(json.loads(item["output"]))


@contextmanager
def house(name: str, data: Path, script: Script) -> Iterator[House]:
    """Serve a shipped assistant, and a copy of it behind a scripted language model."""
    copy_with_model(name, data / "assistants")
    with model_server(script) as model, serve(data, VIVAVOCE_OPENAI__BASE_URL=model.url) as server:
        yield House(name, server, model)
