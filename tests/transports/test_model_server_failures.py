"""Failures of the operator's own model server: a line in the log, and a sentence for the client."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from ..support.served import Served, serve

TOML = """
name = "ada"
languages = ["en"]
[cascade]
brain = "openai"
tts = "openai"
[instructions]
default = "Be brief."
"""
UPSTREAM = """
name = "eve"
languages = ["en"]
engine = "upstream"
[upstream]
base_url = "http://127.0.0.1:{port}/v1"
key = {{ env = "EVES_KEY" }}
[instructions]
default = "Be brief."
"""
SAID = "my secret diagnosis"


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, int]]:
    """Serve with a model server that does not run, and return its port."""
    data = tmp_path_factory.mktemp("dead") / "data"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        for name, toml in (("ada", TOML), ("eve", UPSTREAM.format(port=port))):
            folder = data / "assistants" / name
            folder.mkdir(parents=True)
            (folder / "assistant.toml").write_text(toml)
        url = f"http://localhost:{port}/v1"
        with serve(data, VIVAVOCE_OPENAI__BASE_URL=url, EVES_KEY="sk-secret") as server:
            yield server, port


def lines(log: Path, event: str) -> list[str]:
    return [line for line in log.read_text().splitlines() if event in line]


def test_N7_dead_model_server_is_named_to_the_client_and_in_the_log(
    dead: tuple[Served, int],
) -> None:
    server, port = dead
    with connect(f"{server.ws}?model=ada", additional_headers={"api-key": server.key()}) as call:
        part = {"type": "input_text", "text": SAID}
        item = {"type": "message", "role": "user", "content": [part]}
        call.send(json.dumps({"type": "conversation.item.create", "item": item}))
        response = {"output_modalities": ["text"]}
        call.send(json.dumps({"type": "response.create", "response": response}))
        while (event := json.loads(call.recv(20)))["type"] != "response.done":
            pass
    error = event["response"]["status_details"]["error"]
    assert error["message"] == (
        f"the language model (/chat/completions): localhost:{port} cannot be reached"
    )
    (line,) = lines(server.log, "engine_request_failed")
    for told in (f"localhost:{port}", "/chat/completions", "unreachable", "resp_"):
        assert told in line
    assert SAID not in server.log.read_text()


def test_N7_dead_provider_is_in_the_log_with_its_port(dead: tuple[Served, int]) -> None:
    server, port = dead
    with connect(f"{server.ws}?model=eve", additional_headers={"api-key": server.key()}) as call:
        event = json.loads(call.recv(20))
    assert event["error"]["code"] == "upstream_unavailable"
    (line,) = lines(server.log, "upstream_unreachable")
    assert f"127.0.0.1:{port}" in line
    assert "Connect" in line or "refused" in line.lower()
    assert "sk-secret" not in server.log.read_text()
