"""Set the values of an assistant's variables, after its file has validated them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from itertools import product

from ..assistants import Assistant
from .base import AuditRow, Store


def check_values(assistant: Assistant, stored: Mapping[str, str]) -> None:
    """Raise `InvalidRequest` if a prompt of the assistant cannot be rendered with these values."""
    for role, language in product(assistant.roles, assistant.languages):
        assistant.instructions(role, language, stored)


async def set_values(
    store: Store,
    assistant: Assistant,
    given: Mapping[str, object],
    at: datetime,
    act: AuditRow | None = None,
) -> None:
    """Set values for new calls. None removes one, so that the default holds again.

    Raises `InvalidRequest` for a value that does not go with its variable or the prompts.
    """
    wanted = {name: value for name, value in given.items() if value is not None}
    typed = assistant.values(wanted)
    for name in given:
        assistant.variable(name)
    changes = {name: str(typed[name]) if name in wanted else None for name in given}
    stored = await store.prompts.variables(assistant.name)
    merged = {**assistant.fitting(stored), **changes}
    rest = {name: value for name, value in merged.items() if value is not None}
    await asyncio.to_thread(check_values, assistant, rest)
    await store.prompts.set_variables(assistant.name, changes, at, act)
