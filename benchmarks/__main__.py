"""`python -m benchmarks`: measure the tables of docs/performance.md, in less than three minutes."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import figures, idle, startup
from .figures import Target, figure, table, verdict
from .idle import Idle
from .serving import folder, serve
from .startup import Start
from .talk import RUN_AHEAD_S, Talk, talk

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
SMALL = (
    "codec",
    "seam",
    "frame",
    "commit",
    "responder",
    "ramp",
    "turns",
    "soak",
    "pairs",
    "page",
    "webrtc",
    "search",
    "meaning",
)
CYCLES = {1: 5, 4: 3, 8: 2}

FIRST_AUDIO = Target(50, 150)
BARGE_IN = Target(150)
CANCEL = Target(50)
LISTENING = Target(1500)
RELAYED = Target(80)


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


async def measure(calls: Sequence[int]) -> tuple[list[Start], list[Talk], Idle]:
    with folder() as data:
        say("starting a server three times")
        starts = await startup.measure(data)
        environ = {"VIVAVOCE_CALLS__RUN_AHEAD_S": RUN_AHEAD_S}
        with serve(data, **environ) as served:
            key = served.key()
            say("one turn that is not counted")
            await startup.first_answer(served, key)
            talks = []
            for count in calls:
                say(f"{count} talking")
                talks.append(await talk(served, key, count, CYCLES.get(count, 2)))
        say("idle calls")
        with serve(data) as served:
            quiet = await idle.measure(served, key)
    return starts, talks, quiet


def talking(talks: Sequence[Talk]) -> str:
    def row(name: str, values: list[list[float]], target: Target | None = None) -> list[str]:
        good = verdict(values[0], target)
        return [name, *map(figure, values), str(target or ""), good]

    def stage(name: str) -> list[list[float]]:
        return [t.stages.get(name, []) for t in talks]

    first = [t.first_audio_server for t in talks]
    rows = [
        row("end of speech decided → first audio byte, by the server's store", first, FIRST_AUDIO),
        row("the same, at the client's socket", [t.first_audio_client for t in talks]),
        row("— of it: the recogniser's last words", stage("stt_ms")),
        row("— of it: the brain, to its first sentence", stage("brain_ms")),
        row("— of it: the voice, to its first sound", stage("tts_ms")),
        row("onset of speech → last audio byte", [t.onset_to_silence for t in talks], BARGE_IN),
        row("— of it: until `speech_started` arrives", [t.onset_to_started for t in talks]),
        row("`response.cancel` → silence", [t.cancel_to_silence for t in talks], CANCEL),
        row("CPU of the server per call, % of a core", [[t.cpu_main * 100] for t in talks]),
        row("CPU of recogniser and voice per call, %", [[t.cpu_children * 100] for t in talks]),
        row("(our own microphones late by)", [t.microphone_late for t in talks]),
    ]
    count = ["1 call", *(f"{t.calls} calls" for t in talks[1:])]
    return table(["ms, median / p95", *count, "target, 1 call", "met"], rows)


def resting(starts: Sequence[Start], quiet: Idle) -> str:
    def row(name: str, values: list[float], target: Target | None = None) -> list[str]:
        return [name, figure(values), str(target or ""), verdict(values, target)]

    rows = [
        row("`serve` → listening, ms", [s.listening_ms for s in starts], LISTENING),
        row("`serve` → first call has its session, ms", [s.session_ms for s in starts]),
        row("`serve` → nothing left to load, ms", [s.warm_ms for s in starts]),
        row("CPU of all that, ms", [s.cpu_ms for s in starts]),
        row("`keys create`, a whole process, ms", [s.key_ms for s in starts]),
        row("memory of a server that is warm, MB", [quiet.server_kb / 1024]),
        row("memory per idle call, kB", [quiet.call_kb]),
        row("memory per call whose microphone is open, kB", [quiet.microphone_kb]),
        row("memory per idle relayed call, kB", [quiet.relayed_kb], RELAYED),
    ]
    return table(["", "measured", "target", "met"], rows)


def machine() -> Iterator[str]:
    yield f"Python {platform.python_version()}"
    yield f"{os.cpu_count()} × {_processor()}"
    yield f"{platform.system()} {platform.release().split('-')[0]}"
    yield "load average {:.1f}, {:.1f}, {:.1f} when it ended".format(*os.getloadavg())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    words.add_argument("small", nargs="?", choices=SMALL, help="one part alone")
    words.add_argument("rest", nargs="*", help="what that part takes")
    words.add_argument("--calls", default="1,4,8", help="how many talk at once")
    words.add_argument("--write", action="store_true", help="put the tables into the document")
    chosen = words.parse_args()
    name = chosen.small or "benchmark"
    if chosen.write:  # before the measurements, which take minutes
        try:
            figures.between(DOCUMENT.read_text("utf-8"), "", name)
        except ValueError as error:
            words.error(f"argument --write: {error}")
    began = time.monotonic()
    if chosen.small:
        tables = importlib.import_module(f"benchmarks.{chosen.small}").main(*chosen.rest)
        if tables is None:
            return
    else:
        starts, talks, quiet = asyncio.run(measure([int(n) for n in chosen.calls.split(",")]))
        tables = "\n\n".join([talking(talks), resting(starts, quiet)])
    command = "make bench"
    if given := [word for word in sys.argv[1:] if word != "--write"]:
        command += f" ARGS='{' '.join(given)}'"
    took = f"Made by `{command}` in {time.monotonic() - began:.0f} s: {', '.join(machine())}."
    made = f"{took}\n\n{tables}"
    print(made)
    if chosen.write:
        text = DOCUMENT.read_text("utf-8")
        DOCUMENT.write_text(figures.between(text, made, name), "utf-8")


if __name__ == "__main__":
    main()
