"""Measure the time from `vivavoce serve` to listening, to a call and to full speed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from .caller import Caller, Sentence
from .serving import Served, run, serve

TIMES = 3
QUIET_S = 0.3  # without CPU use: then the server has loaded everything


@dataclass(frozen=True)
class Start:
    listening_ms: float
    session_ms: float
    warm_ms: float
    cpu_ms: float
    key_ms: float


async def measure(data: Path) -> list[Start]:
    """Start once without measuring: that makes the database and the recogniser's model."""
    with serve(data) as served:
        await first_answer(served, served.key())
    return [await _start(data) for _ in range(TIMES)]


async def _start(data: Path) -> Start:
    began = time.perf_counter()
    run("keys", "create", data=data)
    key_s = time.perf_counter() - began
    key = run("keys", "create", data=data).split()[-1]
    began = time.perf_counter()
    with serve(data) as served:
        async with Caller(served.ws(), key):
            session_s = time.perf_counter() - began
        warm_s = await _settled(served) - began
        cost = served.cost()
        return Start(
            served.listening_s * 1000,
            session_s * 1000,
            warm_s * 1000,
            (cost.main + cost.children) * 1000,
            key_s * 1000,
        )


async def _settled(served: Served) -> float:
    """Return the time at which the server has loaded everything."""
    since, used = time.perf_counter(), served.cost()
    while True:
        await asyncio.sleep(0.02)
        now, cost = time.perf_counter(), served.cost()
        more = cost - used
        if more.main + more.children > 0.02:
            since, used = now, cost
        elif now - since > QUIET_S:
            return since


async def first_answer(served: Served, key: str) -> None:
    async with Caller(served.ws(), key) as caller:
        caller.open_microphone()
        caller.say(Sentence("keynote_rms"))
        await caller.until("response.output_audio.delta")
