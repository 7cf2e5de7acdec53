"""Serve each caller its own conversations and calls over HTTP, and no others."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from ..support.served import Served
from ..transports.test_websocket import end_of, hear, say, welcomed, with_key
from .test_routes import bearer, code_of


@dataclass
class Talked:
    """Hold the ids of Ada's conversation with the assistant `echo` and of its call."""

    conversation: str
    call: str
    of_another_key: dict[str, str]  # an API key for `charlotte` only


async def _talk(served: Served, credential: str, query: str = "?model=echo") -> str:
    """Type one turn. Return the conversation."""
    async with connect(served.ws + query, **with_key(credential)) as socket:
        assert (await hear(socket))["type"] == "session.created"
        part = {"type": "input_text", "text": "Hello."}
        item = {"type": "message", "role": "user", "content": [part]}
        await say(socket, type="conversation.item.create", item=item)
        await say(socket, type="response.create")
        done: dict[str, Any] = await hear(socket, "response.done")
        conversation: str = done["response"]["conversation_id"]
        return conversation


async def _call(served: Served, credential: str, assistant: str) -> None:
    """Start and end a call without a turn."""
    async with connect(f"{served.ws}?assistant={assistant}", **with_key(credential)) as socket:
        assert (await hear(socket))["type"] == "session.created"


def _pages(served: Served, credential: dict[str, str], limit: int) -> list[dict[str, Any]]:
    """Return the ids of calls."""
    pages: list[dict[str, Any]] = []
    before = ""
    while not pages or pages[-1]["has_more"]:
        url = f"{served.url}/api/calls?limit={limit}{before}"
        pages.append(httpx2.get(url, headers=credential).json())
        before = f"&before={pages[-1]['last_id']}"
    return pages


def secret_of(served: Served, key: str, user: str) -> str:
    body = {"vivavoce": {"assistant": "echo", "user": user}}
    answer = httpx2.post(f"{served.url}/v1/realtime/client_secrets", json=body, headers=bearer(key))
    value: str = answer.json()["value"]
    return value


@pytest.fixture(scope="module")
def talked(served: Served, key: str) -> Talked:
    conversation = asyncio.run(_talk(served, secret_of(served, key, "ada")))
    calls = httpx2.get(f"{served.url}/api/calls?limit=100", headers=bearer(key)).json()["data"]
    call = next(call["id"] for call in calls if call["conversation_id"] == conversation)
    return Talked(conversation, call, bearer(served.key("--assistant", "charlotte")))


def test_a_key_reads_items_with_their_generated_text(
    served: Served, key: str, talked: Talked
) -> None:
    url = f"{served.url}/api/conversations/{talked.conversation}"
    whole = httpx2.get(url, headers=bearer(key)).json()
    assert (whole["assistant"], whole["user"]) == ("echo", "ada")
    asked, answered = whole["items"]
    assert asked["item"]["content"][0]["text"] == "Hello."
    assert (asked["input_method"], answered["input_method"]) == ("text", None)
    assert answered["item"]["role"] == "assistant"


def test_a_call_is_listed_with_its_responses(served: Served, key: str, talked: Talked) -> None:
    url = f"{served.url}/api/calls/{talked.call}"
    call = httpx2.get(url, headers=bearer(key)).json()
    assert (call["user"], call["transport"], call["engine"]) == ("ada", "websocket", "scripted")
    (turn,) = httpx2.get(f"{url}/events", headers=bearer(key)).json()["data"]
    assert turn["status"] == "completed"
    assert turn["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("path", ["conversations/{0.conversation}", "calls/{0.call}",
                                  "calls/{0.call}/events"])  # fmt: skip
def test_a_key_for_another_assistant_finds_nothing(
    served: Served, talked: Talked, path: str
) -> None:
    url = f"{served.url}/api/{path.format(talked)}"
    assert httpx2.get(url, headers=talked.of_another_key).status_code == 404


def test_lists_omit_conversations_of_another_assistants_key(served: Served, talked: Talked) -> None:
    for path in ("conversations", "calls"):
        url = f"{served.url}/api/{path}?limit=100&assistant=echo"
        ids = [one["id"] for one in httpx2.get(url, headers=talked.of_another_key).json()["data"]]
        assert not {talked.conversation, talked.call} & set(ids)


def test_pages_of_calls_contain_only_the_keys_assistant(
    served: Served, key: str, talked: Talked
) -> None:
    for assistant in ("charlotte", "echo", "charlotte"):
        asyncio.run(_call(served, key, assistant))
    expected = [
        call["id"]
        for page in _pages(served, bearer(key), limit=100)
        for call in page["data"]
        if call["assistant"] == "charlotte"
    ]
    pages = _pages(served, talked.of_another_key, limit=2)
    assert [call["id"] for page in pages for call in page["data"]] == expected
    assert all(page["last_id"] == page["data"][-1]["id"] for page in pages)
    assert all(len(page["data"]) == 2 for page in pages[:-1])


def test_a_list_for_another_assistant_than_the_keys_is_empty(
    served: Served, key: str, talked: Talked
) -> None:
    asyncio.run(_call(served, key, "charlotte"))
    url = f"{served.url}/api/conversations?assistant="
    page = httpx2.get(f"{url}echo", headers=talked.of_another_key).json()
    assert page == {"data": [], "has_more": False, "last_id": None}
    page = httpx2.get(f"{url}charlotte", headers=talked.of_another_key).json()
    assert {one["assistant"] for one in page["data"]} == {"charlotte"}


def test_a_cookie_sees_its_own_conversations_only(served: Served, key: str, talked: Talked) -> None:
    with httpx2.Client(base_url=served.url) as browser:
        browser.post("/api/sign-in", json={"code": code_of(served.cli("link"))})
        wish = {"vivavoce": {"assistant": "echo"}}
        secret = browser.post("/v1/realtime/client_secrets", json=wish).json()["value"]
        own = asyncio.run(_talk(served, secret))
        url = "/api/conversations?user=ada&limit=100"
        ids = [one["id"] for one in browser.get(url).json()["data"]]
        assert own in ids
        assert talked.conversation not in ids
        foreign = f"/api/conversations/{talked.conversation}"
        assert browser.get(foreign).status_code == 404
        assert browser.get(f"{foreign}/responses").status_code == 404
        (turn,) = browser.get(f"/api/conversations/{own}/responses").json()["data"]
        assert turn["status"] == "completed"
        found = browser.get("/api/conversations?search=you%20HELLO&limit=100").json()["data"]
        assert own in [one["id"] for one in found]
        assert talked.conversation not in [one["id"] for one in found]
        assert not browser.get("/api/conversations?search=never%20said").json()["data"]
        assert browser.delete(foreign).status_code == 404
        assert browser.get(f"/api/conversations/{own}").status_code == 200
        assert browser.delete(f"/api/conversations/{own}").status_code == 204
        assert browser.get(f"/api/conversations/{own}").status_code == 404
    still = httpx2.get(f"{served.url}{foreign}", headers=bearer(key))
    assert still.status_code == 200


def test_a_client_secret_reads_no_conversations(served: Served, key: str, talked: Talked) -> None:
    secret = bearer(secret_of(served, key, "ada"))
    answer = httpx2.get(f"{served.url}/api/conversations/{talked.conversation}", headers=secret)
    assert answer.status_code == 403


def test_a_conversation_is_named_by_its_first_words_or_by_its_user(
    served: Served, key: str, talked: Talked
) -> None:
    with httpx2.Client(base_url=served.url, headers=bearer(key)) as http:
        url = f"/api/conversations/{talked.conversation}"

        def listed() -> dict[str, Any]:
            data = http.get("/api/conversations?limit=100").json()["data"]
            return next(one for one in data if one["id"] == talked.conversation)

        assert (listed()["title"], listed()["beginning"]) == (None, "Hello.")
        assert http.patch(url, json={"title": " My\n talk "}).json()["title"] == "My talk"
        assert (listed()["title"], listed()["beginning"]) == ("My talk", "Hello.")
        assert http.patch(url, json={"title": "x" * 121}).status_code == 400
        assert http.patch(url, json={"title": None}).json()["title"] is None
        foreign = httpx2.patch(
            f"{served.url}{url}", json={"title": "mine"}, headers=talked.of_another_key
        )
        assert foreign.status_code == 404


def test_pages_of_a_list_have_no_gap(served: Served, key: str, talked: Talked) -> None:
    asyncio.run(_talk(served, key))
    with httpx2.Client(base_url=served.url, headers=bearer(key)) as http:
        whole = [one["id"] for one in http.get("/api/conversations?limit=100").json()["data"]]
        joined: list[str] = []
        more, before = True, ""
        while more:
            page = http.get(f"/api/conversations?limit=1{before}").json()
            joined += [one["id"] for one in page["data"]]
            more, before = page["has_more"], f"&before={page['last_id']}"
        assert joined == whole
        assert http.get("/api/conversations?limit=0").status_code == 400


def test_deleting_a_conversation_ends_its_running_call(served: Served, key: str) -> None:
    async def story() -> None:
        async with connect(served.ws + "?model=echo", **with_key(key)) as socket:
            await welcomed(socket)
            assert socket.response is not None
            conversation = socket.response.headers["Vivavoce-Conversation-Id"]
            async with httpx2.AsyncClient(base_url=served.url, headers=bearer(key)) as http:
                answer = await http.delete(f"/api/conversations/{conversation}")
                assert answer.status_code == 204
                assert await end_of(socket) == (4000, "conversation_deleted")
                gone = await http.get(f"/api/conversations/{conversation}")
                assert json.loads(gone.content)["error"]["code"] == "conversation_not_found"

    asyncio.run(story())


def test_W2_a_deletion_by_another_process_ends_the_running_call(served: Served, key: str) -> None:
    async def story() -> None:
        async with connect(served.ws + "?model=echo", **with_key(key)) as socket:
            await welcomed(socket)
            assert socket.response is not None
            conversation = socket.response.headers["Vivavoce-Conversation-Id"]
            delete = ("conversations", "delete", conversation, "--yes")
            await asyncio.to_thread(served.cli, *delete)
            assert await end_of(socket) == (4000, "conversation_deleted")

    asyncio.run(story())


def test_a_secret_that_names_a_conversation_continues_it(
    served: Served, key: str, talked: Talked
) -> None:
    """The minter had to be allowed to see it. The secret itself needs no user."""
    wish = {"assistant": "echo", "conversation_id": talked.conversation}
    url = f"{served.url}/v1/realtime/client_secrets"
    minted = httpx2.post(url, json={"vivavoce": wish}, headers=bearer(key)).json()
    assert asyncio.run(_talk(served, minted["value"])) == talked.conversation


def test_a_cookie_cannot_mint_for_another_users_conversation(
    served: Served, talked: Talked
) -> None:
    with httpx2.Client(base_url=served.url) as browser:
        browser.post("/api/sign-in", json={"code": code_of(served.cli("link"))})
        wish = {"assistant": "echo", "conversation_id": talked.conversation}
        refused = browser.post("/v1/realtime/client_secrets", json={"vivavoce": wish})
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "conversation_not_found"
