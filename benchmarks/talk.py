"""Measure talking calls: delays of responses and interruptions, and CPU per call.

Every caller asks, is answered, speaks into the answer, is answered again, and cancels that. The
answers are spoken without running ahead of real time, so that there is always something to stop.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from .caller import Caller, Sentence
from .serving import Served

LISTEN_S = 0.8  # to the answer, before the caller does something about it
RUN_AHEAD_S = "0.2"
FIRST_AUDIO = "response.output_audio.delta"
SILENT = ("response.output_audio.done",)


@dataclass
class Talk:
    """The measurements with one number of calls, in ms; CPU in core seconds per call second."""

    calls: int
    first_audio_server: list[float] = field(default_factory=list)
    first_audio_client: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    onset_to_started: list[float] = field(default_factory=list)
    onset_to_silence: list[float] = field(default_factory=list)
    cancel_to_silence: list[float] = field(default_factory=list)
    microphone_late: list[float] = field(default_factory=list)
    cpu_main: float = 0.0
    cpu_children: float = 0.0


async def talk(served: Served, key: str, calls: int, cycles: int) -> Talk:
    found = Talk(calls)
    questions = Sentence("keynote_rms"), Sentence("registration_slt")
    known = len(served.responses())
    ready, go = asyncio.Barrier(calls + 1), asyncio.Event()

    async def call(place: int) -> None:
        async with Caller(served.ws(), key) as caller:
            caller.open_microphone()
            await ready.wait()
            await go.wait()
            dice = random.Random(place)  # people do not speak in time with each other
            for _ in range(cycles):
                await asyncio.sleep(dice.uniform(0, min(calls - 1, 3)))
                await _cycle(caller, *questions, found)
            found.microphone_late += caller.late_ms

    async with asyncio.TaskGroup() as tasks:
        for place in range(calls):
            tasks.create_task(call(place))
        await ready.wait()
        before, began = served.cost(), time.perf_counter()
        go.set()
    used, seconds = served.cost() - before, time.perf_counter() - began
    found.cpu_main = used.main / seconds / calls
    found.cpu_children = used.children / seconds / calls
    for row in served.responses()[known:]:
        for name, value in row.items():
            if value is not None:
                found.stages.setdefault(name, []).append(value)
    found.first_audio_server = found.stages.pop("first_audio_ms", [])
    return found


async def _cycle(caller: Caller, first: Sentence, second: Sentence, found: Talk) -> None:
    caller.say(first)
    await _answered(caller, found)
    await asyncio.sleep(LISTEN_S)
    onset = caller.say(second)
    if caller.replying:
        found.onset_to_started.append(_ms(onset, await caller.until(SPEECH_STARTED)))
        found.onset_to_silence.append(_ms(onset, await caller.until(*SILENT)))
    await _answered(caller, found)
    await asyncio.sleep(LISTEN_S)
    if caller.replying:
        asked = caller.send("response.cancel")
        found.cancel_to_silence.append(_ms(asked, await caller.until(*SILENT)))
    await asyncio.sleep(0.2)


SPEECH_STARTED = "input_audio_buffer.speech_started"


async def _answered(caller: Caller, found: Talk) -> None:
    decided = await caller.until("input_audio_buffer.speech_stopped")
    found.first_audio_client.append(_ms(decided, await caller.until(FIRST_AUDIO)))


def _ms(since: float, at: float) -> float:
    return (at - since) * 1000


Measure = Callable[[], Awaitable[None]]
