"""A server with two assistants that follow one script: a chat model's, and a hosted one's.

The chat endpoint is the scripted one behind HTTP. The hosted model is a second real server, behind
the relay. Both assistants have the same tools, which write what they did into a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import connect

from .calls import Caller
from .model_server import model_server
from .served import TAKES_ALL, Served, serve
from .sounds import noise, spoken

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


@dataclass
class TwoModels:
    """A server whose assistants `chat` and `relay` have the same tools."""

    served: Served
    key: str

    def done(self, assistant: str) -> list[str]:
        file = self._notes(assistant)
        return file.read_text().splitlines() if file.exists() else []

    def forget(self) -> None:
        """Decline what waits, and forget what was done."""
        for run in self._requests("GET")["data"]:
            self._requests("POST", f"/{run['id']}", {"approve": False})
        for assistant in ("chat", "relay"):
            self._notes(assistant).unlink(missing_ok=True)

    def waiting(self, assistant: str) -> list[tuple[str, str]]:
        """Return tool and arguments of what waits."""
        mine = [r for r in self._requests("GET")["data"] if r["assistant"] == assistant]
        return [(each["tool"], each["arguments"]) for each in mine]

    def _requests(self, method: str, path: str = "", body: object = None) -> Any:  # noqa: ANN401
        url = f"{self.served.url}/api/approvals{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx2.request(method, url, json=body, headers=headers).raise_for_status().json()

    def _notes(self, assistant: str) -> Path:
        return self.served.data / "assistants" / assistant / "done.txt"


@contextmanager
def two_models(
    folder: Path, script: str, tools: str, documents: Mapping[str, str] | None = None
) -> Iterator[TwoModels]:
    """Serve both. `documents`: the texts of the knowledge by the names of their files.

    `tools`: a `tools.py` that writes each effect as a line of `done.txt` beside it.
    """
    far, near = folder / "provider", folder / "near"
    hosted = far / "assistants/hosted"
    hosted.mkdir(parents=True)
    (hosted / "assistant.toml").write_text(PROVIDER)
    (hosted / "script.toml").write_text(script)
    with model_server(hosted / "script.toml") as model, serve(far, **TAKES_ALL) as provider:
        for name, toml in (("chat", CHAT), ("relay", RELAY.format(url=provider.url))):
            assistant = near / "assistants" / name
            (assistant / "knowledge").mkdir(parents=True)
            (assistant / "assistant.toml").write_text(toml)
            (assistant / "tools.py").write_text(tools)
            for file, text in (documents or {}).items():
                (assistant / "knowledge" / file).write_text(text)
        environ = {"VIVAVOCE_OPENAI__BASE_URL": model.url, "PROVIDER_KEY": provider.key()}
        with serve(near, **TAKES_ALL, **environ) as served:
            yield TwoModels(served, served.key("--name", "tests"))


class Talk:
    """One call of a client that ends its turns itself."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.conversation_id = ""  # known after the first answer

    async def write(self, text: str) -> str:
        await self.caller.add(text)
        return await self.answer()

    async def speak(self) -> str:
        """Say what the recogniser hears as the first words of `heard`."""
        await self.caller.append(noise(100, -60) + spoken("yes_rms"))
        await self.caller.say("input_audio_buffer.commit")
        await self.caller.hear("input_audio_buffer.committed")
        return await self.answer()

    async def answer(self) -> str:
        """Return the words of the answer, after all calls of tools."""
        await self.caller.say("response.create")
        while True:
            done = (await self.caller.hear("response.done"))["response"]
            assert done["status"] == "completed", done
            self.conversation_id = done["conversation_id"]
            if [item["type"] for item in done["output"]] == ["message"]:
                text: str = done["output"][0]["content"][0]["text"]
                return text


@asynccontextmanager
async def call(models: TwoModels, assistant: str, more: str = "") -> AsyncIterator[Talk]:
    url = f"{models.served.ws}?assistant={assistant}&greeting=false{more}"
    headers = {"Authorization": f"Bearer {models.key}"}
    async with connect(url, additional_headers=headers) as socket:
        caller = Caller(socket)
        await caller.hear("session.created")
        session: dict[str, Any] = {"type": "realtime", "output_modalities": ["text"]}
        session["audio"] = {"input": {"turn_detection": None}}
        await caller.say("session.update", session=session)
        await caller.hear("session.updated")
        yield Talk(caller)
