"""Note which rows of the protocol tests touch, for `docs/reference/coverage.md`.

A row counts as touched when a frame that carries it was understood or said: by a session under test
(`Scenario`), by the codec, by a real client on a real socket, over HTTP. What is generated at
random, what takes long and what only passes through a gateway is not noted.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, cast, get_args

import httpx2
import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vivavoce.errors import InvalidRequest
from vivavoce.protocol import client, codec, translation
from vivavoce.protocol.base import ClientMessage, ServerMessage
from vivavoce.protocol.config import SessionConfig, TranscriptionConfig

from . import catalogue
from .catalogue import Json, Row, Side

if TYPE_CHECKING:
    import pytest

ENOUGH = 300  # frames of one type that are looked at in one test

_TOUCHED = "touched"  # a property of a report
_UNNOTED = ("benchmarks/", "soak/", "browser/", "upstream/", "engines/")
_GATEWAY = ("relay", "gateway")
_TRANSLATED = {
    *get_args(translation.TranslationClientEvent),
    *get_args(translation.TranslationServerEvent),
}


class Notes:
    def __init__(self) -> None:
        self.test: str | None = None  # that runs now and is noted
        self.by_test: dict[str, set[Row]] = defaultdict(set)
        self._touched: set[Row] = set()  # since the last report
        self.partly: set[str] = set()  # functions some of whose cases did not run, or not pass
        self._passed: set[str] = set()
        self.strange: set[Row] = set()  # unknown codes
        self._seen: Counter[str] = Counter()

    # Which test

    def begin(self, item: pytest.Item) -> None:
        self.test = name_of(item) if _is_noted(item) else None
        self._seen.clear()
        self._touched.clear()

    def end(self) -> None:
        self.test = None

    def add_to(self, report: pytest.TestReport) -> None:
        """Let the report say what was touched. It may be read in another process."""
        touched, self._touched = self._touched, set()
        if touched:
            report.user_properties.append((_TOUCHED, sorted(map(astuple, touched))))

    def leave_out(self, arguments: Iterable[str]) -> None:
        """Note the functions of which the command line names single cases."""
        self.partly |= {
            case.rpartition("tests/")[2]
            for case, bracket, _ in (argument.partition("[") for argument in arguments)
            if bracket
        }

    def report(self, report: pytest.TestReport) -> None:
        name = _without_case(report.nodeid)
        for said, touched in report.user_properties:
            if said == _TOUCHED:
                self._take_rows(name, [Row(*row) for row in cast("Any", touched)])
        if report.failed or report.skipped:
            self.partly.add(name)
        elif report.when == "call":
            self._passed.add(name)

    @property
    def ran(self) -> set[str]:
        """The functions all of whose cases ran and passed."""
        return self._passed - self.partly

    # What it touches

    def client(self, frame: bytes | str) -> None:
        """Note a client's frame, if it can be decoded."""
        if self.test is not None and (event := _json(frame)) is not None:
            self._take("client", event)

    def server(self, frame: bytes | str) -> None:
        if self.test is not None and (event := _json(frame)) is not None:
            self._take("server", event)
            for owner, code in catalogue.codes(event):
                self.code(owner, code)

    def message(self, event: ClientMessage | ServerMessage) -> None:
        """Note an event that did not pass a codec, unless its session is invalid."""
        if self.test is not None and _is_taken(event):
            side: Side = "client" if isinstance(event, ClientMessage) else "server"
            said = msgspec.json.decode(msgspec.json.encode(event))
            self._take(side, said, translated=type(event) in _TRANSLATED)

    def code(self, owner: str, code: str) -> None:
        if self.test is not None:
            self._touched.add(Row("server", owner, code))

    def row(self, row: Row) -> None:
        if self.test is not None:
            self._touched.add(row)

    def _take(self, side: Side, event: Json, *, translated: bool = False) -> None:
        kind = str(event.get("type"))
        self._seen[kind] += 1
        if self.test is not None and self._seen[kind] <= ENOUGH:
            self._touched |= catalogue.touched(side, event, translated=translated)

    def _take_rows(self, test: str, touched: Iterable[Row]) -> None:
        for row in touched:
            self.by_test[test].add(row)
            if row.owner == catalogue.ERRORS and row.field not in catalogue.CODES[row.owner]:
                self.strange.add(row)


notes = Notes()


def name_of(item: pytest.Item) -> str:
    """As the table has it: `core/test_session.py::test_commit`, without the case."""
    return _without_case(item.nodeid)


def _without_case(nodeid: str) -> str:
    return nodeid.removeprefix("tests/").partition("[")[0]


def _is_noted(item: pytest.Item) -> bool:
    name = name_of(item)
    generated = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    slow = any(item.get_closest_marker(marker) for marker in ("long", "browser"))
    passing = any(word in name.partition("::")[0] for word in _GATEWAY)
    return not (generated or slow or passing or name.startswith(_UNNOTED))


def _json(frame: bytes | str) -> Json | None:
    try:
        event = msgspec.json.decode(frame)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and "type" in event else None


# Where frames pass


def watch() -> None:
    """Note what passes the codec, sockets of clients, and HTTP."""
    _watch_codec()
    _watch_sockets()
    _watch_http()


def _watch_codec() -> None:
    decode, encode, translated = codec.decode, codec.encode, codec.decode_translation

    @functools.wraps(decode)
    def decoding(data: codec.Data) -> client.ClientEvent:
        event = decode(data)
        if notes.test is not None and _is_taken(event):
            notes.client(bytes(data) if not isinstance(data, str) else data)
        return event

    @functools.wraps(encode)
    def encoding(event: ClientMessage | ServerMessage) -> bytes:
        if notes.test is not None and notes.test.startswith("protocol/"):
            notes.message(event)
        return encode(event)

    @functools.wraps(translated)
    def decoding_translation(data: codec.Data) -> translation.TranslationClientEvent:
        event = translated(data)
        notes.message(event)
        return event

    for name, watched in (
        ("decode", decoding),
        ("encode", encoding),
        ("decode_translation", decoding_translation),
    ):
        setattr(codec, name, watched)


def _is_taken(event: ClientMessage | ServerMessage) -> bool:
    """Return whether the event is valid. A session's fields are checked when they are merged."""
    if not isinstance(event, client.SessionUpdate):
        return True
    try:
        kind = event.session.get("type")
        default = TranscriptionConfig() if kind == "transcription" else SessionConfig()
        default.merged(event.session)
    except InvalidRequest:
        return False
    return True


def _watch_sockets() -> None:
    send, recv = cast("Any", ClientConnection.send), cast("Any", ClientConnection.recv)
    refused = InvalidStatus.__init__

    @functools.wraps(send)
    async def sending(self: ClientConnection, message: Any, *how: Any, **named: Any) -> None:  # noqa: ANN401
        if notes.test is not None and isinstance(message, bytes | str):
            with suppress(InvalidRequest):
                codec.decode(message)  # which notes it
        await send(self, message, *how, **named)

    @functools.wraps(recv)
    async def receiving(self: ClientConnection, *how: Any, **named: Any) -> Any:  # noqa: ANN401
        try:
            frame = await recv(self, *how, **named)
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                notes.code(catalogue.CLOSES, str(closed.rcvd.code))
            raise
        notes.server(frame)
        return frame

    @functools.wraps(refused)
    def refusing(self: InvalidStatus, response: Any) -> None:  # noqa: ANN401
        refused(self, response)
        _note_refusal(response.status_code, response.body or b"")

    for of, name, watched in (
        (ClientConnection, "send", sending),
        (ClientConnection, "recv", receiving),
        (InvalidStatus, "__init__", refusing),
    ):
        setattr(of, name, watched)


def _watch_http() -> None:
    once, later = httpx2.Client.send, httpx2.AsyncClient.send

    @functools.wraps(once)
    def sending(self: Any, request: Any, **how: Any) -> httpx2.Response:  # noqa: ANN401
        response = once(self, request, **how)
        _note_exchange(request, response, how)
        return response

    @functools.wraps(later)
    async def sending_later(self: Any, request: Any, **how: Any) -> httpx2.Response:  # noqa: ANN401
        response = await later(self, request, **how)
        _note_exchange(request, response, how)
        return response

    for of, watched in ((httpx2.Client, sending), (httpx2.AsyncClient, sending_later)):
        setattr(of, "send", watched)  # noqa: B010


def _note_exchange(request: httpx2.Request, response: httpx2.Response, how: Json) -> None:
    if notes.test is None or how.get("stream"):
        return
    if response.status_code >= 400:
        _note_refusal(response.status_code, response.content)
    elif request.url.path == catalogue.MINTING.partition(" ")[2]:
        _note_body("client", request.content)
        _note_body("server", response.content)


def _note_body(side: Side, content: bytes) -> None:
    try:
        body = msgspec.json.decode(content or b"{}")
    except (ValueError, RecursionError):
        return
    notes.row(Row(side, catalogue.MINTING))
    for key, value in body.items():
        notes.row(Row(side, catalogue.MINTING, key))
        for inner in value if key == "expires_after" else ():
            notes.row(Row(side, catalogue.MINTING, f"{key}.{inner}"))
    if isinstance(session := body.get("session"), dict):
        for row in catalogue.touched(side, {"type": "", "session": session}):
            if row.owner:
                notes.row(row)


def _note_refusal(status: int, content: bytes) -> None:
    try:
        match msgspec.json.decode(content):
            case {"error": {"code": str(code)}}:
                notes.code(catalogue.HTTP, f"{status} {code}")
    except (ValueError, RecursionError):
        return
