"""Define the row of what a user thinks of a call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Score = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """Hold a thumb and one line. It is deleted with its call."""

    call_id: str
    score: Score
    text: str | None
    at: datetime


class Feedback(Protocol):
    """Keep at most one row for each call."""

    async def put(self, row: FeedbackRow) -> bool:
        """Store the feedback, in the place of an earlier one. Return False without the call."""

    async def of_calls(self, call_ids: Collection[str]) -> dict[str, FeedbackRow]:
        """Return the feedback of those calls that have some, by the id of the call."""
