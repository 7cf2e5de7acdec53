"""The share of visitors' questions that Charlotte answers with the embedded brain.

A row of `charlotte_questions` has a kind, a question and what the answer must hold. `|` parts
alternatives. `?`: she asks for something. `tool argument`: she calls that tool.

The documents were written with a look at the answers to every other row, the first of each pair.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from vivavoce.assistants import SHIPPED, load
from vivavoce.knowledge import ingest
from vivavoce.tools.function_table import functions_of
from vivavoce_embedded.brain.responder import Responder
from vivavoce_embedded.brain.utterance import BrainReply

from ..engines.brain_talk import Talk
from ..support.folders import KNOWN

CHARLOTTE = load(SHIPPED / "charlotte", KNOWN)
TOOLS = tuple(each.spec for each in functions_of(CHARLOTTE) if not each.rules.roles)
BRAIN = Responder(
    ingest.read_files(CHARLOTTE.knowledge_files(), CHARLOTTE.languages).chunks,
    languages=CHARLOTTE.languages,
    name="Charlotte",
    now=lambda: datetime(2027, 5, 11, 9, 0),
)
ENOUGH = 60  # questions of a language
HITS = 0.9  # share of the questions with an answer
FALSE_ANSWERS = 1  # to the questions without one


class Question(NamedTuple):
    kind: str
    text: str
    expected: str


def questions(language: str) -> list[Question]:
    file = Path(__file__).parent / "charlotte_questions" / f"{language}.tsv"
    return [Question(*line.split("\t")) for line in file.read_text("utf-8").splitlines()]


def ask(question: Question, language: str) -> BrainReply:
    talk = Talk(*CHARLOTTE.tools(), *TOOLS, brain=BRAIN)
    talk.language = language
    return talk.say(question.text)


def is_right(question: Question, reply: BrainReply) -> bool:
    if question.kind == "unanswerable":
        return reply.kind == "unknown"
    if question.expected == "?":
        return reply.kind == "ask"
    given = reply.text
    if reply.kind == "call":
        given = " ".join([reply.name, *map(str, reply.arguments.values())])
    if question.kind == "tool":
        return given == question.expected
    return any(each.lower() in given.lower() for each in question.expected.split("|"))


@pytest.mark.parametrize("language", CHARLOTTE.languages)
def test_visitors_questions_are_answered_and_others_are_not(language: str) -> None:
    asked, right, wrong = questions(language), Counter[str](), []
    for question in asked:
        if is_right(question, reply := ask(question, language)):
            right[question.kind] += 1
        else:
            wrong.append((question.text, reply.kind, reply.text or reply.arguments))
    total = Counter(each.kind for each in asked)
    assert total.total() >= ENOUGH
    answerable = total.total() - total["unanswerable"]
    assert (right.total() - right["unanswerable"]) / answerable >= HITS, wrong
    assert total["unanswerable"] - right["unanswerable"] <= FALSE_ANSWERS, wrong
    assert right["tool"] == total["tool"], wrong
