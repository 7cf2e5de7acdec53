"""Search the words of conversations in memory, as the SQL store does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..protocol.items import Message
from .base import SEARCHED_MESSAGE, ConversationRow, ItemRow
from .changes import encode_row


def texts(row: ConversationRow, items: Iterable[ItemRow]) -> Iterator[str]:
    """Yield the title, and the text of each message of the user and of the assistant."""
    yield row.title or ""
    for found in items:
        match found.item:
            case Message(role="user" | "assistant", content=content):
                if len(encode_row(found)["content"]) <= SEARCHED_MESSAGE:
                    yield " ".join(part.text or part.transcript or "" for part in content)


def has_all(text: str, words: Sequence[str]) -> bool:
    """Return whether the text has each word, or a longer word with it."""
    lower = _lower(text)
    return all(_lower(word) in lower for word in words)


def _lower(text: str) -> str:
    """Make ASCII letters small, as SQLite does."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)
