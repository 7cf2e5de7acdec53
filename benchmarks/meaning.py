"""Measure what vectors of a real model add to the search by words.

    python -m benchmarks meaning FOLDER     (of an ONNX model, such as .setup/e5)

The questions are those of Charlotte's visitors and of the fair, about their knowledge. A question
is found if a passage holds the expected text. `min_score` is the lowest one that lets a passage
pass for at most a tenth of the unanswerable questions. It is chosen by every other question, and
the rest is counted.

"It about English" are Charlotte's Italian questions about her English documents alone. The right
piece is the one in the same place as the Italian piece with the expected text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from vivavoce.app.adapters import Adapters, known
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import SHIPPED, load
from vivavoce.config import Settings
from vivavoce.engines.registry import installed
from vivavoce.knowledge.base import Passage
from vivavoce.knowledge.chunk_vectors import text_of
from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.live import LiveKnowledge

from .figures import table
from .responder import DATA, SETS, cases

CHARLOTTE = Path(__file__).parent.parent / "tests/assistants/charlotte_questions"
LANGUAGES = ("en", "it", "es")
PASSAGES = 4
FALSE = 0.1  # of the unanswerable questions, while `min_score` is chosen
STEPS = [step / 50 for step in range(51)]
E5 = {"query_prefix": "query: ", "passage_prefix": "passage: "}


class Question(NamedTuple):
    """`right`: what a passage must hold, one of them; none if there is no answer."""

    group: str
    language: str
    text: str
    right: tuple[str, ...]


class Found(NamedTuple):
    """The rank of the first right passage, its score, and the best score of all."""

    rank: int | None
    right: float
    best: float


def charlotte() -> Iterator[Question]:
    for language in LANGUAGES:
        for line in (CHARLOTTE / f"{language}.tsv").read_text("utf-8").splitlines():
            kind, text, expected = line.split("\t")
            if kind != "tool" and expected != "?":
                right = tuple(expected.lower().split("|")) if expected else ()
                yield Question(f"Charlotte, {kind}", language, text, right)


def fair() -> Iterator[Question]:
    names = {"dev": "easy", "held_out": "easy", "hard": "paraphrased", "noisy": "misheard"}
    for name in SETS:
        for language, text, expected in cases(name):
            kind = "unanswerable" if expected == "?" else names[name]
            right = () if expected == "?" else (expected.lower(),)
            yield Question(f"fair, {kind}", language, text, right)


def about_english(chunks: Sequence[Chunk]) -> Iterator[Question]:
    """Ask about the pieces in English that stand where the right pieces of a language stand."""
    places = {
        language: [each for each in chunks if each.language == language] for language in LANGUAGES
    }
    for each in charlotte():
        if each.language != "en":
            pairs = zip(places[each.language], places["en"], strict=True)
            twins = [there.text.lower() for here, there in pairs if holds(here, each.right)]
            if twins or not each.right:
                kind = each.group.rpartition(" ")[2]
                group = f"Charlotte, {each.language} about English, {kind}"
                yield each._replace(group=group, right=tuple(twins))


def holds(piece: Chunk | Passage, right: Sequence[str]) -> bool:
    text = f"{piece.title}\n{piece.text}".lower()
    return any(each in text for each in right)


def written(folder: Path, name: str, sources: Sequence[Path], languages: Sequence[str]) -> Path:
    place = folder / name
    (place / "knowledge").mkdir(parents=True)
    told = ", ".join(f'"{each}"' for each in languages)
    toml = f'name = "{name}"\nlanguages = [{told}]\nknowledge.embedding = "onnx"\n'
    (place / "assistant.toml").write_text(toml)
    for path in sources:
        (place / "knowledge" / path.name).write_bytes(path.read_bytes())
    return place


@asynccontextmanager
async def searching(place: Path, model: str, *, vectors: bool) -> AsyncIterator[LiveKnowledge]:
    options = {"folder": model, **(E5 if "e5" in model else {})}
    settings = Settings.model_validate({"adapters": {"onnx": options}})
    installed().check(settings, "benchmarks")
    assistant = load(place, known())
    if not vectors:
        knowledge = assistant.knowledge.model_copy(update={"embedding": None})
        assistant = assistant.model_copy(update={"knowledge": knowledge})
    async with Adapters(settings, DataFolder(place)) as adapters:
        live = await adapters.live_knowledge(assistant)
        if live.vectors is not None:
            await live.vectors.embed()
        yield live


async def ask(live: LiveKnowledge, questions: Sequence[Question]) -> tuple[list[Found], float]:
    """Return what was found, and the median time of a question in ms."""
    results, times = [], []
    for each in questions:
        began = time.perf_counter()
        passages = await live.search(each.text, each.language, PASSAGES)
        times.append((time.perf_counter() - began) * 1e3)
        ranks = [rank for rank, piece in enumerate(passages, 1) if holds(piece, each.right)]
        first = ranks[0] if ranks else None
        right = passages[first - 1].score if first else 0.0
        results.append(Found(first, right, passages[0].score if passages else 0.0))
    return results, median(times)


def ranked(found: Sequence[Found]) -> str:
    first = sum(each.rank == 1 for each in found)
    return f"{first} / {sum(each.rank is not None for each in found)}"


def at_lowest_score(found: Sequence[Found], questions: Sequence[Question]) -> list[str]:
    """Choose `min_score` by every other question. Count the others: found, and false answers."""
    pairs = list(zip(questions, found, strict=True))
    none = [each.best for question, each in pairs[::2] if not question.right]
    passing = (s for s in STEPS if sum(best >= s for best in none) <= FALSE * len(none))
    lowest = next(passing, 1.0)
    answered = [each.right >= lowest for question, each in pairs[1::2] if question.right]
    false = [each.best >= lowest for question, each in pairs[1::2] if not question.right]
    return [f"{lowest:.2f}", f"{sum(answered)} of {len(answered)}", f"{sum(false)} of {len(false)}"]


async def measure(
    place: Path, model: str, questions: Sequence[Question], name: str
) -> tuple[list[list[str]], list[list[str]], str]:
    results, times, half = [], [], []
    for vectors in (False, True):
        async with searching(place, model, vectors=vectors) as live:
            found, ms = await ask(live, questions)
        results.append(found)
        times.append(f"{ms:.1f}")
        by = "words and vectors" if vectors else "words alone"
        half.append([name, by, *at_lowest_score(found, questions)])
    rows = []
    groups = dict.fromkeys((each.group, each.language) for each in questions if each.right)
    for group, language in groups:
        of = [
            n
            for n, each in enumerate(questions)
            if (each.group, each.language) == (group, language)
        ]
        counted = [ranked([found[n] for n in of]) for found in results]
        shown = group if "about" in group else f"{group}, {language}"
        rows.append([shown, str(len(of)), *counted])
    return rows, half, f"{name} {' and '.join(times)}"


async def embedded(place: Path, model: str) -> float:
    """Return how many seconds a thousand pieces take."""
    async with searching(place, model, vectors=True) as live:
        assert live.vectors is not None
        texts = [text_of(each) for each in live.snapshot.chunks]
        began = time.perf_counter()
        await live.vectors._embedder.embed(texts, "passage")
        return (time.perf_counter() - began) / len(texts) * 1000


async def run(model: str) -> str:
    documents = sorted((SHIPPED / "charlotte/knowledge").iterdir())
    english = [each for each in documents if not each.stem.endswith((".it", ".es"))]
    with TemporaryDirectory() as folder:
        whole = written(Path(folder), "charlotte", documents, LANGUAGES)
        alone = written(Path(folder), "english", english, ["en"])
        stands = [each for each in DATA.iterdir() if each.suffix in (".md", ".csv")]
        aurora = written(Path(folder), "fair", stands, LANGUAGES)
        async with searching(whole, model, vectors=False) as live:
            chunks = live.snapshot.chunks
        parts = [
            await measure(whole, model, list(charlotte()), "Charlotte"),
            await measure(aurora, model, list(fair()), "the fair"),
            await measure(alone, model, list(about_english(chunks)), "Charlotte about English"),
        ]
        seconds = await embedded(whole, model)
    head = ["right passage first / in the first four", "of", "words alone", "words and vectors"]
    halves = ["every other question", "search by", "`min_score`", "found", "false answers"]
    return "\n\n".join(
        [
            table(head, [row for rows, _, _ in parts for row in rows]),
            table(halves, [row for _, half, _ in parts for row in half]),
            f"A search took, by words alone and with vectors, in ms: "
            f"{', '.join(took for _, _, took in parts)}. "
            f"A thousand pieces take {seconds:.0f} s to embed.",
        ]
    )


def main(model: str) -> str:
    return asyncio.run(run(str(Path(model).absolute())))
