"""The questions of a call, and whether the assistant's knowledge had an answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ..knowledge.base import KnowledgeUse
from ..knowledge.normalize import terms
from ..store.questions import QuestionRow
from .call_spec import CallSpec

CHARACTERS = 2000  # of a question; the rest is not stored


class AskedQuestions:
    """Makes a row of each question of one call."""

    def __init__(
        self,
        spec: CallSpec,
        store: Callable[[QuestionRow], None],
        make_id: Callable[[str], str],
        now: Callable[[], datetime],
    ) -> None:
        """`store` takes the rows. It must not wait."""
        self.language = spec.language  # changes with that of the call
        self._spec = spec
        self._store = store
        self._make_id = make_id
        self._now = now
        self._last: tuple[str, str] | None = None  # the item that asked last, and its question's id

    def note(self, use: KnowledgeUse, item_id: str | None) -> None:
        """Store the question of an item, unless the words have no content: "thank you".

        A second answer to the same item replaces the first one.
        """
        language = self.language
        words = use.question[:CHARACTERS]
        if use.answered is None or item_id is None or not terms(words, language.partition("-")[0]):
            return
        if self._last is None or self._last[0] != item_id:
            self._last = item_id, self._make_id("ques")
        self._store(
            QuestionRow(
                id=self._last[1],
                at=self._now(),
                conversation_id=self._spec.conversation_id,
                call_id=self._spec.call_id,
                item_id=item_id,
                assistant=self._spec.assistant.name,
                subject=self._spec.caller.subject,
                language=language,
                text=words,
                score=None if use.score is None else round(use.score, 3),
                answered=use.answered,
            )
        )
