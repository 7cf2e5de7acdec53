"""Keep feedback in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection

from .feedback import FeedbackRow


class MemoryFeedback:
    def __init__(self, has_call: Callable[[str], bool]) -> None:
        self._has_call = has_call
        self._rows: dict[str, FeedbackRow] = {}

    def forget_call(self, call_id: str) -> None:
        self._rows.pop(call_id, None)

    def score(self, call_id: str) -> str | None:
        """Return the score of a call, or None without feedback."""
        row = self._rows.get(call_id)
        return None if row is None else row.score

    async def put(self, row: FeedbackRow) -> bool:
        if not self._has_call(row.call_id):
            return False
        self._rows[row.call_id] = row
        return True

    async def of_calls(self, call_ids: Collection[str]) -> dict[str, FeedbackRow]:
        return {name: self._rows[name] for name in call_ids if name in self._rows}
