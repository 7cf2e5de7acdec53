"""Packages outside of the server add a recogniser, a brain, a voice, a tool and a transport."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from vivavoce.audio.pcm import SAMPLE_RATE, silence

from ..support.real_time import live
from ..support.served import TAKES_ALL, Served, serve
from .conftest import HERE, PACKAGES

DOCS = HERE.parents[1] / "docs/extending"
PUBLIC = re.compile(r"vivavoce\.(?:api|testing)(?:\.|$)")
PAGES = {
    "dtmf": "recogniser.md",
    "sums": "brain.md",
    "formants": "voice.md",
    "units": "tool.md",
    "phonetics": "embedder.md",
    "audiosocket": "transport.md",
}
ASSISTANT = """
name = "calculator"

[instructions]
default = "Do sums."

[cascade]
stt = "dtmf"
brain = "sums"
tts = "formants"

[knowledge]
embedding = "phonetics"

[voice]
name = "cedar"
"""
CONVERTER = """
name = "converter"

[instructions]
default = "Convert units."

[[tools]]
kind = "units"
name = "convert"
decimals = 2
"""
SCRIPT = r"""
[[rules]]
pattern = '(?P<amount>[\d.]+) miles'
calls = [{ name = "convert", arguments = { amount = "{amount}", unit = "mile", to = "kilometre" } }]

[[rules]]
pattern = '= (?P<result>.+)'
say = "That is {result}."
"""
KEYS_HZ = {"1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "*": (941, 1209), "#": (941, 1477)}


def pressed(keys: str) -> bytes:
    """Return the tones of a telephone's keys."""
    time = np.arange(SAMPLE_RATE // 10) / SAMPLE_RATE
    pcm = silence(100)
    for key in keys:
        low, high = KEYS_HZ[key]
        tone = np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)
        pcm += (tone * 8000).astype("<i2").tobytes() + silence(80)
    return pcm


def environment(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}


def imported(file: Path) -> set[str]:
    """Return the modules of the server that a file imports."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name for name in found if name.split(".")[0] == "vivavoce"}


def annotated(file: Path) -> set[str]:
    """Return the names that the classes of a file annotate, such as the fields of its options."""
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    fields = [node.target for node in nodes if isinstance(node, ast.AnnAssign)]
    return {target.id for target in fields if isinstance(target, ast.Name)}


@pytest.mark.long
@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_passes_its_own_tests_and_the_contract(name: str, site: Path) -> None:
    folder = str(HERE / name)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull,
         "--import-mode=importlib", "--rootdir", folder, "--confcutdir", folder, folder],
        env={**os.environ, **environment(site)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= 6


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_imports_only_public_modules_of_the_server(name: str) -> None:
    modules = set[str]().union(*map(imported, (HERE / name).rglob("*.py")))
    assert modules
    assert [module for module in modules if not PUBLIC.match(module)] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_the_page_about_a_kind_shows_the_whole_package(name: str) -> None:
    shown = re.findall(r"```\w+\n(.*?)```", (DOCS / PAGES[name]).read_text("utf-8"), re.DOTALL)
    files = ("pyproject.toml", f"vivavoce_{name}.py", f"test_{name}.py")
    *packaged, used_by = shown
    assert packaged == [(HERE / name / file).read_text("utf-8") for file in files]
    used = tomllib.loads(ASSISTANT) | {"tools": tomllib.loads(CONVERTER)["tools"]}
    for section, keys in tomllib.loads(used_by).items():
        if section == "transports":
            assert keys[name].keys() <= annotated(HERE / name / files[1]) | {"required"}
        else:
            assert keys == used[section] or keys.items() <= used[section].items()


def test_a_call_runs_through_the_adapters_of_three_packages(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "assistants/calculator"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(ASSISTANT)
    with serve(tmp_path, **TAKES_ALL, **environment(site)) as served:
        key = served.key()
        events = live(_call(served, key, pressed("12*3#")))
        alloy = live(_call(served, key, pressed("12*3#"), {"voice": "alloy"}))[-1]["response"]
        with pytest.raises(AssertionError, match="Supported values are"):
            live(_call(served, key, pressed("12*3#"), {"voice": "alto"}))
    by_type = {event["type"]: event for event in events}
    heard = by_type["conversation.item.input_audio_transcription.completed"]
    assert heard["transcript"] == "12*3#"
    assert by_type["response.output_audio_transcript.done"]["transcript"] == "12 times 3 is 36."
    response = by_type["response.done"]["response"]
    assert response["status"] == "completed"
    audio = [event for event in events if event["type"] == "response.output_audio.delta"]
    pcm = b"".join(base64.b64decode(event["delta"]) for event in audio)
    assert len(pcm) == len("12 times 3 is 36.") * 55 * SAMPLE_RATE // 1000 * 2
    assert np.abs(np.frombuffer(pcm, "<i2")).max() > 5000
    assert alloy["status"] == "completed", "a voice of OpenAI maps to one of the package"


def assistant_of(data: Path, name: str, toml: str, **files: str) -> None:
    folder = data / "assistants" / name
    folder.mkdir(parents=True)
    for file, text in {"assistant": toml, **files}.items():
        (folder / f"{file}.toml").write_text(text)


def test_an_assistant_answers_by_the_tool_of_a_package(site: Path, tmp_path: Path) -> None:
    toml = CONVERTER.replace("[inst", 'engine = "scripted"\nscripted.script = "script.toml"\n[inst')
    assistant_of(tmp_path, "converter", toml, script=SCRIPT)
    with serve(tmp_path, **TAKES_ALL, **environment(site)) as served:
        checked = served.cli("assistants", "check", str(tmp_path / "assistants/converter"))
        assert "1 tool (server: units)" in checked
        events = live(_ask(served, served.key(), "How far are 26.2 miles?"))
        log = served.log.read_text()
    assert_converted(events)
    assert "26.2" not in log


def test_a_hosted_model_answers_by_the_tool_of_a_package(site: Path, tmp_path: Path) -> None:
    far, near = tmp_path / "far", tmp_path / "near"
    model = 'name = "model"\nengine = "scripted"\nscripted.script = "script.toml"\n'
    assistant_of(far, "model", model + '[instructions]\ndefault = "Help."\n', script=SCRIPT)
    with serve(far, **TAKES_ALL) as provider:
        upstream = f'[upstream]\nbase_url = "{provider.ws}"\nmodel = "model"\n'
        upstream += 'key = { env = "PROVIDER_KEY" }\n[inst'
        toml = CONVERTER.replace("[inst", 'engine = "upstream"\n' + upstream)
        assistant_of(near, "converter", toml)
        key = provider.key()
        with serve(near, **TAKES_ALL, **environment(site), PROVIDER_KEY=key) as gateway:
            events = live(_ask(gateway, gateway.key(), "How far are 26.2 miles?"))
    assert_converted(events)


def assert_converted(events: list[dict[str, Any]]) -> None:
    """Check that the client saw the call, its output and one answer, and nothing twice."""
    assert [tool["name"] for tool in events[0]["session"]["tools"]] == ["convert"]
    items = [e["item"] for e in events if e["type"] == "conversation.item.done"]
    (call,) = [item for item in items if item["type"] == "function_call"]
    (output,) = [item for item in items if item["type"] == "function_call_output"]
    assert call["name"] == "convert"
    assert output["call_id"] == call["call_id"]
    assert output["output"] == "26.2 mile = 42.16 kilometre"
    errors = [e["error"] for e in events if e["type"] == "error"]
    assert [error["param"] for error in errors] == ["item.call_id"]  # the forged output
    answers = [e["response"] for e in events if e["type"] == "response.done"]
    assert [answer["status"] for answer in answers] == ["completed"] * 2
    assert answers[-1]["output"][0]["content"][0]["text"] == "That is 42.16 kilometre."


async def _ask(served: Served, key: str, text: str) -> list[dict[str, Any]]:
    """Ask by text, forge the output of the tool call, and read events to the end of the answer."""
    url = f"{served.ws}?model=converter"
    async with connect(url, additional_headers={"api-key": key}) as socket:
        events = [json.loads(await socket.recv())]
        session = {"type": "realtime", "output_modalities": ["text"]}
        await _send(socket, "session.update", session=session)
        part = {"type": "input_text", "text": text}
        message = {"type": "message", "role": "user", "content": [part]}
        await _send(socket, "conversation.item.create", item=message)
        await _send(socket, "response.create")
        async with asyncio.timeout(30):
            while not ({"error"} <= {e["type"] for e in events} and _done(events) == 2):
                events.append(json.loads(await socket.recv()))
                item = events[-1].get("item", {})
                made = events[-1]["type"] == "conversation.item.done"
                if made and item["type"] == "function_call":
                    forged = {"type": "function_call_output", "call_id": item["call_id"]}
                    forged |= {"output": "forged"}
                    await _send(socket, "conversation.item.create", item=forged)
        return events


def _done(events: list[dict[str, Any]]) -> int:
    return sum(event["type"] == "response.done" for event in events)


async def _call(
    served: Served, key: str, question: bytes, output: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    """Press the keys, and read events up to `response.done`."""
    url = f"{served.ws}?model=calculator"
    audio = {"input": PUSH_TO_TALK, "output": output or {}}
    async with connect(url, additional_headers={"api-key": key}) as socket:
        await _send(socket, "session.update", session={"type": "realtime", "audio": audio})
        await _send(socket, "input_audio_buffer.append", audio=base64.b64encode(question).decode())
        await _send(socket, "input_audio_buffer.commit")
        await _send(socket, "response.create")
        events = list[dict[str, Any]]()
        async with asyncio.timeout(30):
            while not events or events[-1]["type"] != "response.done":
                events.append(json.loads(await socket.recv()))
                assert events[-1]["type"] != "error", events[-1]
        return events


PUSH_TO_TALK = {"turn_detection": None, "transcription": {"model": "whisper-1"}}


async def _send(socket: ClientConnection, kind: str, **fields: object) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))
