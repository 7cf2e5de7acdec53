"""The table of what each engine uses of an assistant is what happens."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_socket

from ..support.model_server import ModelServer, model_server
from ..support.served import TAKES_ALL, Served, serve

PAGE = Path(__file__).parents[2] / "docs/reference/engines.md"
ROWS = ("`instructions`", "`knowledge`", "`tools`", "`greeting`", "`voice.name`")
PROMPT, FACT, TOOL = "You are a porter of granite.", "seven to ten", "ring_bell"
GREETING, VOICE = "Good evening, this is Hotel Oak.", "cedar"
QUESTION = "When is breakfast?"
RING = "Please ring the bell"

FOLDER = f"""
greeting = "{GREETING}"
instructions.default = "{PROMPT}"
voice.name = "{VOICE}"

[[tools]]
name = "{TOOL}"
description = "Ring the bell at the desk"

[tools.parameters]
type = "object"
properties = {{}}
x-examples = ["{RING}", "ring the bell"]
"""
ENGINES = {
    "embedded brain (`extractive`)": 'cascade.tts = "openai"\n',
    '`brain = "openai"`': 'cascade = { brain = "openai", tts = "openai" }\n',
    '`engine = "upstream"`': 'engine = "upstream"\nupstream.base_url = "{upstream}"\n'
    'upstream.key.file = "key"\n',
    '`engine = "scripted"`': 'engine = "scripted"\nscripted.script = "script.toml"\n',
}
SCRIPT = f'[[rules]]\nwhen = "bell"\ncalls = [{{ name = "{TOOL}" }}]\n'


def table() -> dict[str, dict[str, bool]]:
    """Return for each engine which rows it uses, as the page says."""
    lines = re.findall(r"^\| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    head, *rows = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    engines = [cell.removeprefix("| ") for cell in head]
    assert tuple(row[0] for row in rows) == ROWS
    names = [engine for engine in engines if engine]
    return {
        name: {row[0]: row[number + 1] != "not used" for row in rows}
        for number, name in enumerate(names)
    }


@contextmanager
def provider(received: list[dict[str, Any]], asked: threading.Event) -> Iterator[str]:
    """Serve a Realtime provider that confirms each session and answers nothing else.

    `asked` is set when a response is requested.
    """

    def take(connection: ServerConnection) -> None:
        session: dict[str, Any] = {"type": "realtime", "id": "sess_1", "model": "any"}
        connection.send(
            json.dumps({"type": "session.created", "event_id": "e1", "session": session})
        )
        for data in connection:
            event = json.loads(data)
            received.append(event)
            if event["type"] == "response.create":
                asked.set()
            if event["type"] == "session.update":
                updated = session | event["session"]
                connection.send(
                    json.dumps({"type": "session.updated", "event_id": "e2", "session": updated})
                )

    with serve_socket(take, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        server.shutdown()
        thread.join()


def folder(data: Path, engine: str, upstream: str) -> None:
    path = data / "assistants/porter"
    (path / "knowledge").mkdir(parents=True)
    head = ENGINES[engine].replace("{upstream}", upstream)
    (path / "assistant.toml").write_text(f'name = "porter"\n{head}{FOLDER}')
    (path / "knowledge/hotel.md").write_text(f"## Breakfast\nBreakfast is from {FACT}.\n")
    (path / "script.toml").write_text(SCRIPT)
    (path / "key").write_text("sk-1\n")


def talk(
    server: Served, key: str, text: str, *, greeted: bool = False, voice: str = ""
) -> list[dict[str, Any]]:
    """Return the events of one spoken answer, or of the greeting."""
    url = f"{server.ws}?assistant=porter&pace=fast&greeting={str(greeted).lower()}"
    url += f"&voice={voice}" if voice else ""
    for _ in range(12):  # a first call may come before its words are learnt
        with connect(url, additional_headers={"api-key": key}) as call:
            events = [json.loads(call.recv(30))]
            if events[0]["type"] == "error":
                continue
            if not greeted:
                part = {"type": "input_text", "text": text}
                item = {"type": "message", "role": "user", "content": [part]}
                call.send(json.dumps({"type": "conversation.item.create", "item": item}))
                call.send(json.dumps({"type": "response.create"}))
            while events[-1]["type"] != "response.done":
                events.append(json.loads(call.recv(30)))
                assert events[-1]["type"] != "error", events[-1]
            return events
    raise AssertionError("the call never began")


def of_cascade(server: Served, model: ModelServer) -> dict[str, bool]:
    key = server.key()
    answer = json.dumps(talk(server, key, QUESTION)[1:])
    asked = json.dumps(model.asked("/chat/completions"))
    rung = json.dumps(talk(server, key, RING)[-1])
    questions = len(model.asked("/chat/completions"))
    greeting = talk(server, key, "", greeted=True)
    assert len(model.asked("/chat/completions")) == questions  # no brain makes a greeting
    said = [event["transcript"] for event in greeting if "transcript" in event]
    return {
        "`instructions`": PROMPT in answer + asked,
        "`knowledge`": FACT in answer + asked,
        "`tools`": f'"name": "{TOOL}"' in rung + asked,
        "`greeting`": said == [GREETING],
        "`voice.name`": VOICE in {each["voice"] for each in model.asked("/audio/speech")},
    }


def of_provider(
    server: Served, received: list[dict[str, Any]], asked: threading.Event
) -> dict[str, bool]:
    url = f"{server.ws}?assistant=porter&greeting=true"
    with connect(url, additional_headers={"api-key": server.key()}) as call:
        assert json.loads(call.recv(20))["type"] == "session.created"
        assert asked.wait(20), "the provider receives the greeting"
    (session,) = [event["session"] for event in received if event["type"] == "session.update"]
    greetings = [event for event in received if event["type"] == "response.create"]
    return {
        "`instructions`": session["instructions"] == PROMPT,
        "`knowledge`": FACT in json.dumps(received),
        "`tools`": [tool["name"] for tool in session["tools"]] == [TOOL],
        "`greeting`": GREETING in json.dumps(greetings) and "exactly" in json.dumps(greetings),
        "`voice.name`": session["audio"]["output"]["voice"] == VOICE,
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_uses_what_the_table_says(engine: str, tmp_path: Path) -> None:
    received: list[dict[str, Any]] = []
    asked = threading.Event()
    data = tmp_path / "data"
    with provider(received, asked) as upstream, model_server() as model:
        folder(data, engine, upstream)
        (data / "vivavoce.toml").write_text(f'[openai]\nbase_url = "{model.url}"\n')
        with serve(data, **TAKES_ALL) as server:
            if "upstream" in engine:
                used = of_provider(server, received, asked)
            else:
                used = of_cascade(server, model)
                if "scripted" in engine:  # the next test compares its beeps
                    used["`voice.name`"] = True
    assert used == table()[engine]


def test_the_voice_of_the_scripted_engine_is_the_pitch_of_its_beeps(tmp_path: Path) -> None:
    data = tmp_path / "data"
    folder(data, '`engine = "scripted"`', "http://127.0.0.1:9/v1")
    with serve(data, **TAKES_ALL) as server:
        key = server.key()
        first, same = (talk(server, key, QUESTION) for _ in range(2))
        other = talk(server, key, QUESTION, voice="marin")
    assert sound(first) == sound(same) != sound(other)


def sound(events: list[dict[str, Any]]) -> str:
    return "".join(e["delta"] for e in events if e["type"] == "response.output_audio.delta")
