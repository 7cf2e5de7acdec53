"""Protect the page, its cookie and its answers, and write the audit log."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from websockets.sync.client import connect

from vivavoce.access.audit import REFUSALS_PER_S, RefusalLog
from vivavoce.cli.operator import operator

from ..support.served import TAKES_ALL, Served, serve

REQUIRED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
UPGRADE = ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")  # fmt: skip

RAW = {
    "400": "GET / HTTP/9.9\r\n\r\n",
    "431": "GET / HTTP/1.1\r\nHost: x\r\nA: " + "a" * 70_000,
    "a page of another origin": f"GET /v1/realtime HTTP/1.1\r\nHost: x\r\n{UPGRADE}"
                                "Origin: https://evil.example\r\n\r\n",
    "no such address": f"GET /nothing HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n",
    "no handshake": "GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                    "Upgrade: websocket\r\n\r\n",
    "a handshake": f"GET /v1/realtime HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n",
    "another host": "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "405": "PUT /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
}  # fmt: skip


def raw(served: Served, request: str) -> tuple[int, dict[str, str]]:
    where = urlsplit(served.url)
    with socket.create_connection((where.hostname, where.port), 20) as wire:
        wire.sendall(request.encode())
        told = b""
        while b"\r\n\r\n" not in told and (more := wire.recv(65536)):
            told += more
    first, *lines = told.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, _, v in (x.partition(": ") for x in lines)}


@pytest.mark.parametrize("name", RAW)
def test_X16_every_answer_has_the_protecting_headers_and_is_not_kept(
    served: Served, name: str
) -> None:
    status, headers = raw(served, RAW[name])
    assert not name.isdigit() or status == int(name)
    assert REQUIRED.items() <= headers.items()
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/api/conversations", "/openapi.json"])
def test_X16_no_answer_of_the_api_is_kept_by_a_cache(served: Served, key: str, path: str) -> None:
    got = httpx2.get(served.url + path, headers={"api-key": key})
    assert got.status_code == 200
    assert got.headers["cache-control"] == "no-store"
    assert len(got.headers.get_list("cache-control")) == 1
    assert "strict-transport-security" not in got.headers


@contextmanager
def signed_in(served: Served) -> Iterator[httpx2.Client]:
    code = served.cli("link").partition("#code=")[2]
    with httpx2.Client(base_url=served.url) as browser:
        assert browser.post("/api/sign-in", json={"code": code}).status_code == 204
        yield browser


def test_X16_another_page_cannot_sign_in_or_out(served: Served) -> None:
    with signed_in(served) as browser:
        foreign = {"Origin": "https://evil.example"}
        assert browser.post("/api/sign-out", headers=foreign).status_code == 403
        assert browser.get("/api/assistants").status_code == 200
        code = served.cli("link").partition("#code=")[2]
        refused = browser.post("/api/sign-in", json={"code": code}, headers=foreign)
        assert refused.status_code == 403
        ours = {"Origin": served.url}
        assert browser.post("/api/sign-in", json={"code": code}, headers=ours).status_code == 204
        assert browser.post("/api/sign-out", headers=ours).status_code == 204
        assert browser.get("/api/assistants").status_code == 401


def test_X16_over_tls_the_cookie_is_bound_to_its_host_and_plain_http_is_forgotten(
    tmp_path: Path,
) -> None:
    with serve(tmp_path, VIVAVOCE_SERVER__PUBLIC_URL="https://voice.example.com") as server:
        port = _port(server)
        code = server.link.partition("#code=")[2]
        headers = {"Host": "voice.example.com", "Origin": "https://voice.example.com"}
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as browser:
            got = browser.post("/api/sign-in", json={"code": code})
            cookie = got.headers["set-cookie"]
            assert cookie.startswith("__Host-vivavoce=vs_")
            for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=strict"):
                assert attribute in cookie
            assert "Domain" not in cookie
            assert got.headers["strict-transport-security"].startswith("max-age=")
            value = cookie.partition(";")[0]
            assert browser.get("/api/assistants", headers={"Cookie": value}).status_code == 200
            plain = {"Cookie": value.replace("__Host-", "")}
            assert browser.get("/api/assistants", headers=plain).status_code == 401


def _port(server: Served) -> int:
    """Return the port of a server that tells only its public address."""
    (found,) = [c for c in psutil.Process(server.process.pid).net_connections("tcp")
                if c.status == psutil.CONN_LISTEN]  # fmt: skip
    return int(found.laddr.port)


# The audit log


def audited(served: Served) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in served.log.read_text().splitlines() if line[:1] == "{"]
    return [line for line in lines if line.get("logger") == "vivavoce.audit"]


def test_X16_the_audit_log_says_who_did_what(tmp_path: Path) -> None:
    with serve(tmp_path, **TAKES_ALL) as server:
        made = json.loads(server.cli("keys", "create", "--json"))
        headers = {"api-key": made["key"]}
        with signed_in(server) as browser:
            minted = browser.post("/v1/realtime/client_secrets", json={}).json()["vivavoce"]["id"]
            deleted = browser.delete(f"/v1/realtime/client_secrets/{minted}")
            assert deleted.status_code == 204
            browser.post("/api/sign-out")
        httpx2.get(f"{server.url}/v1/models", headers={"api-key": "vv_wrong"})
        httpx2.post(f"{server.url}/api/sign-in", json={"code": "wrong"})
        by_key = httpx2.post(f"{server.url}/v1/realtime/client_secrets", json={}, headers=headers)
        rows = httpx2.get(f"{server.url}/api/audit?limit=100", headers=headers).json()["data"]
        server.stop()
    told = audited(server)
    acts = ["sign_in_link_made", "signed_in", "secret_minted", "secret_revoked", "signed_out",
            "credential_refused", "sign_in_refused", "secret_minted"]  # fmt: skip
    assert [line["action"] for line in told] == acts
    person = told[1]["actor"]
    assert person.startswith("si_")
    assert [line["actor"] for line in told[2:5]] == [person] * 3
    assert told[2]["target"] == told[3]["target"] == minted
    assert (told[-1]["actor"], told[-1]["target"]) == (made["id"], by_key.json()["vivavoce"]["id"])
    assert told[1]["peer"] == "127.0.0.1"
    text = server.log.read_text()
    assert made["key"] not in text
    assert "vv_wrong" not in text
    # The table has the acts of the command line too, and no refusal.
    in_log = [(line["action"], line["actor"], line.get("target")) for line in told]
    created = ("key_created", operator(), made["id"])
    stored = [(row["action"], row["actor"], row["target"]) for row in reversed(rows)]
    assert stored == [in_log[0], created, in_log[0], *in_log[1:5], in_log[-1]]
    assert {row["action"]: row["detail"] for row in rows}["signed_in"] == {"peer": "127.0.0.1"}
    assert "vv_" not in json.dumps(rows)


def test_X16_acts_are_paged_and_filtered_for_keys_of_all_assistants(
    served: Served, key: str
) -> None:
    headers = {"api-key": key}
    url = f"{served.url}/api/audit"
    mine = {"api-key": served.key("--name", "reader")}
    minted = [
        httpx2.post(f"{served.url}/v1/realtime/client_secrets", json={}, headers=mine).json()
        for _ in range(3)
    ]
    ids = [each["vivavoce"]["id"] for each in reversed(minted)]
    (first, *_) = httpx2.get(url, headers=headers, params={"limit": 1}).json()["data"]
    asked: dict[str, str | int] = {"actor": first["actor"], "action": "secret_minted", "limit": 2}
    page = httpx2.get(url, headers=headers, params=asked).json()
    assert [row["target"] for row in page["data"]] == ids[:2]
    assert page["has_more"]
    page = httpx2.get(url, headers=headers, params=asked | {"before": page["last_id"]}).json()
    assert [row["target"] for row in page["data"]] == ids[2:]
    assert not page["has_more"]
    assert httpx2.get(url, headers=headers, params={"since": first["at"], "limit": 100}).json()[
        "data"
    ] == [first]
    assert httpx2.get(url, headers=headers, params={"since": "yesterday"}).status_code == 400
    bound = {"api-key": served.key("--assistant", "charlotte")}
    assert httpx2.get(url, headers=bound).json()["error"]["code"] == "forbidden"
    assert httpx2.get(url).status_code == 401


def test_X16_a_call_that_is_hung_up_is_an_act(served: Served, key: str) -> None:
    with connect(f"{served.ws}?model=echo", additional_headers={"api-key": key}) as call:
        call_id = call.response.headers["Vivavoce-Call-Id"]  # type: ignore[union-attr]
        url = f"{served.url}/v1/realtime/calls/{call_id}/hangup"
        assert httpx2.post(url, headers={"api-key": key}).status_code == 200
    asked: dict[str, str | int] = {"action": "call_hung_up", "limit": 1}
    found = httpx2.get(f"{served.url}/api/audit", headers={"api-key": key}, params=asked).json()
    (act,) = found["data"]
    assert act["target"] == call_id
    assert act["actor"].startswith("key_")


def test_X16_a_flood_of_wrong_keys_is_counted_and_not_written_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals = RefusalLog()
    with caplog.at_level("INFO", "vivavoce.audit"):
        for _ in range(1000):
            refusals.record("credential_refused", "invalid_api_key", 5.0)
        refusals.record("credential_refused", "invalid_api_key", 6.0)
    assert len(caplog.records) == REFUSALS_PER_S + 1
    assert vars(caplog.records[-1])["omitted_before"] == 1000 - REFUSALS_PER_S
