"""Keep prompts and the values of variables in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from ..errors import StoreError
from .base import AuditRow
from .prompts import PromptRow


class MemoryPrompts:
    def __init__(
        self,
        has_call: Callable[[str], bool],
        continue_in: Callable[[str, str], None],
        keep_act: Callable[[AuditRow | None], None],
    ) -> None:
        """`continue_in` gives the conversation of a call another language."""
        self._has_call = has_call
        self._continue_in = continue_in
        self._keep_act = keep_act
        self._variables: dict[str, dict[str, str]] = {}
        self._rows: dict[str, dict[int, PromptRow]] = {}

    def forget_call(self, call_id: str) -> None:
        self._rows.pop(call_id, None)

    async def variables(self, assistant: str) -> dict[str, str]:
        return dict(self._variables.get(assistant, {}))

    async def set_variables(
        self,
        assistant: str,
        values: Mapping[str, str | None],
        at: datetime,
        act: AuditRow | None = None,
    ) -> None:
        self._keep_act(act)
        merged = {**self._variables.get(assistant, {}), **values}
        kept = {name: value for name, value in merged.items() if value is not None}
        self._variables[assistant] = kept

    async def add(self, row: PromptRow, act: AuditRow | None = None) -> None:
        rows = self._rows.get(row.call_id, {})
        if not self._has_call(row.call_id) or row.number in rows:
            raise StoreError("a prompt without its call, or a number that is taken")
        self._keep_act(act)
        self._rows[row.call_id] = rows | {row.number: row}
        self._continue_in(row.call_id, row.language)

    async def of_call(self, call_id: str) -> list[PromptRow]:
        return [row for _, row in sorted(self._rows.get(call_id, {}).items())]
