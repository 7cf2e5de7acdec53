"""Select the conversations in which people said all words of a search.

The content of an item is JSON text. So a pattern begins at the key of a part's text: names of other
fields are not found. No index helps with parts of words, so a search reads at most `SEARCHED`
conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from ..base import SEARCHED_MESSAGE
from .schema import conversations, items

ESCAPE = "\\"
KEYS = ('"text":"', '"transcript":"')


def saying(query: Select[Any], newest: Select[Any], words: Sequence[str]) -> Select[Any]:
    """Keep those among `newest` with all words in the title, or in one message."""
    message = exists().where(
        items.c.conversation_id == conversations.c.id,
        items.c.type == "message",
        items.c.role.in_(("user", "assistant")),
        func.length(items.c.content) <= SEARCHED_MESSAGE,
        *(_in_content(word) for word in words),
    )
    title = and_(*(conversations.c.title.ilike(f"%{_literal(w)}%", escape=ESCAPE) for w in words))
    found = newest.subquery()
    return query.where(conversations.c.id.in_(select(found.c.id)), or_(title, message))


def _in_content(word: str) -> ColumnElement[bool]:
    written = _literal(msgspec.json.encode(word).decode()[1:-1])
    patterns = (f"%{_literal(key)}%{written}%" for key in KEYS)
    return or_(*(items.c.content.ilike(pattern, escape=ESCAPE) for pattern in patterns))


def _literal(text: str) -> str:
    """Escape what has a meaning in a pattern."""
    for sign in (ESCAPE, "%", "_"):
        text = text.replace(sign, ESCAPE + sign)
    return text
