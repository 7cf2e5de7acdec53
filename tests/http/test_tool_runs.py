"""Run tools, approve runs and read the ledger, over HTTP and in calls of a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect

from ..support.calls import Caller, House
from ..support.served import TAKES_ALL, Served, serve
from ..support.shop import open_shop, orders
from .test_routes import bearer, code_of


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("shop")
    open_shop(data)
    with serve(data, **TAKES_ALL) as server:
        yield server


@pytest.fixture(scope="module")
def key(shop: Served) -> str:
    return shop.key("--name", "tests")


@pytest.fixture
def book(shop: Served) -> Path:
    file = shop.data / "assistants/shop/orders.txt"
    file.unlink(missing_ok=True)
    return file


def post(shop: Served, path: str, key: str, body: object = None, **headers: str) -> httpx2.Response:
    return httpx2.post(shop.url + path, json=body or {}, headers=bearer(key) | headers)


def get(shop: Served, path: str, key: str) -> Any:  # noqa: ANN401
    answer = httpx2.get(shop.url + path, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    return answer.json()


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_tool_is_run_with_the_checks_of_a_models_call(shop: Served, key: str) -> None:
    path = "/api/tools/shop/look"
    given = post(shop, path, key, {"arguments": {"what": "bread"}, "user": "ada"}).json()
    assert given["state"] == "done"
    assert given["result"] == "bread: 3 left, for ada"
    assert given["run_id"].startswith("run_")
    wrong = post(shop, path, key, {"arguments": {"wat": 1}}).json()
    assert wrong["state"] == "failed"
    assert "arguments are wrong" in wrong["result"]


def test_what_does_not_exist_is_refused_by_name(shop: Served, key: str) -> None:
    assert code(post(shop, "/api/tools/shop/dance", key)) == (404, "tool_not_found")
    assert code(post(shop, "/api/tools/nobody/look", key)) == (404, "assistant_not_found")
    role = {"role": "king", "arguments": {"what": "x"}}
    assert code(post(shop, "/api/tools/shop/look", key, role)) == (400, "invalid_value")
    extra: dict[str, object] = {"argument": {}}
    assert code(post(shop, "/api/tools/shop/look", key, extra)) == (400, "unknown_parameter")
    other = shop.key("--assistant", "echo")
    assert code(post(shop, "/api/tools/shop/look", other))[0] == 404
    approval = post(shop, "/api/approvals/run_1", key, {"approve": True})
    assert code(approval) == (404, "approval_not_found")


def test_the_same_idempotency_key_runs_a_tool_once(shop: Served, key: str, book: Path) -> None:
    asked = {"arguments": {"seats": 3}}
    header = {"Idempotency-Key": "order 7"}
    first = post(shop, "/api/tools/shop/book", key, asked, **header).json()
    again = post(shop, "/api/tools/shop/book", key, asked, **header).json()
    assert first == again
    assert first["result"] == "booked 3"
    assert orders(book) == ["booked 3"]


def test_one_idempotency_key_of_two_users_means_two_runs(
    shop: Served, key: str, book: Path
) -> None:
    header = {"Idempotency-Key": "order 8"}
    runs = [
        post(shop, "/api/tools/shop/book", key, {"user": user}, **header).json()["run_id"]
        for user in ("ada", "bob")
    ]
    assert runs[0] != runs[1]
    assert orders(book) == ["booked 1", "booked 1"]


def test_requests_at_the_same_time_with_one_key_wait_for_one_approval(
    shop: Served, key: str
) -> None:
    async def ask() -> set[str]:
        headers = bearer(key) | {"Idempotency-Key": "refund 8"}
        asked = {"arguments": {"euros": 8}}
        async with httpx2.AsyncClient(base_url=shop.url, headers=headers) as client:
            posts = (client.post("/api/tools/shop/refund", json=asked) for _ in range(10))
            return {each.json()["run_id"] for each in await asyncio.gather(*posts)}

    (run,) = asyncio.run(ask())
    assert [each["id"] for each in get(shop, "/api/approvals", key)["data"]] == [run]
    rejected = post(shop, f"/api/approvals/{run}", key, {"approve": False}).json()
    assert rejected["state"] == "failed"


def test_a_browser_cannot_run_a_tool(shop: Served, key: str) -> None:
    secret = httpx2.post(
        f"{shop.url}/v1/realtime/client_secrets",
        json={"vivavoce": {"assistant": "shop"}},
        headers=bearer(key),
    ).json()["value"]
    answer = post(shop, "/api/tools/shop/look", secret, {"arguments": {"what": "bread"}})
    assert code(answer) == (403, "forbidden")


def test_staff_approve_a_run_and_only_the_arguments_that_they_saw(
    shop: Served, key: str, book: Path
) -> None:
    given = post(shop, "/api/tools/shop/refund", key, {"arguments": {"euros": 5}}).json()
    assert given["state"] == "requested"
    (waiting,) = get(shop, "/api/approvals", key)["data"]
    assert (waiting["id"], waiting["approve"], waiting["state"]) == (
        given["run_id"], "staff", "requested",
    )  # fmt: skip
    path = f"/api/approvals/{given['run_id']}"
    other = post(shop, path, key, {"approve": True, "arguments_sha256": "00"})
    assert code(other) == (409, "arguments_changed")
    assert orders(book) == []
    digest = waiting["arguments_sha256"]
    decided = post(shop, path, key, {"approve": True, "arguments_sha256": digest}).json()
    assert decided["approved_by"].startswith("key_")
    assert code(post(shop, path, key, {"approve": True})) == (409, "approval_not_waiting")
    for _ in range(100):
        if (done := get(shop, path, key))["state"] == "done":
            break
        asyncio.run(asyncio.sleep(0.02))
    assert done["result"] == "refunded 5"
    assert orders(book) == ["refunded 5"]
    assert get(shop, "/api/approvals", key)["data"] == []


def test_a_rejected_run_is_not_done(shop: Served, key: str, book: Path) -> None:
    run = post(shop, "/api/tools/shop/refund", key, {"arguments": {"euros": 6}}).json()["run_id"]
    decided = post(shop, f"/api/approvals/{run}", key, {"approve": False}).json()
    assert (decided["state"], decided["approved_by"]) == ("failed", None)
    assert orders(book) == []


def test_a_signed_in_person_cannot_become_staff(shop: Served, key: str, book: Path) -> None:
    with httpx2.Client(base_url=shop.url, headers={"Origin": shop.url}) as page:
        assert page.post("/api/sign-in", json={"code": code_of(shop.cli("link"))}).is_success
        body = {"vivavoce": {"assistant": "shop", "role": "staff"}}
        secret = page.post("/v1/realtime/client_secrets", json=body).json()["value"]
    run = post(shop, "/api/tools/shop/refund", key, {"arguments": {"euros": 7}}).json()["run_id"]
    assert get(shop, "/api/approvals", secret)["data"] == []
    refused = post(shop, f"/api/approvals/{run}", secret, {"approve": True})
    assert code(refused) == (404, "approval_not_found")
    staff = mint(shop, key, role="staff")
    assert post(shop, f"/api/approvals/{run}", staff, {"approve": False}).is_success


def mint(shop: Served, key: str, **bound: str) -> str:
    body = {"vivavoce": {"assistant": "shop"} | bound}
    headers = bearer(key)
    answer = httpx2.post(f"{shop.url}/v1/realtime/client_secrets", json=body, headers=headers)
    value: str = answer.json()["value"]
    return value


def test_the_caller_presses_yes_and_the_assistant_goes_on(
    shop: Served, key: str, book: Path
) -> None:
    """The client secret of the call decides. One of another call, or a role, does not."""
    mine, other = mint(shop, key), mint(shop, key, role="staff")

    async def story() -> None:
        async with House(shop, mine, "shop").welcome("&greeting=false") as caller:
            assert await text_of(caller, "order bread") == "Shall I order it?"
            (run,) = get(shop, "/api/approvals", mine)["data"]
            assert run["tool"] == "order"
            assert get(shop, "/api/approvals", other)["data"] == []
            path = f"/api/approvals/{run['id']}"
            assert code(post(shop, path, other, {"approve": True}))[0] == 404
            assert post(shop, path, mine, {"approve": True}).status_code == 200
            done = (await caller.hear("response.done"))["response"]
            assert words(done) == "Done: ordered bread"
        assert orders(book) == ["ordered bread"]

    asyncio.run(story())


def test_a_request_goes_with_its_conversation(shop: Served, key: str, book: Path) -> None:
    async def story() -> str:
        async with House(shop, key, "shop").welcome("&greeting=false") as caller:
            assert await text_of(caller, "order bread") == "Shall I order it?"
            headers = caller.socket.response
            assert headers is not None
            return headers.headers["Vivavoce-Call-Id"]

    call_id = asyncio.run(story())
    waiting = get(shop, "/api/approvals", key)["data"]
    assert [run["call_id"] for run in waiting] == [call_id]
    (latest, *_) = get(shop, "/api/conversations?assistant=shop", key)["data"]
    shop.cli("conversations", "delete", latest["id"], "--yes")
    assert get(shop, "/api/approvals", key)["data"] == []


def words(response: dict[str, Any]) -> str:
    (item,) = response["output"]
    text: str = item["content"][0].get("text") or item["content"][0].get("transcript")
    return text


async def text_of(caller: Caller, text: str) -> str:
    """Say something. Return the words of the answer after the tool."""
    await caller.say("session.update", session={"type": "realtime", "output_modalities": ["text"]})
    await caller.add(text)
    await caller.say("response.create")
    while True:
        done = (await caller.hear("response.done"))["response"]
        if done["output"][0]["type"] == "message":
            return words(done)


def test_the_caller_says_yes(shop: Served, key: str, book: Path) -> None:
    async def story() -> str:
        async with House(shop, key, "shop").welcome() as caller:
            assert await text_of(caller, "order bread") == "Shall I order it?"
            assert orders(book) == []
            assert await text_of(caller, "yes") == "Done: ordered bread"
            headers = caller.socket.response
            assert headers is not None
            return headers.headers["Vivavoce-Call-Id"]

    call_id = asyncio.run(story())
    assert orders(book) == ["ordered bread"]
    (run,) = get(shop, f"/api/calls/{call_id}/tools", key)["data"]
    assert (run["state"], run["approved_by"]) == ("done", "user, spoken")
    assert run["item_id"].startswith("item_")


def test_a_member_of_staff_approves_while_the_call_goes_on(
    shop: Served, key: str, book: Path
) -> None:
    staff, guest = mint(shop, key, role="staff"), mint(shop, key)

    async def story() -> None:
        async with House(shop, guest, "shop").welcome("&greeting=false") as caller:
            assert await text_of(caller, "money back") == "I have asked."
            assert await text_of(caller, "hello") == "You said: hello"
            (run,) = get(shop, "/api/approvals", staff)["data"]
            path = f"/api/approvals/{run['id']}"
            assert code(post(shop, path, guest, {"approve": True}))[0] == 404
            assert post(shop, path, staff, {"approve": True}).status_code == 200
            done = (await caller.hear("response.done"))["response"]
            assert words(done) == "Done: refunded 5"
        assert orders(book) == ["refunded 5"]

    asyncio.run(story())


def test_a_cookie_sees_only_the_runs_of_its_own_user(shop: Served, key: str) -> None:
    link = shop.cli("link")
    origin = {"Origin": shop.url}
    with httpx2.Client(base_url=shop.url, headers=origin) as page:
        page.post("/api/sign-in", json={"code": code_of(link)}).raise_for_status()
        run = post(
            shop, "/api/tools/shop/order", key, {"arguments": {"what": "tea"}, "user": "bob"}
        ).json()["run_id"]
        assert page.get("/api/approvals").json()["data"] == []
        assert page.post(f"/api/approvals/{run}", json={"approve": True}).status_code == 404


def test_only_a_client_that_asks_for_our_own_events_gets_them(
    shop: Served, key: str, book: Path
) -> None:
    async def kinds(query: str) -> list[dict[str, Any]]:
        """Return the events whose type no other server knows."""
        async with connect(
            f"{shop.ws}?model=shop{query}", additional_headers=bearer(key)
        ) as socket:
            caller = OwnEventCaller(socket)
            assert await text_of(caller, "order bread") == "Shall I order it?"
        return caller.own

    assert asyncio.run(kinds("")) == []
    named, started, requested, done = asyncio.run(kinds("&events=vivavoce"))
    assert named["type"] == "vivavoce.call"
    assert (started["type"], started["name"]) == ("vivavoce.tool.started", "order")
    assert requested["type"] == "vivavoce.approval.requested"
    assert json.loads(requested["arguments"]) == {"what": "bread"}
    assert done == {
        "type": "vivavoce.tool.done",
        "event_id": done["event_id"],
        "call_id": started["call_id"],
        "name": "order",
        "run_id": requested["run_id"],
        "state": "requested",
    }


class OwnEventCaller(Caller):
    """Keeps our own events apart: the official types do not know them."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self.own: list[dict[str, Any]] = []

    async def hear(self, *kinds: str) -> dict[str, Any]:
        while True:
            event: dict[str, Any] = json.loads(await self.socket.recv())
            if event["type"].startswith("vivavoce."):
                self.own.append(event)
            elif not kinds or event["type"] in kinds:
                return event
