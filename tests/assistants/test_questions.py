"""The share of written questions that the embedded brain answers for the mentor and the companion.

A row has a kind, a question and what the answer must hold. `call NAME VALUES`: it calls that tool
with these values, or without values with any. `?`: it asks for something first.

Phrases and documents were written before the questions. Then the failures of the even rows were
read and repaired, and the odd rows were left alone: they are reported separately.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from vivavoce.app.catalogue import check_assistant
from vivavoce.assistants import SHIPPED
from vivavoce.core.types import ToolSpec
from vivavoce.knowledge import ingest
from vivavoce.tools.function_table import functions_of
from vivavoce_embedded.brain.responder import Responder
from vivavoce_embedded.brain.utterance import BrainReply

from ..engines.brain_talk import Talk

FOLDER = Path(__file__).parent / "questions"
SETS = [(name, language) for name in ("mentor", "companion") for language in ("en", "es", "it")]
ENOUGH = 60  # questions of a language
HITS, FALSE_ANSWERS = 0.88, 0.06  # of those with an answer, of those without


class Question(NamedTuple):
    kind: str
    text: str
    expected: str


def questions(name: str, language: str) -> list[Question]:
    lines = (FOLDER / name / f"{language}.tsv").read_text("utf-8").splitlines()
    return [Question(*line.split("\t")) for line in lines]


@cache
def brain(name: str) -> tuple[Responder, tuple[ToolSpec, ...]]:
    assistant = check_assistant(SHIPPED / name).assistant
    files = ingest.read_files(assistant.knowledge_files(), assistant.languages)
    responder = Responder(
        files.chunks,
        languages=assistant.languages,
        name=assistant.title(),
        now=lambda: datetime(2027, 5, 11, 9, 0),
    )
    return responder, tuple(each.spec for each in functions_of(assistant))


def ask(name: str, language: str, question: Question) -> BrainReply:
    responder, tools = brain(name)
    talk = Talk(*tools, brain=responder)
    talk.language = language
    return talk.say(question.text)


def is_right(question: Question, reply: BrainReply) -> bool:
    if question.kind == "unanswerable":
        return reply.kind == "unknown"
    if question.expected == "?":
        return reply.kind == "ask"
    if not question.expected.startswith("call "):
        return reply.kind == "answer" and question.expected in reply.text
    tool, _, values = question.expected.removeprefix("call ").partition(" ")
    given = " ".join(map(str, reply.arguments.values()))
    return (reply.kind, reply.name) == ("call", tool) and given in (values, values or given)


def failures(name: str, language: str) -> list[tuple[int, Question, BrainReply]]:
    asked = [(row, each, ask(name, language, each))
             for row, each in enumerate(questions(name, language))]  # fmt: skip
    return [failed for failed in asked if not is_right(failed[1], failed[2])]


@pytest.mark.parametrize(("name", "language"), SETS)
def test_brain_answers_questions_and_refuses_the_unanswerable(name: str, language: str) -> None:
    total = Counter(each.kind for each in questions(name, language))
    failed = failures(name, language)
    wrong = Counter(question.kind for _, question, _ in failed)
    told = [(question.text, reply.kind, reply.name, reply.text) for _, question, reply in failed]
    assert total.total() >= ENOUGH
    answerable = total["easy"] + total["paraphrased"]
    assert 1 - (wrong["easy"] + wrong["paraphrased"]) / answerable >= HITS, told
    assert wrong["unanswerable"] / total["unanswerable"] <= FALSE_ANSWERS, told


def main() -> None:
    """Print the figures of docs/performance.md."""
    for name, language in SETS:
        asked, failed = questions(name, language), failures(name, language)
        figures = []
        for kind in ("easy", "paraphrased", "unanswerable"):
            for half in (0, 1):
                rows = [r for r, each in enumerate(asked) if each.kind == kind and r % 2 == half]
                bad = [row for row, *_ in failed if row in rows]
                figures.append(f"{len(rows) - len(bad)}/{len(rows)}")
        print(name, language, *figures)


if __name__ == "__main__":
    main()
