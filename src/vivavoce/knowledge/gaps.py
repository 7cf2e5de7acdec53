"""Group the questions that the knowledge could not answer by the words that they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from .normalize import terms

SHARED = 0.5  # of the content words of the shorter question, from which two ask about one subject
SHOWN = 3  # words that name a gap


class Gap(NamedTuple):
    """Questions about one subject, in their order. `words`: those that most of them share."""

    language: str
    words: tuple[str, ...]
    questions: tuple[str, ...]


def gaps(questions: Iterable[tuple[str, str]]) -> list[Gap]:
    """Return the gaps, the largest first. `questions`: each with its language.

    A question joins the first gap whose first question shares enough stems with it. So the result
    depends on the order, and its time is the number of questions times that of gaps.
    """
    found: list[tuple[str, frozenset[str], list[tuple[str, frozenset[str]]]]] = []
    for text, language in questions:
        base = language.partition("-")[0]
        stems = frozenset(terms(text, base))
        for other, first, members in found:
            if other == base and _alike(stems, first):
                members.append((text, stems))
                break
        else:
            found.append((base, stems, [(text, stems)]))
    ordered = sorted(found, key=lambda each: -len(each[2]))
    return [
        Gap(base, _words(members), tuple(text for text, _ in members))
        for base, _, members in ordered
    ]


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    shorter = min(len(one), len(other))
    return shorter > 0 and len(one & other) >= SHARED * shorter


def _words(members: list[tuple[str, frozenset[str]]]) -> tuple[str, ...]:
    counts = Counter(stem for _, stems in members for stem in sorted(stems))
    return tuple(stem for stem, _ in counts.most_common(SHOWN))
