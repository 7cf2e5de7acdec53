"""A real server: its own process, its own data folder, a free port."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from typer.testing import CliRunner
from websockets.sync.client import connect

from vivavoce.assistants import SHIPPED
from vivavoce.cli.main import app

from . import models, warm_processes
from .warm_processes import Process

ECHO = """
name = "echo"
engine = "scripted"

[instructions]
default = "Say it again."
"""

# The names of all assistants of a server, as its errors list them.
ASSISTANTS = ", ".join(sorted(["echo", *(file.parent.name for file in SHIPPED.glob("*/*.toml"))]))

# These calls are taken however busy the machine of the tests is (docs/decisions/admission.md).
TAKES_ALL = {"VIVAVOCE_CALLS__OVERLOAD_LAG_MS": "0", "VIVAVOCE_CALLS__OVERLOAD_WAIT_S": "0"}

_URL = re.compile(r"https?://\S+")


@dataclass
class Served:
    url: str
    link: str
    data: Path
    process: Process
    environ: dict[str, str] = field(repr=False)
    log: Path

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/realtime"

    def cli(self, *arguments: str, check: bool = True) -> str:
        """Run a command of the same installation on the same data."""
        done = warm_processes.run([*arguments, "--data-dir", str(self.data)], self.environ)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def key(self, *arguments: str) -> str:
        """Create a key by the command. It runs here, because a process would take a second."""
        command = ["keys", "create", "--json", *arguments, "--data-dir", str(self.data)]
        with ThreadPoolExecutor(1) as thread:  # this one may have a running loop
            done = thread.submit(CliRunner().invoke, app, command).result()
        assert done.exit_code == 0, done.output
        made: str = json.loads(done.stdout)["key"]
        return made

    def await_charlotte(self, key: str, cert: Path | None = None) -> None:
        """Her first call needs a language model to be made: a busy machine may take long."""
        context = ssl.create_default_context(cafile=cert) if cert else None
        url = f"{self.ws}?model=charlotte"
        for _ in range(12):
            with connect(url, ssl=context, additional_headers={"api-key": key}) as socket:
                if json.loads(socket.recv())["type"] == "session.created":
                    models.keep(self.data)
                    return
        raise AssertionError("Charlotte never came")

    def stop(self, by: int = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        return self.process.wait(20)


@contextmanager
def serve(data: Path, *arguments: str, assistant: str = ECHO, **environ: str) -> Iterator[Served]:
    """Serve from the folder `data`. It ends with the test, whatever happens.

    `assistant`: the settings of the assistant that repeats what it heard.
    """
    (data / "assistants/echo").mkdir(parents=True, exist_ok=True)
    (data / "assistants/echo/assistant.toml").write_text(assistant)
    models.lend(data)
    env = {**os.environ, "PYTHONWARNINGS": "error::ResourceWarning", "COLUMNS": "200",
           "XDG_STATE_HOME": str(data / "state"), **environ}  # fmt: skip
    log = data / "server.log"
    with log.open("a") as errors:
        command = ["serve", "--port", "0", "--data-dir", str(data), *arguments]
        process = warm_processes.start(command, env, errors)
    try:
        found: list[str] = []
        assert process.stdout is not None
        while not any("#code=" in url for url in found):
            line = process.stdout.readline()
            assert line, f"the server did not start: {log.read_text()}"
            found += _URL.findall(line)
        yield Served(found[0], found[-1], data, process, env, log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
