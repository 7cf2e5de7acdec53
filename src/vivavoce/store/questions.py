"""Define the row of a question that an assistant's knowledge was asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    """Hold one question. It is deleted with the user's item that asked it.

    `answered`: whether the knowledge had an answer. `score`: of the best passage, also of one that
    was left out; None: nothing was found.
    """

    id: str  # `ques_…`
    at: datetime
    conversation_id: str
    call_id: str
    item_id: str
    assistant: str
    subject: str | None
    language: str
    text: str
    score: float | None
    answered: bool


@dataclass(frozen=True, slots=True)
class QuestionPage:
    """Hold questions, the newest first, with the paging of `ConversationPage`."""

    data: list[QuestionRow] = field(default_factory=list)
    has_more: bool = False


class Questions(Protocol):
    """Find questions. `Store.commit` writes them, as a part of a `Change`."""

    async def newest(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        unanswered: bool = False,
        before: str | None = None,
        limit: int = 20,
    ) -> QuestionPage:
        """List the questions to these assistants, and of this user. None: any.

        `unanswered`: only those without an answer.
        """
