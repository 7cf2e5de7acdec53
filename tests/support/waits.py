"""Measure a bystander's waits while a client asks a real server for the worst within its limits.

The bystander and its upstream are a process of their own (`tests.support.bystander`), so that the
attack does not slow down the clock that measures it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .calls import House
from .served import TAKES_ALL, serve

QUIET_S = 1.0
RELAYED = """
name = "relayed"
engine = "upstream"

[instructions]
default = "Say something."

[upstream]
base_url = "http://127.0.0.1:{port}/v1"
model = "anything"
key = {{ env = "BYSTANDER_UPSTREAM_KEY" }}
"""

Attack = Callable[[House], Awaitable[None]]
Waits = dict[str, float]


class Bystander:
    """The process, as its parent talks with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.bystander"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.upstream_port: int = self._heard()

    def attend(self, house: House) -> None:
        """Begin the two calls, and the probes."""
        server = house.server
        self._say({"url": server.url, "ws": server.ws, "key": house.key, "pid": server.process.pid})
        assert self._heard() == "ready"

    def watch(self) -> None:
        self._say("watch")
        assert self._heard() == "watching"

    def report(self) -> Waits:
        """Return the longest waits since `watch`, in milliseconds."""
        self._say("report")
        return {name: probe["worst_ms"] for name, probe in self._heard().items()}

    def leave(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def _say(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def _heard(self) -> Any:  # noqa: ANN401
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the bystander has gone: its call ended, or was answered otherwise"
        return json.loads(line)


@dataclass
class Watched:
    """A server with a bystander on it."""

    house: House
    bystander: Bystander
    quiet: Waits = field(default_factory=dict)

    def measure_quiet(self) -> None:
        """Return how long it waits without an attack."""
        self.quiet = self.beside(lambda house: asyncio.sleep(QUIET_S))

    def beside(self, attack: Attack) -> Waits:
        """Run an attack, and return how long the bystander waited meanwhile."""

        async def story() -> None:
            await attack(self.house)

        self.bystander.watch()
        try:
            asyncio.run(story())
        finally:
            waits = self.bystander.report()
        return waits


@contextmanager
def watched(data: Path, **environ: str) -> Iterator[Watched]:
    """Run a real server in one process, and a bystander in another."""
    bystander = Bystander()
    try:
        folder = data / "assistants/relayed"
        folder.mkdir(parents=True)
        (folder / "assistant.toml").write_text(RELAYED.format(port=bystander.upstream_port))
        settings = TAKES_ALL | {"VIVAVOCE_CALLS__DEFAULT_ASSISTANT": "echo"} | environ
        with serve(data, BYSTANDER_UPSTREAM_KEY="a-key", **settings) as server:
            house = House(server, server.key())
            bystander.attend(house)
            try:
                yield Watched(house, bystander)
            finally:
                bystander.leave()  # first: it would complain that its calls end
    finally:
        bystander.leave()
