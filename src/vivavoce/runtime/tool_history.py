"""Adds to a continued conversation what its tools did after its last call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from ..store.base import Change, ItemRow
from ..store.commit_outcome import CommitOutcome
from ..tools.ledger import ToolLedger
from ..tools.run_records import Submit
from ..tools.unanswered import completed

log = logging.getLogger(__name__)

RUNNING_WITHIN_S = 3.0  # that a call which continues waits for a tool which still runs


class CompleteHistory(Protocol):
    """Returns the history of a conversation with the outputs that it lacks. Raises `StoreError`."""

    async def __call__(
        self, conversation_id: str, server_tools: frozenset[str], history: tuple[ItemRow, ...]
    ) -> tuple[ItemRow, ...]: ...


async def as_stored(
    conversation_id: str, server_tools: frozenset[str], history: tuple[ItemRow, ...]
) -> tuple[ItemRow, ...]:
    """Return the history as it is. This is the default of `CallSetup`."""
    return history


class ToolHistory:
    """The `CompleteHistory` of a server with a ledger."""

    def __init__(
        self,
        ledger: ToolLedger,
        submit: Submit,
        *,
        make_id: Callable[[str], str],
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._submit = submit
        self._make_id = make_id
        self._now = now

    async def __call__(
        self, conversation_id: str, server_tools: frozenset[str], history: tuple[ItemRow, ...]
    ) -> tuple[ItemRow, ...]:
        runs = await self._ledger.of_conversation(conversation_id, RUNNING_WITHIN_S)
        if not runs and not server_tools:
            return history
        at, running = self._now(), self._ledger.tell_later(runs, conversation_id)
        added = completed(
            history, runs, server_tools, running=running, make_id=self._make_id, at=at
        )
        if not added:
            return history
        await self._commit(Change(conversation_id, items=added, at=at))
        about = {"conversation": conversation_id, "items": len(added)}
        log.info("tool_outputs_added", extra=about)
        return (*history, *added)

    async def _commit(self, change: Change) -> None:
        outcome = CommitOutcome()
        self._submit(change, outcome.report)
        await outcome.wait()
