"""Start a real server as a process with its own data folder and port, and measure its costs."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from vivavoce.assistants import SHIPPED

START_WITHIN_S = 60
ASSISTANT = "charlotte"
UNLIMITED = {
    "VIVAVOCE_CALLS__MAX_CALLS": "1000",
    "VIVAVOCE_CALLS__MAX_CALLS_PER_KEY": "1000",
    "VIVAVOCE_CALLS__OVERLOAD_LAG_MS": "0",
    "VIVAVOCE_CALLS__OVERLOAD_WAIT_S": "0",
}
_URL = re.compile(r"http://\S+")


@dataclass
class Cost:
    """CPU seconds since the start: of the server, and of its recogniser and voice processes."""

    main: float
    children: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.main - other.main, self.children - other.children)


@dataclass
class Served:
    url: str
    data: Path
    listening_s: float  # from the start of the process
    process: subprocess.Popen[str] = field(repr=False)

    def ws(self, assistant: str = ASSISTANT) -> str:
        return self.url.replace("http", "ws", 1) + f"/v1/realtime?model={assistant}"

    def key(self) -> str:
        made: str = json.loads(run("keys", "create", "--json", data=self.data))["key"]
        return made

    def cost(self) -> Cost:
        process = psutil.Process(self.process.pid)
        own, children = process.cpu_times(), 0.0
        for child in process.children(recursive=True):
            times = child.cpu_times()
            children += times.user + times.system
        return Cost(own.user + own.system, children)

    def memory_kb(self) -> float:
        """Return the memory of the server alone, without recogniser and voice processes."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1024

    def responses(self) -> list[dict[str, float | None]]:
        """Read the server's own figures for each spoken response."""
        names = ("first_audio_ms", "stt_ms", "brain_ms", "tts_ms")
        query = f"SELECT {', '.join(names)} FROM responses WHERE first_audio_ms IS NOT NULL"
        database = sqlite3.connect(f"file:{self.data / 'vivavoce.db'}?mode=ro", uri=True)
        try:
            found = database.execute(f"{query} ORDER BY rowid").fetchall()
        finally:
            database.close()
        return [dict(zip(names, row, strict=True)) for row in found]


def environment(**more: str) -> dict[str, str]:
    """Return an environment that keeps compiled modules, as an installation does."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "COLUMNS": "200", **UNLIMITED, **more}


def run(*arguments: str, data: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vivavoce", *arguments, "--data-dir", str(data)],
        env=environment(), capture_output=True, text=True, timeout=START_WITHIN_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"vivavoce {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def folder() -> Iterator[Path]:
    """Make a data folder whose Charlotte has no limit on calls."""
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as name:
        data = Path(name)
        shutil.copytree(SHIPPED / ASSISTANT, data / "assistants" / ASSISTANT)
        file = data / "assistants" / ASSISTANT / "assistant.toml"
        text = re.sub(r"calls_at_once = \d+", "calls_at_once = 1000", file.read_text("utf-8"))
        file.write_text(re.sub(r"\[greeting\]\n(?:\w.*\n)*", "", text), "utf-8")
        yield data


@contextmanager
def serve(data: Path, **environ: str) -> Iterator[Served]:
    """Run the server until the block ends, for any reason."""
    log = data / "server.log"
    began = time.perf_counter()
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "vivavoce", "serve", "--port", "0", "--data-dir", str(data)],
            env=environment(**environ), stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        while line := process.stdout.readline():
            if found := _URL.search(line):
                yield Served(found[0], data, time.perf_counter() - began, process)
                return
        raise RuntimeError(f"the server did not start: {log.read_text()}")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
