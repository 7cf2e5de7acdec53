"""Answers show what they were taken from: as an event, and stored with the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from ..support.calls import Caller
from ..support.served import Served, serve
from .test_routes import bearer, code_of
from .test_tool_runs import OwnEventCaller, get

TOML = 'name = "{name}"\nlanguages = ["en"]\n[knowledge]\npaths = ["*.md"]\n{more}\n'
LUNCH = "# Lunch\nLunch is served at one o'clock in the hall.\n\n# Garden\nThe garden has roses."


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("house") / "data"
    for name, more in (("ada", ""), ("bob", 'cite = "off"')):
        folder = data / "assistants" / name
        folder.mkdir(parents=True)
        (folder / "assistant.toml").write_text(TOML.format(name=name, more=more))
        (folder / "house.md").write_text(LUNCH)
    with serve(data) as server:
        yield server


@pytest.fixture(scope="module")
def key(house: Served) -> str:
    return house.key("--name", "tests")


def ask(
    house: Served, credential: str, *questions: str, query: str = "", assistant: str = "ada"
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the responses of a new call, and our own events."""

    async def story() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        url = f"{house.ws}?model={assistant}{query}"
        async with connect(url, additional_headers=bearer(credential)) as socket:
            caller: Caller = OwnEventCaller(socket)
            await caller.hear("session.created")
            done = []
            for question in questions:
                part = {"type": "input_text", "text": question}
                item = {"type": "message", "role": "user", "content": [part]}
                await caller.say("conversation.item.create", item=item)
                await caller.say("response.create", response={"output_modalities": ["text"]})
                done.append((await caller.hear("response.done"))["response"])
            assert isinstance(caller, OwnEventCaller)
            return done, [one for one in caller.own if one["type"] != "vivavoce.call"]

    return asyncio.run(story())


def test_the_embedded_brain_shows_the_passage_that_it_has_read(house: Served, key: str) -> None:
    responses, told = ask(house, key, "when is lunch", "hello", query="&events=vivavoce")
    (event,) = told
    item_id = responses[0]["output"][0]["id"]
    assert (event["type"], event["item_id"]) == ("vivavoce.sources", item_id)
    (source,) = event["sources"]
    assert source["source"] == "house.md"
    assert source["title"] == "Lunch"
    assert source["score"] == 1.0
    assert source["revision"]
    assert get(house, f"/api/items/{item_id}/sources", key) == {"data": [source]}
    greeting = responses[1]["output"][0]["id"]
    none = httpx2.get(f"{house.url}/api/items/{greeting}/sources", headers=bearer(key))
    assert (none.status_code, none.json()["error"]["code"]) == (404, "item_not_found")


def test_a_client_that_does_not_ask_for_our_own_events_gets_none(house: Served, key: str) -> None:
    assert ask(house, key, "when is lunch")[1] == []


def test_an_assistant_without_citations_neither_stores_nor_sends_sources(
    house: Served, key: str
) -> None:
    responses, told = ask(house, key, "when is lunch", query="&events=vivavoce", assistant="bob")
    assert told == []
    item_id = responses[0]["output"][0]["id"]
    gone = httpx2.get(f"{house.url}/api/items/{item_id}/sources", headers=bearer(key))
    assert gone.status_code == 404


def test_only_who_may_see_the_conversation_sees_the_sources(house: Served, key: str) -> None:
    responses, _ = ask(house, key, "when is lunch")
    path = f"/api/items/{responses[0]['output'][0]['id']}/sources"
    other = house.key("--assistant", "bob")
    assert httpx2.get(house.url + path, headers=bearer(other)).status_code == 404
    assert httpx2.get(house.url + path).status_code == 401
    with httpx2.Client(base_url=house.url, headers={"Origin": house.url}) as page:
        page.post("/api/sign-in", json={"code": code_of(house.cli("link"))}).raise_for_status()
        assert page.get(path).status_code == 404
    conversation = responses[0]["conversation_id"]
    url = f"{house.url}/api/conversations/{conversation}"
    assert httpx2.delete(url, headers=bearer(key)).status_code == 204
    assert httpx2.get(house.url + path, headers=bearer(key)).status_code == 404


def unanswered(house: Served, key: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(house, f"/api/questions?unanswered=true{query}", key)["data"]
    return found


def test_a_question_without_an_answer_is_listed_and_deleted_with_its_conversation(
    house: Served, key: str
) -> None:
    asked = "is there a submarine"
    responses, _ = ask(house, key, "hello", "when is lunch", asked)
    (question,) = [each for each in unanswered(house, key) if each["text"] == asked]
    assert question["assistant"] == "ada"
    assert question["language"] == "en"
    assert question["answered"] is False
    texts = {each["text"]: each["answered"] for each in get(house, "/api/questions", key)["data"]}
    assert texts["when is lunch"]
    assert "hello" not in texts
    other = house.key("--assistant", "bob")
    assert unanswered(house, other) == []
    assert unanswered(house, key, "&assistant=bob") == []
    assert asked in house.cli("knowledge", "gaps", "ada")
    url = f"{house.url}/api/conversations/{responses[0]['conversation_id']}"
    assert httpx2.delete(url, headers=bearer(key)).status_code == 204
    assert unanswered(house, key) == []
