"""Tokens of a brain that has none: four for every three words, the usual rule of thumb for
English. An estimate, so that budgets and displays work; nobody is billed by it."""

from __future__ import annotations

import msgspec

from ....protocol.server import Usage
from ...base import Question


def tokens(text: str) -> int:
    return -(-4 * len(text.split()) // 3)


def usage(question: Question, said: str) -> Usage:
    texts = [question.instructions, *(spec.description for spec in question.tools)]
    texts += [msgspec.json.encode(item).decode() for item in question.history]
    read, written = sum(map(tokens, texts)), tokens(said)
    return Usage(total_tokens=read + written, input_tokens=read, output_tokens=written)
