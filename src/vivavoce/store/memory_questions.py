"""Keep questions in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from .base import page_size
from .questions import QuestionPage, QuestionRow


class MemoryQuestions:
    def __init__(self, has_item: Callable[[str, str], bool]) -> None:
        """`has_item` says whether a conversation has an item. A question is gone with its item."""
        self._has_item = has_item
        self._rows: dict[str, QuestionRow] = {}

    def put(self, rows: Iterable[QuestionRow]) -> None:
        self._rows |= {row.id: row for row in rows}

    def forget(self) -> None:
        """Remove the questions whose items are deleted."""
        self._rows = {
            name: row
            for name, row in self._rows.items()
            if self._has_item(row.conversation_id, row.item_id)
        }

    async def newest(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        unanswered: bool = False,
        before: str | None = None,
        limit: int = 20,
    ) -> QuestionPage:
        found = [
            row
            for row in self._rows.values()
            if (assistants is None or row.assistant in assistants)
            and subject in (None, row.subject)
            and not (unanswered and row.answered)
        ]
        found.sort(key=lambda row: (row.at, row.id), reverse=True)
        if before is not None:
            names = [row.id for row in found]
            found = found[names.index(before) + 1 :] if before in names else []
        size = page_size(limit)
        return QuestionPage(found[:size], has_more=len(found) > size)
