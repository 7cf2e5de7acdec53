"""Bind the id of an end user to a client secret, and follow it to the provider."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_socket

from ..support.served import Served, serve

HEADER = "OpenAI-Safety-Identifier"
MINTS = ["/v1/realtime/client_secrets", "/v1/realtime/sessions"]
ASSISTANT = """
name = "gate"
engine = "upstream"
upstream = {{ base_url = "{url}", model = "any", key = {{ env = "PROVIDER_KEY" }} }}
"""


@dataclass
class Gateway:
    served: Served
    key: str
    seen: list[str | None] = field(default_factory=list)  # by the provider, for each call

    def mint(self, path: str, identifier: str | None) -> httpx2.Response:
        headers = {"api-key": self.key} | ({HEADER: identifier} if identifier is not None else {})
        body = {"vivavoce": {"assistant": "gate"}}
        return httpx2.post(self.served.url + path, json=body, headers=headers)

    def call(self, credential: str, identifier: str | None = None) -> str | None:
        """Open a call, and return the identifier that the provider received."""
        headers = {"api-key": credential} | ({HEADER: identifier} if identifier else {})
        with connect(f"{self.served.ws}?assistant=gate", additional_headers=headers) as call:
            assert json.loads(call.recv(20))["type"] == "session.created"
        return self.seen.pop()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    seen: list[str | None] = []

    def confirm(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers.get(HEADER))
        for data in connection:
            if (event := json.loads(data))["type"] == "session.update":
                updated = {"type": "session.updated", "event_id": "e", "session": event["session"]}
                connection.send(json.dumps(updated))

    data: Path = tmp_path_factory.mktemp("gateway")
    with serve_socket(confirm, "127.0.0.1", 0) as provider:
        thread = threading.Thread(target=provider.serve_forever)
        thread.start()
        port = provider.socket.getsockname()[1]
        (data / "assistants/gate").mkdir(parents=True)
        (data / "assistants/gate/assistant.toml").write_text(
            ASSISTANT.format(url=f"http://127.0.0.1:{port}/v1")
        )
        with serve(data, PROVIDER_KEY="sk-1") as served:
            yield Gateway(served, served.key(), seen)
        provider.shutdown()
        thread.join()


@pytest.mark.parametrize("path", MINTS)
def test_an_identifier_that_is_bound_to_a_secret_holds_for_its_calls(
    gateway: Gateway, path: str
) -> None:
    minted = gateway.mint(path, "ann-1").json()
    secret = minted.get("value") or minted["client_secret"]["value"]
    assert gateway.call(secret) == "ann-1"
    assert gateway.call(secret, "bob-2") == "ann-1", "a caller changes nothing that is bound"


def test_a_secret_without_an_identifier_leaves_it_to_the_handshake(gateway: Gateway) -> None:
    secret = gateway.mint(MINTS[0], None).json()["value"]
    assert gateway.call(secret) is None
    assert gateway.call(secret, "bob-2") == "bob-2"
    assert gateway.call(gateway.key, "eve-3") == "eve-3"


@pytest.mark.parametrize("path", MINTS)
@pytest.mark.parametrize("identifier", ["a b", "x" * 257])
def test_an_identifier_that_no_provider_would_get_is_refused(
    gateway: Gateway, path: str, identifier: str
) -> None:
    answer = gateway.mint(path, identifier)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_value", HEADER)
