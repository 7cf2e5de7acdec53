"""Rate calls and report connections on a real server."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from ..support.served import Served
from ..transports.test_websocket import with_key
from .test_conversations import secret_of
from .test_routes import bearer, code_of


async def called(served: Served, credential: str) -> str:
    """Start and end a call. Return its id, as a client learns it."""
    url = f"{served.ws}?assistant=echo&events=vivavoce"
    async with connect(url, **with_key(credential)) as socket:
        created, named = [json.loads(await socket.recv()) for _ in range(2)]
        kinds = (created["type"], named["type"])
        assert kinds == ("session.created", "vivavoce.call")
        assert named["conversation_id"].startswith("conv_")
        name: str = named["call_id"]
        return name


def rate(served: Served, call: str, credential: str, **body: Any) -> httpx2.Response:  # noqa: ANN401
    url = f"{served.url}/api/calls/{call}/feedback"
    return httpx2.post(url, json={"score": "up"} | body, headers=bearer(credential))


def metric(served: Served, key: str, name: str) -> float:
    text = httpx2.get(f"{served.url}/metrics", headers=bearer(key)).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    return float(found[1]) if found else 0.0


def test_a_user_rates_a_call_and_a_later_feedback_replaces_it(served: Served, key: str) -> None:
    secret = secret_of(served, key, "ada")
    call = asyncio.run(called(served, secret))
    downs = metric(served, key, 'vivavoce_feedback_total{score="down"}')
    assert rate(served, call, secret, text="Kind and\n quick.").json()["text"] == "Kind and quick."
    assert rate(served, call, secret, score="down").status_code == 200
    one = httpx2.get(f"{served.url}/api/calls/{call}", headers=bearer(key)).json()
    assert (one["feedback"]["score"], one["feedback"]["text"]) == ("down", None)
    for score, listed in (("down", True), ("up", False)):
        url = f"{served.url}/api/calls?limit=100&feedback={score}"
        data = httpx2.get(url, headers=bearer(key)).json()["data"]
        assert (call in [row["id"] for row in data]) == listed
    assert metric(served, key, 'vivavoce_feedback_total{score="down"}') == downs + 1
    assert "quick" not in served.log.read_text()


def test_another_user_does_not_find_the_call(served: Served, key: str) -> None:
    call = asyncio.run(called(served, secret_of(served, key, "ada")))
    for credential in (secret_of(served, key, "bob"), served.key("--assistant", "charlotte")):
        answer = rate(served, call, credential)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "call_id_not_found")
    with httpx2.Client(base_url=served.url) as browser:
        browser.post("/api/sign-in", json={"code": code_of(served.cli("link"))})
        assert browser.post(f"/api/calls/{call}/feedback", json={"score": "up"}).status_code == 404


@pytest.mark.parametrize("body", [{"score": "best"}, {"text": "x" * 501}, {"user": "ada"}])
def test_feedback_is_bounded(served: Served, key: str, body: dict[str, str]) -> None:
    assert rate(served, "rtc_1", key, **body).status_code == 400


def test_a_call_counts_with_its_duration(served: Served, key: str) -> None:
    before = metric(served, key, "vivavoce_call_duration_seconds_count")
    asyncio.run(called(served, key))
    assert metric(served, key, "vivavoce_call_duration_seconds_count") > before


def test_a_client_without_a_credential_reports_its_connections(served: Served, key: str) -> None:
    def counted(outcome: str, code: str) -> float:
        labels = f'code="{code}",outcome="{outcome}",transport="websocket"'
        return metric(served, key, f"vivavoce_client_connections_total{{{labels}}}")

    for outcome, code, label in (
        ("connected", None, "none"),
        ("failed", "network", "network"),
        ("failed", "made up", "other"),
    ):
        before = counted(outcome, label)
        report = {"outcome": outcome, "transport": "websocket", "code": code, "ms": 120}
        assert httpx2.post(f"{served.url}/api/connections", json=report).status_code == 204
        assert counted(outcome, label) == before + 1
    wrong = {"outcome": "failed", "transport": "pigeon", "ms": 1}
    assert httpx2.post(f"{served.url}/api/connections", json=wrong).status_code == 400
