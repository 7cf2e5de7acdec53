"""Refuse text and numbers that Python accepts, and JSON, UTF-8 or SQLite does not."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from ..support.served import Served

HALF = "a\ud800b"
SECRETS = [
    {"session": {"type": "realtime", "instructions": HALF}},
    {"session": {"type": "realtime", HALF: 1}},
    {"session": {"type": HALF}},
    {"session": {"type": "realtime", "tools": [{"type": "function", "name": HALF}]}},
    {"session": {"type": "realtime", "prompt": {"id": HALF}}},
    {"vivavoce": {"assistant": HALF}},
    {"vivavoce": {"conversation_id": HALF}},
    {"vivavoce": {"language": HALF}},
    {"vivavoce": {"variables": {"who": HALF}}},
    {"vivavoce": {"variables": {HALF: "x"}}},
    {HALF: 1},
]
PATHS = ["client_secrets", "sessions", "transcription_sessions"]


def post(served: Served, key: str, path: str, body: bytes) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return httpx2.post(f"{served.url}/v1/realtime/{path}", headers=headers, content=body)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", SECRETS, ids=str)
def test_half_a_surrogate_pair_in_a_body_is_an_invalid_request(
    served: Served, key: str, path: str, body: dict[str, Any]
) -> None:
    answer = post(served, key, path, json.dumps(body).encode())
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid_value"
    assert error["message"].endswith("half of a surrogate pair is not a character.")


@pytest.mark.parametrize("path", PATHS)
def test_a_whole_surrogate_pair_is_a_character(served: Served, key: str, path: str) -> None:
    kind = "transcription" if path == "transcription_sessions" else "realtime"
    body = rb'{"vivavoce": {"user": "\ud83e\udd9c"}}' if path == "client_secrets" else b"{}"
    assert post(served, key, path, body).status_code == 200, kind


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body", [b'{"a": ' + b"9" * 5000 + b"}", b"[" * 50_000, b"\xff", b'{"a": "\xed\xa0\x80"}']
)
def test_an_unreadable_body_is_an_invalid_request(
    served: Served, key: str, path: str, body: bytes
) -> None:
    assert post(served, key, path, body).status_code == 400


@pytest.mark.parametrize("limit", ["٣", "9" * 400, "1e3", "nan"])
def test_a_number_in_a_query_must_have_ascii_digits_and_be_small(
    served: Served, key: str, limit: str
) -> None:
    answer = httpx2.get(
        f"{served.url}/api/conversations",
        params={"limit": limit},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 400
