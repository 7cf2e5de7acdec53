"""Add callers until the server refuses new calls, with and without that limit.

`python -m benchmarks ramp [PEOPLE]`. A new caller arrives every two seconds. Then all stay for half
a minute, which is measured. There are two processes of callers, because one would be late itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import httpx2
import msgspec

from . import figures
from .caller import CLOCK
from .crowd import Found, Turn
from .figures import figure, number, table
from .serving import Served, environment, folder, serve

PEOPLE, EVERY_S, STAY_S = 40, 2.0, 30.0
PROCESSES = 2
SETTLE_S = 3.0
FALTERS_MS = 20.0
ON = {"VIVAVOCE_CALLS__OVERLOAD_LAG_MS": "20", "VIVAVOCE_CALLS__OVERLOAD_WAIT_S": "2"}
OFF = {"VIVAVOCE_CALLS__OVERLOAD_LAG_MS": "0", "VIVAVOCE_CALLS__OVERLOAD_WAIT_S": "0"}


@dataclass
class Ramp:
    found: Found
    talking: int
    cpu_main: float  # of one core, while all callers stay
    cpu_children: float
    stay: float  # the time at which the last caller has arrived
    strained: str


def run(people: int, **environ: str) -> Ramp:
    with folder() as data, serve(data, **environ) as served:
        key = served.key()
        begin = CLOCK() + SETTLE_S + 2
        stay = begin + people * EVERY_S
        end = stay + STAY_S
        processes = [_crowd(served, key, place, people, begin, end) for place in range(PROCESSES)]
        _wait(stay)
        before, since = served.cost(), CLOCK()
        _wait(end - 1)
        used, seconds = served.cost() - before, CLOCK() - since
        talking, strained = _scrape(served, key)
        parts = [msgspec.json.decode(p.communicate(timeout=60)[0], type=Found) for p in processes]
    whole = Found(
        turns=[turn for part in parts for turn in part.turns],
        came=[at for part in parts for at in part.came],
        busy=[told for part in parts for told in part.busy],
        lost=[why for part in parts for why in part.lost],
        late_ms=[late for part in parts for late in part.late_ms],
    )
    return Ramp(whole, talking, used.main / seconds, used.children / seconds, stay, strained)


def _crowd(
    served: Served, key: str, place: int, people: int, begin: float, end: float
) -> subprocess.Popen[str]:
    numbers = (place, PROCESSES, people, EVERY_S, begin, end)
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.crowd", served.ws(), key, *map(str, numbers)],
        env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _wait(until: float) -> None:
    time.sleep(max(0.0, until - CLOCK()))


def _scrape(served: Served, key: str) -> tuple[int, str]:
    """Return the number of calls on the server, and its load signals."""
    headers = {"Authorization": f"Bearer {key}"}
    text = httpx2.get(f"{served.url}/metrics", headers=headers, timeout=60).text
    live = re.search(r"^vivavoce_calls_live (\S+)", text, re.MULTILINE)
    strained = re.findall(r'^vivavoce_overloaded\{signal="(\w+)"\} 1', text, re.MULTILINE)
    return round(float(live[1])) if live else 0, ", ".join(strained)


def compared(ramps: list[Ramp]) -> str:
    turns = [[turn for turn in ramp.found.turns if turn.at > ramp.stay] for ramp in ramps]
    answered = [[t for t in each if t.first_ms is not None] for each in turns]

    def row(name: str, values: Iterable[object]) -> list[str]:
        return [name, *map(str, values)]

    found = [ramp.found for ramp in ramps]
    rows = [
        row("talking at once, when all stay", [ramp.talking for ramp in ramps]),
        row("told that all lines are busy", [len(each.busy) for each in found]),
        row("— and to try again in, s", [figure(each.busy) for each in found]),
        row("last word of a question → first sound, ms", map(_first, answered)),
        row("questions without an answer", [_share(t.first_ms is None for t in e) for e in turns]),
        row(
            "answers that faltered", [_share(t.silent_ms > FALTERS_MS for t in e) for e in answered]
        ),
        row("calls lost", [len(each.lost) for each in found]),
        row("CPU of the server, % of a core", [number(ramp.cpu_main * 100) for ramp in ramps]),
        row("CPU of recognisers and voice, %", [number(r.cpu_children * 100) for r in ramps]),
        row("strained at the end", [ramp.strained or figures.NONE for ramp in ramps]),
        row("(our own microphones late by, ms)", [figure(each.late_ms) for each in found]),
    ]
    return table(["median / p95", "everybody admitted", "as it is"], rows)


def _first(turns: list[Turn]) -> str:
    return figure([turn.first_ms for turn in turns if turn.first_ms is not None])


def _share(them: Iterable[bool]) -> str:
    found = list(them)
    return f"{sum(found)} of {len(found)}"


def main(people: str = str(PEOPLE)) -> str:
    ramps = [run(int(people), **environ) for environ in (OFF, ON)]
    for ramp in ramps:
        for why in ramp.found.lost[:3]:
            print(f"lost: {why}", file=sys.stderr)
    return compared(ramps)
