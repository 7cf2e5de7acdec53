"""Store when keys were last used, and delete expired credentials.

No call waits for this. The use of a key is noted in memory, and one task stores the notes every
minute. A process that dies loses at most one minute of `last_used_at`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

from ..core.types import Caller
from ..errors import StoreError
from ..store.base import Store

EVERY_S = 60.0
SWEEP_EVERY = 60  # rounds of EVERY_S: at the start and once an hour
NOTES = 10_000  # keys with a note; the use of any other key is not noted in this round


class CredentialMaintenance:
    """Call `note` at every use of a key, and `run` in a task that lives as long as the process."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._used: dict[str, datetime] = {}

    def note(self, caller: Caller) -> None:
        """Remember that the caller's key was used now. This does not touch the store."""
        key_id = caller.key_id
        if key_id and (key_id in self._used or len(self._used) < NOTES):
            self._used[key_id] = self._now()

    async def run(self) -> NoReturn:
        """Store the notes every minute, and sweep once an hour."""
        rounds = 0
        while True:
            try:
                if rounds % SWEEP_EVERY == 0:
                    await self._store.sweep(self._now())
                await self.write()
            except StoreError:
                pass  # calls report a failing store; the notes stay for the next round
            rounds += 1
            await asyncio.sleep(EVERY_S)

    async def write(self) -> None:
        """Store the notes. Call it once more when `run` has ended. Raises `StoreError`."""
        for key_id, at in list(self._used.items()):
            await self._store.touch_key(key_id, at)
            if self._used[key_id] == at:  # a later use stays for the next round
                del self._used[key_id]
