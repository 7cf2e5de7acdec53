"""A server has a listening address, for this machine, and a public one, for links."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ..support.served import Served, serve

PUBLIC = "https://voice.example.com/assistant"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve behind a proxy that speaks TLS."""
    data = tmp_path_factory.mktemp("proxied") / "data"
    with serve(data, VIVAVOCE_SERVER__PUBLIC_URL=f"{PUBLIC}/") as server:
        yield server


def test_O1_links_have_the_public_address(proxied: Served) -> None:
    assert proxied.link.startswith(f"{PUBLIC}/#code=")
    assert proxied.cli("link").startswith(f"{PUBLIC}/#code=")


def test_O1_commands_use_the_listening_address(proxied: Served) -> None:
    assert proxied.url.startswith("http://localhost:")
    assert "hi" in proxied.cli("talk", "--text", "hi", "--assistant", "echo")
    checks = {
        each["check"]: each for each in json.loads(proxied.cli("doctor", "--json", check=False))
    }
    assert checks["server"]["message"] == f"running at {proxied.url}"


@pytest.mark.parametrize(
    ("host", "origin", "cookie", "secure"),
    [
        (None, None, "vivavoce", False),
        ("voice.example.com", "https://voice.example.com", "__Host-vivavoce", True),
        (None, "https://voice.example.com", "__Host-vivavoce", True),
    ],
    ids=["the listening address", "the public address", "a proxy that keeps Host to itself"],
)
def test_O1_page_is_welcome_at_each_address(
    proxied: Served, host: str | None, origin: str | None, cookie: str, secure: bool
) -> None:
    code = proxied.cli("link").partition("#code=")[2]
    headers = {"Host": host} if host else {}
    posted = httpx2.post(
        f"{proxied.url}/api/sign-in",
        json={"code": code},
        headers=headers | {"Origin": origin or proxied.url},
    )
    assert posted.status_code == 204, posted.text
    set_cookie = posted.headers["set-cookie"]
    assert set_cookie.startswith(f"{cookie}=")
    assert ("Secure" in set_cookie) == secure
    signed_in = headers | {"Cookie": set_cookie.partition(";")[0]}
    assert httpx2.get(f"{proxied.url}/api/assistants", headers=signed_in).status_code == 200
    left = httpx2.post(
        f"{proxied.url}/api/sign-out", headers=signed_in | {"Origin": origin or proxied.url}
    )
    assert left.status_code == 204
    assert any(line.startswith(f'{cookie}=""') for line in left.headers.get_list("set-cookie")), (
        left.headers
    )


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (None, "https://other.example"),
        (None, "http://voice.example.com"),
        ("voice.example.com", "http://voice.example.com"),
        ("voice.example.com", "http://localhost:8080"),
    ],
)
def test_O1_page_of_another_address_is_refused(
    proxied: Served, host: str | None, origin: str
) -> None:
    headers = {"Origin": origin} | ({"Host": host} if host else {})
    posted = httpx2.post(f"{proxied.url}/api/sign-in", json={"code": "x"}, headers=headers)
    assert posted.status_code == 403


def test_O1_websocket_of_a_page_at_each_address_is_accepted(proxied: Served) -> None:
    headers = {"api-key": proxied.key()}
    for origin in (proxied.url, "https://voice.example.com"):
        with connect(
            f"{proxied.ws}?model=echo", additional_headers=headers | {"Origin": origin}
        ) as call:
            assert json.loads(call.recv())["type"] == "session.created"
    for origin in ("https://voice.example.com/assistant", "http://voice.example.com"):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{proxied.ws}?model=echo", additional_headers=headers | {"Origin": origin})
        assert refused.value.response.status_code == 403


def test_O1_commands_accept_the_certificate_of_the_public_name(tmp_path: Path) -> None:
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=voice", "-addext", "subjectAltName=DNS:voice.example.com",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    with serve(
        tmp_path / "data", "--tls-cert", cert, "--tls-key", key,
        VIVAVOCE_SERVER__PUBLIC_URL="https://voice.example.com", SSL_CERT_FILE=cert,
    ) as server:  # fmt: skip
        assert server.url.startswith("https://localhost:")
        assert "hi" in server.cli("talk", "--text", "hi", "--assistant", "echo")


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="IPv6 is not available")
def test_O5_server_on_all_addresses_of_ipv6_answers_to_ipv4_too(tmp_path: Path) -> None:
    with serve(tmp_path / "data", "--host", "::") as server:
        port = httpx2.URL(server.url).port
        assert server.url == f"http://localhost:{port}"
        for host in ("127.0.0.1", "[::1]", "localhost"):
            assert httpx2.get(f"http://{host}:{port}/healthz").status_code == 200
        assert "hi" in server.cli("talk", "--text", "hi", "--assistant", "echo")


@pytest.mark.skipif(not _has_ipv6(), reason="IPv6 is not available")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_O5_link_has_the_address_that_answers(tmp_path: Path, host: str) -> None:
    with serve(tmp_path / "data", "--host", host) as server:
        assert server.link.startswith("http://[::1]:")
        assert httpx2.get(f"{server.url}/healthz").status_code == 200
