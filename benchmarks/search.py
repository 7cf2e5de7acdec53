"""Measure the time that the search adds between the end of a turn and the response.

    python -m benchmarks search

The questions of the embedded brain's sets are asked about a fair, by words alone and with vectors
of a server on loopback, which is another process and embeds by trigrams. The words of a question
become known one after another. With `while_speaking`, the search has begun with the words so far,
and the last ones are known 0.5 s before the turn ends. The time is that of `look_up`, for which the
response waits.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from vivavoce.app.adapters import Adapters, known
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import Assistant, load
from vivavoce.config import EmbeddingSection, Settings
from vivavoce.engines.passages import PassageSearch, SearchOptions
from vivavoce.knowledge import ingest
from vivavoce.knowledge.live import LiveKnowledge

from .figures import Target, figure, table, verdict
from .responder import DATA, SETS, cases

ADDED = Target(120, 120)
ADDED_SPEAKING = Target(1, 120)
MANY = 5000  # pieces, the most that an assistant has
TOML = 'name = "fair"\nlanguages = ["en", "it", "es"]\n[knowledge]\nembedding = "openai"\n'


@contextmanager
def embedding_server() -> Iterator[str]:
    """Serve `/v1/embeddings` from another process. Yield its address."""
    command = [sys.executable, "-m", "vivavoce.testing.scripted_server", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if found := re.search(r"http://[\d.]+:\d+", line):
                    yield f"{found[0]}/v1"
                    return
            raise RuntimeError("the server does not start")
        finally:
            server.terminate()


def written(folder: Path, pieces: int) -> Assistant:
    """Write an assistant that knows the fair, and filling up to this number of pieces."""
    place = folder / "fair"
    (place / "knowledge").mkdir(parents=True)
    (place / "assistant.toml").write_text(TOML)
    for path in DATA.iterdir():
        if path.suffix in (".md", ".csv"):
            (place / "knowledge" / path.name).write_bytes(path.read_bytes())
    assistant = load(place, known())
    there = len(ingest.read_files(assistant.knowledge_files(), assistant.languages).chunks)
    filling = [
        f"# Stand {n}\nStand {n} of hall {n % 7} shows number {n * 7919 % 10_007}."
        for n in range(pieces - there)
    ]
    (place / "knowledge/stands.md").write_text("\n\n".join(filling))
    return assistant


@asynccontextmanager
async def searching(
    assistant: Assistant, folder: Path, url: str, *, vectors: bool
) -> AsyncIterator[LiveKnowledge]:
    settings = Settings(embedding=EmbeddingSection(base_url=url, model="scripted"))
    chosen = assistant
    if not vectors:
        knowledge = assistant.knowledge.model_copy(update={"embedding": None})
        chosen = assistant.model_copy(update={"knowledge": knowledge})
    async with Adapters(settings, DataFolder(folder)) as adapters:
        live = await adapters.live_knowledge(chosen)
        if live.vectors is not None:
            await live.vectors.embed()
        yield live
        assert live.vectors is None or not live.vectors.problem, "a question had no vector"


async def added(live: LiveKnowledge, *, while_speaking: bool) -> list[float]:
    """Return for each question how many ms a response waits for the search."""
    times: list[float] = []
    for name in SETS:
        for language, question, _ in cases(name):
            said = "en" if language not in live.assistant.languages else language
            options = SearchOptions(budget_s=5.0, while_speaking=while_speaking)
            search = PassageSearch(live, said, options, revision=lambda: 1)
            words = question.split()
            for count in range(1, len(words) + 1) if while_speaking else ():
                await search.prepare(" ".join(words[:count]))
            began = time.perf_counter()
            await search.look_up(question)
            times.append((time.perf_counter() - began) * 1e3)
    return times


async def measure(pieces: int, url: str) -> list[list[str]]:
    rows = []
    with TemporaryDirectory() as place:
        folder = Path(place)
        assistant = written(folder, pieces)
        for vectors, speaking in ((False, False), (False, True), (True, False), (True, True)):
            async with searching(assistant, folder, url, vectors=vectors) as live:
                times = await added(live, while_speaking=speaking)
            target = ADDED_SPEAKING if speaking else ADDED
            by = "words and vectors" if vectors else "words alone"
            when = "on" if speaking else "off"
            good = verdict(times, target)
            rows.append([f"{by}, {pieces} pieces", when, figure(times), str(target), good])
    return rows


def main() -> str:
    with embedding_server() as url:
        asked = partial(measure, url=url)
        rows = [row for pieces in (500, MANY) for row in asyncio.run(asked(pieces))]
    head = ["search by", "`while_speaking`", "ms, median / p95", "target", "met"]
    return table(head, rows)
