"""The values of variables that an operator sets for an assistant: for new and for running calls."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..assistants import Assistant
from ..clock import now
from ..errors import VivavoceError
from ..failures import log_failure
from ..store.base import AuditRow, Store
from ..store.variables import set_values
from .cluster import CallRegistry
from .live_call import LiveCall
from .running_prompt import ChoiceChanges

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredVariables:
    """The values as text, by name. `revision` counts the changes for running calls."""

    values: Mapping[str, str] = field(default_factory=dict)
    revision: int = 0


class AssistantVariables:
    """Reads and changes the values. Every server and command on this database sees them."""

    def __init__(self, store: Store, registry: CallRegistry) -> None:
        self._store = store
        self._registry = registry
        self._revisions: Counter[str] = Counter()  # by assistant
        self._changing = asyncio.Lock()

    async def of(self, assistant: str) -> StoredVariables:
        """Return the values for a new call. Raises `StoreError`."""
        revision = self._revisions[assistant]  # first: `catch_up` then misses no change
        return StoredVariables(await self._store.prompts.variables(assistant), revision)

    async def change(
        self,
        assistant: Assistant,
        given: Mapping[str, object],
        at: datetime,
        act: AuditRow | None = None,
    ) -> None:
        """Set values for new calls, one change at a time. Errors as `set_values`."""
        async with self._changing:
            await set_values(self._store, assistant, given, at, act)

    async def change_running(self, assistant: str) -> list[str]:
        """Give the running calls of an assistant the values for new calls.

        Return the ids of the calls that changed. A call that cannot change is logged, and keeps
        the values that it has.
        """
        self._revisions[assistant] += 1
        stored = await self._store.prompts.variables(assistant)
        calls = self._registry.of_assistant(assistant)
        return [call.id for call in calls if await _update(call, stored)]

    def catch_up(self, call: LiveCall, since: int) -> None:
        """Give a call the values that running calls were given while it was set up.

        `since`: the revision of the values that it began with.
        """
        if self._revisions[call.assistant] != since:
            self._registry.spawn(self._update(call), "variables")

    async def _update(self, call: LiveCall) -> None:
        await _update(call, await self._store.prompts.variables(call.assistant))


async def _update(call: LiveCall, stored: Mapping[str, str]) -> bool:
    if call.prompt is None:
        return False
    try:
        return await call.prompt.change(now(), ChoiceChanges(stored=stored))
    except VivavoceError as error:
        log_failure(log, "variables_not_changed", error, call=call.id)
        return False
