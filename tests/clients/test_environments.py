"""Unmodified clients, each in an environment of its own, hold conversations with a real server.

`environments/NAME` has the locked versions and the program that talks. `make test` and `make
test-long` install them. A program lives through five chapters and reports what its client saw. A
report that differs from these stories shows a mistake of ours. Between the program and the server
is a wire that it can cut. `docs/compatibility.md` says what clients rely on.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from vivavoce.cli import audio_file

from ..support.served import TAKES_ALL, Served, serve
from ..support.wire import HOST, wire
from .test_openai import flite

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(__file__).with_name("environments")
WITHIN_S = 300
FAST = ("openai_python", "openai_node", "agents_python", "agents_node")
LONG = ("livekit", "pipecat", "pydantic_ai")

QUESTION = "When does the keynote start?"
WISH = "Please show me the main hall on the map."
TALE = "one two three four five six seven eight nine ten " * 20
SHOWN = "The main hall is shown on your screen."
TOOL = {
    "name": "show_map",
    "description": "Show a map of the venue on the visitor's screen, with one place marked",
    "parameters": {
        "type": "object",
        "properties": {
            "place": {
                "type": "string",
                "description": "The place to mark on the map",
                "enum": ["main_hall", "cloakroom", "foyer"],
            }
        },
        "required": ["place"],
    },
}


@dataclass(frozen=True)
class Interrupted:
    """An answer that was spoken over, as the server has kept it."""

    ending: tuple[str, str | None]
    sent_ms: int
    heard_ms: int | None


@dataclass(frozen=True)
class Report:
    """The report of a program."""

    versions: dict[str, str]
    chapters: dict[str, dict[str, Any]]
    complaints: list[str]
    interrupted: Interrupted
    log: list[str]  # lines of the server above warnings

    def chapter(self, name: str) -> dict[str, Any]:
        facts = self.chapters[name]
        assert "failed" not in facts, facts["failed"]
        return facts


@dataclass(frozen=True)
class Client:
    """An environment, and how to run a program in it."""

    name: str

    @property
    def folder(self) -> Path:
        return ENVIRONMENTS / self.name

    @property
    def runs_on_node(self) -> bool:
        return (self.folder / "package.json").exists()

    def command(self) -> list[str]:
        if self.runs_on_node:
            assert (self.folder / "node_modules").exists(), (
                f"first: make .setup/clients/{self.name}.ready"
            )
            return [str(ROOT / ".setup/node/node"), str(self.folder / "story.mjs")]
        python = ROOT / ".setup/clients" / self.name / "bin/python"
        assert python.exists(), f"first: make .setup/clients/{self.name}.ready"
        return [str(python), "-m", f"tests.clients.environments.{self.name}.story"]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """Serve with TLS, and return the certificate: npm's `openai` knows only `wss:`."""
    folder = tmp_path_factory.mktemp("secured")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}", "-keyout", str(key),
         "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ("--tls-cert", str(cert), "--tls-key", str(key))
    with serve(folder / "data", *tls, **TAKES_ALL) as server:
        yield server, cert


@pytest.fixture(
    scope="module", params=[*FAST, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)]
)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report of this client's program."""
    client, cert = Client(request.param), None
    environ = dict(os.environ)
    if client.name == "openai_node":
        server, cert = request.getfixturevalue("secured")
        environ["NODE_EXTRA_CA_CERTS"] = str(cert)
    else:
        server = request.getfixturevalue("served")
    key = server.key("--name", client.name)
    server.await_charlotte(key, cert)
    spoken = tmp_path_factory.mktemp("spoken")
    flite(spoken / "question.wav", QUESTION)
    pcm = audio_file.read((spoken / "question.wav").read_bytes()) + bytes(48 * 1500)
    (spoken / "question.pcm").write_bytes(pcm)
    read = len(server.log.read_text().splitlines())
    url = urlsplit(server.url)
    assert url.port
    with wire(url.port) as way:
        place = {
            "base_url": f"{url.scheme}://{HOST}:{way.port}/v1",
            "key": key,
            "cutter": way.cutter,
            "spoken": str(spoken / "question.pcm"),
            "question": QUESTION,
            "wish": WISH,
            "tale": TALE,
            "tool": TOOL,
            "output": SHOWN,
        }
        done = subprocess.run(
            client.command(), input=json.dumps(place), cwd=ROOT, env=environ,
            capture_output=True, text=True, timeout=WITHIN_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    lines = server.log.read_text().splitlines()[read:]
    bad = [line for line in lines if not line.startswith("{") or _level(line) == "error"]
    return Report(**told, interrupted=_interrupted(server, key, cert), log=bad)


def _level(line: str) -> str:
    return str(json.loads(line)["level"])


def _interrupted(server: Served, key: str, cert: Path | None) -> Interrupted:
    """Return the first answer of the last call with the assistant that is interrupted."""
    verify = ssl.create_default_context(cafile=cert) if cert else True
    with httpx2.Client(base_url=server.url, headers={"api-key": key}, verify=verify) as http:

        def ask(path: str) -> dict[str, Any]:
            found: dict[str, Any] = http.get(path).json()
            return found

        call = next(c for c in ask("/api/calls")["data"] if c["assistant"] == "echo")
        first = ask(f"/api/calls/{call['id']}/events")["data"][0]
        items = ask(f"/api/conversations/{call['conversation_id']}")["items"]
    answer = next(item for item in items if item["item"].get("role") == "assistant")
    ending = (first["status"], first["reason"])
    return Interrupted(ending, answer["sent_ms"], answer["heard_ms"])


def test_a_text_turn(told: Report) -> None:
    assert "9:30" in told.chapter("text")["answer"]


def test_a_spoken_turn(told: Report) -> None:
    spoken = told.chapter("spoken")
    assert "keynote" in spoken["heard"]
    assert "9:30" in spoken["answer"]
    assert spoken["audio_ms"] > 1500


def test_a_tool_round_trip(told: Report) -> None:
    tool = told.chapter("tool")
    name, arguments = tool["called"]
    assert (name, json.loads(arguments)) == ("show_map", {"place": "main_hall"})
    assert tool["answer"] == SHOWN


def test_an_interruption(told: Report) -> None:
    assert told.chapter("interruption")["truncated"]
    assert told.interrupted.ending == ("cancelled", "turn_detected")
    assert told.interrupted.heard_ms is not None
    assert told.interrupted.heard_ms < told.interrupted.sent_ms


def test_a_reconnection(told: Report) -> None:
    reconnection = told.chapter("reconnection")
    assert reconnection["continued"]
    assert "9:30" in reconnection["answer"]


def test_the_client_has_nothing_to_complain_about(told: Report) -> None:
    assert told.complaints == []


def test_nor_has_the_server(told: Report) -> None:
    assert told.log == []
