"""Ask the coach a written set of questions, and hold docs/performance.md to the rates."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vivavoce.app.catalogue import load_shipped
from vivavoce.core.types import ToolSpec
from vivavoce.knowledge import ingest
from vivavoce.tools.function_table import functions_of
from vivavoce_embedded.brain.responder import Responder
from vivavoce_embedded.brain.utterance import BrainReply

from ..engines.brain_talk import Talk

QUESTIONS: dict[str, dict[str, list[list[Any]]]] = tomllib.loads(
    Path(__file__).with_name("coach_questions.toml").read_text("utf-8")
)
PAGE = (Path(__file__).parents[2] / "docs/performance.md").read_text("utf-8")
KINDS = ("easy", "paraphrased", "unanswerable")
HARMLESS = "search_player"  # it changes nothing, and says that it found no player

COACH = load_shipped("coach")
SPECS = [each.spec for each in functions_of(COACH)]
CHUNKS = ingest.read_files(COACH.knowledge_files(), COACH.languages).chunks
TITLES = {chunk.id: chunk.title for chunk in CHUNKS}
BRAIN = Responder(CHUNKS, languages=COACH.languages, name="Coach")


def without_phrases(spec: ToolSpec) -> ToolSpec:
    kept = {key: value for key, value in spec.parameters.items() if key != "x-examples"}
    return msgspec.structs.replace(spec, parameters=kept)


def ask(words: str, language: str, *, phrases: bool = True) -> BrainReply:
    talk = Talk(*(SPECS if phrases else map(without_phrases, SPECS)), brain=BRAIN)
    talk.language = language
    return talk.say(words)


def is_right(reply: BrainReply, wanted: list[Any]) -> bool:
    if len(wanted) == 1:
        return reply.kind in ("unknown", "small")
    if len(wanted) == 2:
        return bool(TITLES.get(reply.chunk_id or "") == wanted[1])
    return reply.kind == "call" and (reply.name, reply.arguments) == (wanted[1], wanted[2])


def is_false(reply: BrainReply, wanted: list[Any]) -> bool:
    """Return whether the coach does or says something else than what was wanted."""
    did = reply.kind == "answer" or (reply.kind == "call" and reply.name != HARMLESS)
    return did and not is_right(reply, wanted)


@cache
def rates(language: str, kind: str, phrases: bool) -> tuple[int, int, int]:
    """Return how many are right and how many false, among how many."""
    asked = QUESTIONS[language][kind]
    replies = [(ask(words, language, phrases=phrases), [words, *more]) for words, *more in asked]
    right = sum(is_right(reply, wanted) for reply, wanted in replies)
    return right, sum(is_false(reply, wanted) for reply, wanted in replies), len(asked)


@pytest.mark.parametrize("language", ["en", "it"])
def test_there_are_sixty_different_questions(language: str) -> None:
    words = [each[0] for kind in KINDS for each in QUESTIONS[language][kind]]
    assert len(set(words)) == len(words) >= 60


@pytest.mark.parametrize("language", ["en", "it"])
def test_easy_questions_are_all_answered(language: str) -> None:
    missed = [
        w for w, *more in QUESTIONS[language]["easy"] if not is_right(ask(w, language), [w, *more])
    ]
    assert missed == []


@pytest.mark.parametrize("language", ["en", "it"])
def test_the_page_has_the_rates(language: str) -> None:
    for kind in KINDS:
        (before, wrong_before, among), (right, wrong, _) = (
            rates(language, kind, phrases) for phrases in (False, True)
        )
        cells = [language, kind, among, before, wrong_before, right, wrong]
        row = "| " + " | ".join(map(str, cells)) + " |"
        assert row in re.sub(r" +", " ", PAGE), row
