"""Upgrade requests in every spelling that the standards allow, and how HTTP reads the same ones."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.access.hosts import Hosts
from vivavoce.access.request_headers import merged, tokens
from vivavoce.errors import InvalidRequest
from vivavoce.runtime.refusals import CallRefused
from vivavoce.transports import handshake

from ..support.served import Served

UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]  # fmt: skip


def answer(
    served: Served, *lines: str, start: str = "GET /v1/realtime?model=echo HTTP/1.1",
    host: str | None = "localhost",
) -> tuple[int, dict[str, str], bytes]:  # fmt: skip
    """Send a request as it is written. Return status, headers and what came of the body."""
    where = urlsplit(served.url)
    head = [start, *([f"Host: {host}"] if host is not None else []), *lines, "", ""]
    with socket.create_connection((where.hostname, where.port), 20) as wire:
        wire.sendall("\r\n".join(head).encode("latin-1"))
        told = b""
        while b"\r\n\r\n" not in told and (more := wire.recv(65536)):
            told += more
        status, _, rest = told.partition(b"\r\n")
        headers, _, body = rest.partition(b"\r\n\r\n")
        pairs = [line.decode("latin-1").partition(": ") for line in headers.split(b"\r\n")]
        fields = {name.lower(): value for name, _, value in pairs}
        missing = int(fields.get("content-length", 0)) - len(body)
        while missing > 0 and (more := wire.recv(65536)):
            body, missing = body + more, missing - len(more)
        return int(status.split()[1]), fields, body


def without(name: str, *instead: str) -> list[str]:
    return [line for line in UPGRADE if not line.lower().startswith(name.lower() + ":")] + [
        *instead
    ]


@pytest.mark.parametrize(
    "lines",
    [
        without("Connection", "Connection: keep-alive, Upgrade"),
        without("Connection", "Connection: UPGRADE,keep-alive"),
        without("Connection", "Connection: keep-alive", "Connection: Upgrade"),
        without("Connection", "Connection: Upgrade", "Connection: keep-alive"),
        without("Connection", "Connection:upgrade ,"),
        without("Upgrade", "Upgrade: WebSocket"),
        [*UPGRADE, "Sec-WebSocket-Extensions: a", "Sec-WebSocket-Extensions: b"],
        [*UPGRADE, "Cookie: a=1", "Cookie: b=2"],
    ],
)
def test_X13_a_list_of_tokens_is_read_as_a_list(served: Served, key: str, lines: list[str]) -> None:
    status, headers, _ = answer(served, *lines, f"Authorization: Bearer {key}")
    assert status == 101
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_X13_a_browsers_subprotocols_may_come_in_several_lines(served: Served, key: str) -> None:
    for offered in (["realtime", f"openai-insecure-api-key.{key}"],
                    [f"openai-insecure-api-key.{key}", "x, realtime"]):  # fmt: skip
        lines = [f"Sec-WebSocket-Protocol: {line}" for line in offered]
        status, headers, _ = answer(served, *UPGRADE, *lines)
        assert (status, headers["sec-websocket-protocol"]) == (101, "realtime")


TWICE = [("Origin", "{url}", "https://evil.example"), ("Origin", "https://evil.example", "{url}"),
         ("Origin", "{url}", "{url}"), ("Authorization", "Bearer {key}", "Bearer vv_x"),
         ("api-key", "{key}", "vv_x"), ("Host", "localhost", "evil.example")]  # fmt: skip


@pytest.mark.parametrize(("name", "first", "second"), TWICE)
@pytest.mark.parametrize("stack", ["WebSocket", "HTTP"])
def test_X13_two_lines_of_a_header_that_has_one_value_are_refused_by_both_stacks(
    served: Served, key: str, stack: str, name: str, first: str, second: str
) -> None:
    lines = [f"{name}: {v.format(url=served.url, key=key)}" for v in (first, second)]
    lines += UPGRADE if stack == "WebSocket" else []
    path = "/v1/realtime?model=echo" if stack == "WebSocket" else "/v1/models"
    host = None if name == "Host" else "localhost"
    status, _, body = answer(served, *lines, start=f"GET {path} HTTP/1.1", host=host)
    assert status == 400
    if body.startswith(b"{"):
        assert json.loads(body)["error"]["code"] in ("invalid_header", "invalid_request")


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        (without("Sec-WebSocket-Key"), "GET"),
        (without("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="), "GET"),
        (without("Sec-WebSocket-Key", "Sec-WebSocket-Key: é"), "GET"),
        (without("Sec-WebSocket-Version"), "GET"),
        (without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12"), "GET"),
        ([*UPGRADE, "Content-Length: 5"], "GET"),
        (UPGRADE, "POST"),
        ([*UPGRADE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], "GET"),
    ],
)
def test_X13_an_invalid_handshake_is_refused_in_the_protocols_shape(
    served: Served, key: str, lines: list[str], start: str
) -> None:
    status, headers, body = answer(
        served, *lines, f"Authorization: Bearer {key}", start=f"{start} /v1/realtime HTTP/1.1"
    )
    assert status == 400
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


@given(st.binary())
def test_X13_no_bytes_make_reading_a_handshake_fail(tail: bytes) -> None:
    data = b"GET /v1/realtime HTTP/1.1\r\n" + tail + b"\r\n\r\n"
    try:
        found = handshake.read(data)
    except CallRefused:
        return
    assert b"\r\n\r\n" not in found.as_picows_reads_it()[:-4]


def test_X13_names_are_compared_without_case() -> None:
    assert merged([("ACCEPT", "a"), ("accept", "b")]) == {"accept": "a, b"}
    assert tokens(" a ,B,, c") == {"a", "b", "c"}
    with pytest.raises(InvalidRequest):
        merged([("Origin", "a"), ("ORIGIN", "a")])


# Names


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "192.168.1.5", "voice",
     "sub.localhost", "voice.example.com", "voice.example.com.:443", "shop.example", None],
)  # fmt: skip
def test_X16_a_server_answers_to_addresses_and_to_its_own_names(host: str | None) -> None:
    assert Hosts(["voice.example.com"], ["https://shop.example:8443", ""]).answers_to(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "voice.example.com.evil",
     "", ":80", "a@evil.example", "evil.example/x", "evil.example:x", "[::1", "x.y#", "x.y?",
     "0x7f.1", "[::1].evil.example"],
)  # fmt: skip
def test_X16_a_server_does_not_answer_to_other_names(host: str) -> None:
    assert not Hosts(["voice.example.com"]).answers_to(host)


def test_X16_an_operator_may_allow_every_name() -> None:
    assert Hosts(["*"]).answers_to("evil.example")


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models", "/api/assistants"])
def test_X16_a_foreign_name_for_this_address_is_refused(served: Served, path: str) -> None:
    for lines in ([], UPGRADE):
        status, _, body = answer(served, *lines, start=f"GET {path} HTTP/1.1", host="evil.example")
        assert status == 421
        assert json.loads(body)["error"]["code"] == "host_not_allowed"
