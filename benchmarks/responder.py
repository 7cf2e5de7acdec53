"""Measure how well and how fast the embedded brain answers.

    python -m benchmarks responder [SET …]     (lists the wrong answers of a set)

Every question is asked without a history. It is right if the answer holds the expected words,
wrong if it says something else, and honest if it says that it does not know.
The rules were tuned with `dev`, `noisy` and `hard`, whose questions are paraphrased or ask for a
fact that is not there. `held_out` was written with `dev`, before any tuning, and only its totals
were read.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import Counter
from pathlib import Path
from statistics import median

from vivavoce.engines.base import GenerateRequest
from vivavoce.file_reading import FolderFile
from vivavoce.knowledge import ingest
from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.normalize import LANGUAGES
from vivavoce.protocol.items import Message, Part
from vivavoce_embedded.brain.brain import ExtractiveBrain
from vivavoce_embedded.brain.excerpt import excerpt
from vivavoce_embedded.brain.responder import Responder
from vivavoce_embedded.brain.workers import Knowledge, Workers

DATA = Path(__file__).parent.parent / "tests" / "engines" / "brain_data"
SETS = ("dev", "noisy", "hard", "held_out")
NOW = dt.datetime(2027, 6, 16, 9, 0)


def known() -> tuple[Chunk, ...]:
    names = [path.name for path in DATA.iterdir() if path.suffix in (".md", ".csv")]
    return ingest.read_files([FolderFile(DATA, name) for name in names], LANGUAGES).chunks


def fair() -> Responder:
    return Responder(known(), languages=LANGUAGES, name="Aurora", now=lambda: NOW)


def asked(text: str) -> GenerateRequest:
    message = Message(role="user", content=(Part(type="input_text", text=text),))
    return GenerateRequest(instructions="", history=(message,))


def cases(name: str) -> list[tuple[str, str, str]]:
    lines = (DATA / f"{name}.tsv").read_text("utf-8").splitlines()
    return [(case[0], case[1], case[2]) for case in (line.split("\t") for line in lines)]


def score(brain: Responder, name: str, show: bool = False) -> dict[str, Counter[str]]:
    """Count the outcomes for each language, and for questions without an answer."""
    table: dict[str, Counter[str]] = {}
    for language, text, expected in cases(name):
        reply = brain.reply(excerpt(asked(text)))
        unknown = reply.kind == "unknown"
        good = unknown if expected == "?" else expected in reply.text
        outcome = "right" if good else "honest" if unknown else "wrong"
        table.setdefault("out of scope" if expected == "?" else language, Counter())[outcome] += 1
        if show and not good:
            print(f"   {outcome:6} {text}  ->  {reply.text}  ({reply.chunk_id})")
    return table


async def asked_in_a_process() -> list[float]:
    """Measure the same questions in ms in a worker process, as for calls."""
    times: list[float] = []
    async with Workers(1) as workers:
        knowledge = Knowledge(known(), LANGUAGES, "Aurora")
        await workers.warm(knowledge)
        brain = ExtractiveBrain(workers, knowledge, now=lambda: NOW)
        for _, text, _ in (case for name in SETS for case in cases(name)):
            began = time.perf_counter()
            async for _ in brain.generate(asked(text)):
                pass
            times.append((time.perf_counter() - began) * 1e3)
    return sorted(times)


def main(*shown: str) -> None:
    began = time.perf_counter()
    brain = fair()
    built = (time.perf_counter() - began) * 1e3
    print(f"{'set':10}{'questions':14}{'right':>7}{'honest':>8}{'wrong':>7}")
    for name in SETS:
        for group, outcomes in score(brain, name, show=name in shown).items():
            print(f"{name:10}{group:14}", end="")
            print(f"{outcomes['right']:4}/{outcomes.total()}", end="")
            print(f"{outcomes['honest']:8}{outcomes['wrong']:7}")
    times = []
    for _, text, _ in (case for name in SETS for case in cases(name)):
        began = time.perf_counter()
        brain.reply(excerpt(asked(text)))
        times.append((time.perf_counter() - began) * 1e3)
    times.sort()
    print(f"index built in {built:.0f} ms; a question takes {median(times):.2f} ms, ", end="")
    print(f"p95 {times[int(len(times) * 0.95)]:.2f} ms, at most {times[-1]:.2f} ms")
    times = asyncio.run(asked_in_a_process())
    print(f"asked in a process {median(times):.2f} ms, p95 {times[int(len(times) * 0.95)]:.2f} ms")
