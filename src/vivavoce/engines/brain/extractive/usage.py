"""Tokens of a brain that has none: four for every three words, the usual rule of thumb for
English. An estimate, so that budgets and displays work; nobody is billed by it."""

from __future__ import annotations

import msgspec

from ....protocol.items import FunctionCall, FunctionOutput, Item, Message
from ....protocol.server import InputTokens, OutputTokens, Usage
from ...base import Question
from .dialogue import text_of


def tokens(text: str) -> int:
    return -(-4 * len(text.split()) // 3)


def usage(question: Question, said: str) -> Usage:
    declared = msgspec.json.encode(question.tools).decode() if question.tools else ""
    read = tokens(question.instructions) + tokens(declared)
    read += sum(tokens(_content(item)) for item in question.history)
    written = tokens(said)
    return Usage(
        total_tokens=read + written,
        input_tokens=read,
        output_tokens=written,
        input_token_details=InputTokens(text_tokens=read),
        output_token_details=OutputTokens(text_tokens=written),
    )


def _content(item: Item) -> str:
    match item:
        case Message():
            return text_of(item)
        case FunctionCall():
            return f"{item.name} {item.arguments}"
        case FunctionOutput():
            return item.output
        case _:
            return ""
