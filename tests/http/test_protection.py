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

from vivavoce.access.audit import REFUSALS_PER_S, RefusalLog

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
        server.stop()
    told = audited(server)
    actions = [line["action"] for line in told]
    assert actions == ["signed_in", "secret_minted", "secret_revoked", "signed_out",
                       "credential_refused", "sign_in_refused", "secret_minted"]  # fmt: skip
    person = told[0]["actor"]
    assert person.startswith("si_")
    assert [line["actor"] for line in told[1:4]] == [person] * 3
    assert told[1]["target"] == told[2]["target"] == minted
    assert (told[-1]["actor"], told[-1]["target"]) == (made["id"], by_key.json()["vivavoce"]["id"])
    assert told[0]["peer"] == "127.0.0.1"
    text = server.log.read_text()
    assert made["key"] not in text
    assert "vv_wrong" not in text


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
