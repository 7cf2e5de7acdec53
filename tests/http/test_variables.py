"""Change the variables, the language and the role of calls over HTTP, embedded and relayed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_socket

from ..support.served import TAKES_ALL, Served, serve
from ..transports.test_websocket import hear, say, with_key
from .test_routes import bearer

PROMPTS = """
languages = ["en", "it"]
roles = ["guest", "staff"]

[instructions]
en = "City: {{ city }}. Day: {{ day }}. Seats: {{ seats }}. Mood: {{ mood }}."
it = "Città: {{ city }}."
staff.en = "Staff in {{ city }}."

[fallback]
en = "Ask at the desk."
it = "Chieda al banco."

[variables.city]
default = "Turin"

[variables.day]
type = "date"

[variables.seats]
type = "number"
default = 1

[variables.mood]
type = "choice"
choices = ["calm", "merry"]
"""
GUIDE = 'name = "guide"\nengine = "cascade"\ncascade = { brain = "extractive" }\n' + PROMPTS
GATE = """
name = "gate"
engine = "upstream"
upstream = {{ base_url = "{url}", model = "any", key = {{ env = "PROVIDER_KEY" }} }}
"""


@dataclass
class Place:
    served: Served
    key: str
    asked: list[str]  # the instructions that the provider was asked for

    async def send(self, method: str, path: str, **body: object) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.served.url, headers=bearer(self.key)) as http:
            return await http.request(method, path, json=body or None)

    async def change(self, path: str, **body: object) -> dict[str, Any]:
        answer = await self.send("PATCH", path, **body)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    def call(self, assistant: str, story: Story, query: str = "") -> None:
        async def main() -> None:
            url = f"{self.served.ws}?assistant={assistant}{query}"
            async with connect(url, **with_key(self.key)) as socket:
                created = await hear(socket, "session.created")
                assert socket.response is not None
                call_id = socket.response.headers["Vivavoce-Call-Id"]
                await story(socket, call_id, created["session"]["instructions"])

        asyncio.run(main())

    def reset(self) -> None:
        values = dict.fromkeys(("city", "day", "seats", "mood"))
        for name in ("guide", "gate"):
            asyncio.run(self.change(f"/api/assistants/{name}/variables", variables=values))
        self.asked.clear()


Story = Callable[[ClientConnection, str, str], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    asked: list[str] = []

    def confirm(connection: ServerConnection) -> None:
        session: dict[str, Any] = {}
        for data in connection:
            if (event := json.loads(data))["type"] == "session.update":
                session |= event["session"]
                asked.append(session["instructions"])
                updated = {"type": "session.updated", "event_id": "e", "session": session}
                connection.send(json.dumps(updated))

    data: Path = tmp_path_factory.mktemp("variables")
    with serve_socket(confirm, "127.0.0.1", 0) as provider:
        thread = threading.Thread(target=provider.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{provider.socket.getsockname()[1]}/v1"
        for name, text in {"guide": GUIDE, "gate": GATE.format(url=url) + PROMPTS}.items():
            (data / "assistants" / name).mkdir(parents=True)
            (data / "assistants" / name / "assistant.toml").write_text(text)
        with serve(data, PROVIDER_KEY="sk-1", **TAKES_ALL) as served:
            key = served.key()
            served.await_charlotte(key)  # her call loads what others need
            yield Place(served, key, asked)
        provider.shutdown()
        thread.join()


@pytest.fixture
def place(house: Place) -> Place:
    house.reset()
    return house


@pytest.mark.parametrize("assistant", ["guide", "gate"])
def test_values_change_for_new_calls_and_for_running_ones_if_asked(
    place: Place, assistant: str
) -> None:
    path = f"/api/assistants/{assistant}/variables"

    async def story(socket: ClientConnection, call_id: str, instructions: str) -> None:
        assert instructions == "City: Turin. Day: . Seats: 1. Mood: calm."
        new = await place.change(path, variables={"city": "Rome"})
        assert (new["variables"]["city"]["value"], new["changed_calls"]) == ("Rome", [])
        values = {"day": "2027-05-13", "seats": 2.5, "mood": "merry"}
        both = await place.change(path, variables=values, running=True)
        assert both["changed_calls"] == [call_id]
        updated = await hear(socket, "session.updated")
        expected = "City: Rome. Day: 2027-05-13. Seats: 2.5. Mood: merry."
        assert updated["session"]["instructions"] == expected
        found = (await place.send("GET", f"/api/calls/{call_id}")).json()
        assert [p["instructions"] for p in found["prompts"]] == [instructions, expected]

    async def next_one(socket: ClientConnection, call_id: str, instructions: str) -> None:
        assert instructions == "City: Rome. Day: 2027-05-13. Seats: 2.5. Mood: merry."

    place.call(assistant, story)
    place.call(assistant, next_one)


@pytest.mark.parametrize("assistant", ["guide", "gate"])
def test_the_role_and_the_language_of_a_running_call_change(place: Place, assistant: str) -> None:
    async def story(socket: ClientConnection, call_id: str, instructions: str) -> None:
        for change, expected in (
            ({"role": "staff"}, "Staff in Turin."),
            ({"variables": {"city": "Rome"}}, "Staff in Rome."),
            ({"language": "it-IT", "role": "guest"}, "Città: Rome."),
        ):
            changed = await place.change(f"/api/calls/{call_id}", **change)
            assert changed["prompts"][-1]["instructions"] == expected
            updated = await hear(socket, "session.updated")
            assert updated["session"]["instructions"] == expected
        assert [(p["role"], p["language"]) for p in changed["prompts"]] == [
            ("guest", "en"), ("staff", "en"), ("staff", "en"), ("guest", "it"),
        ]  # fmt: skip
        path = f"/api/conversations/{changed['conversation_id']}"
        assert (await place.send("GET", path)).json()["language"] == "it"

    place.call(assistant, story)


def test_the_embedded_brain_answers_in_the_new_language(place: Place) -> None:
    async def answer(socket: ClientConnection) -> str:
        text = {"type": "input_text", "text": "Zyx?"}
        item = {"type": "message", "role": "user", "content": [text]}
        await say(socket, type="conversation.item.create", item=item)
        await say(socket, type="response.create", response={"output_modalities": ["text"]})
        done = await hear(socket, "response.done")
        said: str = done["response"]["output"][0]["content"][0]["text"]
        return said

    async def story(socket: ClientConnection, call_id: str, instructions: str) -> None:
        assert "Ask at the desk." in await answer(socket)
        await place.change(f"/api/calls/{call_id}", language="it")
        assert "Chieda al banco." in await answer(socket)

    place.call("guide", story)


def test_values_of_a_call_win_over_those_of_the_operator(place: Place) -> None:
    path = "/api/assistants/guide/variables"

    async def story(socket: ClientConnection, call_id: str, instructions: str) -> None:
        assert instructions.startswith("City: Bari.")
        changed = await place.change(path, variables={"city": "Rome"}, running=True)
        assert changed["changed_calls"] == []

    place.call("guide", story, "&var.city=Bari")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("city", 5, "invalid_value"),
        ("city", "a\x00b", "invalid_value"),
        ("seats", "many", "invalid_value"),
        ("seats", True, "invalid_value"),
        ("day", "2027-02-30", "invalid_value"),
        ("mood", "sad", "invalid_value"),
        ("mood", ["calm"], "invalid_value"),
        ("town", "Rome", "unknown_parameter"),
        ("town", None, "unknown_parameter"),
    ],
)
def test_a_wrong_value_is_named_and_changes_nothing(
    place: Place, name: str, value: object, code: str
) -> None:
    path = "/api/assistants/guide/variables"
    values = {"seats": 3, name: value}
    answer = asyncio.run(place.send("PATCH", path, variables=values))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, code)
    assert error["param"] == f"variables.{name}"
    shown = asyncio.run(place.send("GET", path)).json()["variables"]
    assert shown["seats"]["value"] == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [({"language": "de"}, "language"), ({"role": "boss"}, "role"),
     ({"variables": {"seats": "x"}}, "variables.seats"), ({"mood": "calm"}, "mood")],
)  # fmt: skip
def test_a_wrong_change_of_a_call_is_refused(
    place: Place, body: dict[str, object], param: str
) -> None:
    async def story(socket: ClientConnection, call_id: str, instructions: str) -> None:
        answer = await place.send("PATCH", f"/api/calls/{call_id}", **body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        found = (await place.send("GET", f"/api/calls/{call_id}")).json()
        assert len(found["prompts"]) == 1

    place.call("guide", story)


def test_a_key_for_another_assistant_changes_nothing(place: Place) -> None:
    other = Place(place.served, place.served.key("--assistant", "echo"), [])

    async def story(socket: ClientConnection, call_id: str, instructions: str) -> None:
        for path, code in (
            (f"/api/calls/{call_id}", "call_id_not_found"),
            ("/api/assistants/guide/variables", "assistant_not_found"),
        ):
            answer = await other.send("PATCH", path, variables={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)

    place.call("guide", story)


def test_each_change_is_audited_without_its_values(place: Place) -> None:
    async def story(socket: ClientConnection, call_id: str, instructions: str) -> None:
        values = {"city": "Nowhere", "seats": 2}
        await place.change("/api/assistants/guide/variables", variables=values)
        await place.change(f"/api/calls/{call_id}", role="staff")
        acts = (await place.send("GET", "/api/audit?limit=2")).json()["data"]
        assert [(a["action"], a["target"]) for a in acts] == [
            ("call_changed", call_id), ("variables_changed", "guide"),
        ]  # fmt: skip
        assert acts[1]["detail"] == {"variables": "city seats"}
        assert "Nowhere" not in json.dumps(acts)

    place.call("guide", story)


def test_a_transcribing_call_has_no_prompt_to_change(place: Place) -> None:
    async def main() -> None:
        url = f"{place.served.ws}?assistant=echo&intent=transcription"
        async with connect(url, **with_key(place.key)) as socket:
            await hear(socket)
            assert socket.response is not None
            call_id = socket.response.headers["Vivavoce-Call-Id"]
            answer = await place.send("PATCH", f"/api/calls/{call_id}", role="guest")
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_prompt")

    asyncio.run(main())


def test_values_survive_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "assistants/guide"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(GUIDE.replace('"cascade"\n', '"scripted"\n'))
    path = "/api/assistants/guide/variables"
    with serve(tmp_path) as served:
        place = Place(served, served.key(), [])
        asyncio.run(place.change(path, variables={"city": "Rome", "day": "2027-05-13"}))
    with serve(tmp_path) as served:
        place.served = served
        shown = asyncio.run(place.send("GET", path)).json()["variables"]
        assert (shown["city"]["value"], shown["day"]["value"]) == ("Rome", "2027-05-13")
