"""The prompt of a call: its sources, and how it changes while the call runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..assistants import Assistant
from ..errors import EngineError
from ..store.base import AuditRow
from ..store.prompts import PromptRow, Prompts


@dataclass(frozen=True, slots=True)
class PromptChoice:
    """Hold the sources of a prompt.

    `variables` are those that the call itself was given. They win over `stored`, the values that
    an operator has set for all calls of the assistant.
    """

    role: str
    language: str
    variables: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it was rendered. `values`: of all variables, with their types."""

    role: str
    language: str
    values: Mapping[str, object]
    instructions: str

    def row(self, call_id: str, number: int, at: datetime) -> PromptRow:
        """Return it as the store keeps it."""
        return PromptRow(call_id, number, at, self.role, self.language, self.instructions)


@dataclass(frozen=True, slots=True)
class ChoiceChanges:
    """Changes of a choice, which are valid for the assistant. None: no change.

    `variables` are added to those of the call, `stored` replaces the operator's.
    """

    role: str | None = None
    language: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] | None = None

    def applied(self, before: PromptChoice) -> PromptChoice:
        """Return the changed choice."""
        return PromptChoice(
            role=self.role or before.role,
            language=self.language or before.language,
            variables={**before.variables, **self.variables},
            stored=before.stored if self.stored is None else self.stored,
        )


def render(assistant: Assistant, choice: PromptChoice) -> Prompt:
    """Render a prompt. Raises `InvalidRequest` for a wrong role or variable."""
    given = {**assistant.fitting(choice.stored), **choice.variables}
    instructions = assistant.instructions(choice.role, choice.language, given)
    return Prompt(choice.role, choice.language, assistant.values(given), instructions)


PreparePrompt = Callable[[Prompt, Prompt], Awaitable[Callable[[], None]]]
"""Prepare a call for another prompt: the new one, and the one before.

It returns the function that changes the call, which does not wait and cannot fail. It raises
`InvalidRequest` or `EngineError` if the call cannot change.
"""


async def cannot_change(_new: Prompt, _old: Prompt) -> Callable[[], None]:
    """Refuse another prompt. This is the default of a call that was built."""
    raise EngineError("the prompt of this call cannot change")


class RunningPrompt:
    """Changes the prompt of one running call: one change at a time, and a whole one or none."""

    def __init__(
        self,
        call_id: str,
        assistant: Assistant,
        choice: PromptChoice,
        prompt: Prompt,
        *,
        prompts: Prompts,
        prepare: PreparePrompt,
    ) -> None:
        """`prompt` is the one that the call began with."""
        self.current = prompt
        self.assistant = assistant
        self._call_id = call_id
        self._choice = choice
        self._prompts = prompts
        self._prepare = prepare
        self._number = 0  # of the latest prompt in the store
        self._changing = asyncio.Lock()

    async def change(
        self, at: datetime, changes: ChoiceChanges, *, act: AuditRow | None = None
    ) -> bool:
        """Change some sources of the prompt. Return False if that changes nothing.

        Raises `InvalidRequest`, `EngineError` or `StoreError`, and changes nothing then.
        """
        async with self._changing:
            choice = changes.applied(self._choice)
            prompt, old = render(self.assistant, choice), self.current
            if _facts(prompt) == _facts(old):  # the text may differ, because it names the time
                self._choice = choice
                return False
            apply = await self._prepare(prompt, old)
            self._number += 1  # first: the store may have the row although this task is cancelled
            await self._prompts.add(prompt.row(self._call_id, self._number, at), act)
            apply()
            self._choice, self.current = choice, prompt
            return True


def _facts(prompt: Prompt) -> tuple[str, str, Mapping[str, object]]:
    return prompt.role, prompt.language, prompt.values
