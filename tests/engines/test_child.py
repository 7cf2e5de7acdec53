"""Processes of our own: what they are given."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vivavoce.engines.base import VoiceRequest
from vivavoce.engines.child_process import ChildProcess, environment
from vivavoce.engines.tts.command_line import CommandLineTts
from vivavoce.engines.tts.espeak import Espeak
from vivavoce_embedded.stt import lm

ROOT = Path(__file__).parents[2]
SECRETS = ("OPENAI_API_KEY", "VIVAVOCE_API_KEY", "VIVAVOCE_OPENAI__API_KEY", "AWS_SECRET_KEY")


def test_a_child_process_gets_no_key_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "sk-not-for-children")
    shown = subprocess.run(
        [sys.executable, "-c", "import os, vivavoce; print(*os.environ)"],
        env=environment("vivavoce_embedded"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "PATH" in shown.split(), "it finds programs, and it imported the package"
    assert not set(SECRETS) & set(shown.split())


async def worker() -> None:
    child = ChildProcess("vivavoce_embedded.brain.worker", "brain")
    await child.start()
    child.kill()
    await child.reap()


async def espeak() -> None:
    voice = Espeak()
    try:
        await voice.warm()
    finally:
        await voice.close()


async def command_line() -> None:
    async for _ in CommandLineTts("/bin/true").speak("Hello.", VoiceRequest(name="marin")):
        pass


async def language_model(folder: Path) -> None:
    await lm._run(b"{}", folder / "made")


@pytest.mark.parametrize("start", [worker, espeak, command_line])
def test_X12_every_helper_process_starts_without_secrets(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[], Awaitable[None]]
) -> None:
    assert given_to(monkeypatch, start)


def test_X12_the_maker_of_language_models_starts_without_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert given_to(monkeypatch, lambda: language_model(tmp_path))


def given_to(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[], Awaitable[None]]
) -> list[dict[str, str]]:
    """Return the environments of the processes that this starts, after checking them."""
    for name in SECRETS:
        monkeypatch.setenv(name, "sk-not-for-children")
    given: list[dict[str, str]] = []
    popen = subprocess.Popen.__init__

    def look(self: Any, *args: Any, **more: Any) -> None:  # noqa: ANN401
        given.append(dict(more["env"] if more.get("env") is not None else os.environ))
        popen(self, *args, **more)

    monkeypatch.setattr(subprocess.Popen, "__init__", look)

    async def main() -> None:
        with suppress(Exception):  # only what it was started with matters here
            await start()

    asyncio.run(main())
    assert given
    for variables in given:
        assert "sk-not-for-children" not in variables.values()
        assert "PATH" in variables
    return given


STARTS = {"subprocess_exec", "subprocess_shell", "create_subprocess_exec", "Popen", "system",
          "create_subprocess_shell", "check_output", "posix_spawn", "execv"}  # fmt: skip
HOME = {"environment", "kept_variables"}


def starts_with_other_variables(tree: ast.AST) -> list[int]:
    """Return the lines that start a process with an environment from somewhere else."""
    found = []
    for node in ast.walk(tree):
        name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(
            node, ast.Call
        ) else ""  # fmt: skip
        of = getattr(getattr(node, "func", None), "value", None)
        is_run = name in ("run", "call") and getattr(of, "id", "") == "subprocess"
        if isinstance(node, ast.Call) and (name in STARTS or is_run):
            env = next((k.value for k in node.keywords if k.arg == "env"), None)
            if not (isinstance(env, ast.Call) and getattr(env.func, "id", "") in HOME):
                found.append(node.lineno)
    return found


def test_X12_no_process_is_started_with_another_environment() -> None:
    files = [*ROOT.glob("src/vivavoce/**/*.py"), *ROOT.glob("packages/*/src/**/*.py")]
    assert len(files) > 100
    for file in files:
        found = starts_with_other_variables(ast.parse(file.read_text("utf-8")))
        assert not found, (file, found)


def test_X12_a_process_with_the_servers_environment_is_found() -> None:
    for line in ("subprocess.run(x)", "Popen(x, env=os.environ)", "os.system(x)",
                 "await asyncio.create_subprocess_exec(x, env={**os.environ})"):  # fmt: skip
        assert starts_with_other_variables(ast.parse(f"async def f():\n {line}")) == [2]
