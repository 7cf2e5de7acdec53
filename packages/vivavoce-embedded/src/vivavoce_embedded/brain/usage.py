"""Estimate tokens: four for every three words, the usual rule of thumb for English.

The brain has no tokens of its own. The estimate serves budgets and displays, not bills.
"""

from __future__ import annotations

from collections.abc import Iterable

from vivavoce.engines.base import GenerateRequest
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message
from vivavoce.protocol.server import Usage

from .dialogue import PARTS

COUNTED = 65_536  # characters whose words are counted; the words of more are guessed
CHARACTERS = 6  # of a word and its space, where words are guessed


def of_words(words: int) -> int:
    return -(-4 * words // 3)


def usage(question: GenerateRequest, tools: Iterable[bytes], said: str) -> Usage:
    """`tools`: as they were read. `said`: all that was answered."""
    counter = _Counter()
    read = counter.tokens(question.instructions)
    read += sum(counter.tokens(tool.decode()) for tool in tools)
    for item in question.history:
        read += counter.content(item)
    return Usage.of_text(read, of_words(len(said.split())))


class _Counter:
    """Count the words of a short text, and estimate those of a long one by its length.

    This runs on the event loop.
    """

    def __init__(self) -> None:
        self._room = COUNTED

    def tokens(self, text: str) -> int:
        counted = text[: self._room]
        self._room -= len(counted)
        return of_words(len(counted.split()) + (len(text) - len(counted)) // CHARACTERS)

    def content(self, item: Item) -> int:
        match item:
            case Message():
                return sum(self.tokens(_text(part)) for part in item.content[:PARTS])
            case FunctionCall():
                return self.tokens(item.name) + self.tokens(item.arguments)
            case FunctionOutput():
                return self.tokens(item.output)
            case _:
                return 0


def _text(part: object) -> str:
    text = getattr(part, "text", None) or getattr(part, "transcript", None)
    return text if isinstance(text, str) else ""
