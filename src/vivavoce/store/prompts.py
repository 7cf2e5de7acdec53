"""Define the rows of prompts and of the variables that they are rendered from, and their verbs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .acts import AuditRow


@dataclass(frozen=True, slots=True)
class PromptRow:
    """Hold the instructions that the server rendered for a call.

    `number`: 0 for those that the call began with, then 1, 2, …
    """

    call_id: str
    number: int
    at: datetime
    role: str
    language: str
    instructions: str


class Prompts(Protocol):
    """Keep the values of variables for each assistant, and the prompts of each call."""

    async def variables(self, assistant: str) -> dict[str, str]:
        """Return the values that were set, by name, as text."""

    async def set_variables(
        self,
        assistant: str,
        values: Mapping[str, str | None],
        at: datetime,
        act: AuditRow | None = None,
    ) -> None:
        """Set these values, and keep the others. None removes a value. The act is stored too."""

    async def add(self, row: PromptRow, act: AuditRow | None = None) -> None:
        """Store a prompt of a running call. Its conversation has the language of its newest prompt.

        Raises `StoreError` for an unknown call.
        """

    async def of_call(self, call_id: str) -> list[PromptRow]:
        """Return the prompts of a call, the oldest first. They are deleted with the call."""
