"""What happens to credentials besides being used: noting when, and forgetting the expired ones.

None of it is on the way of a call: using a key leaves a note in memory, and one task writes the
notes down. What is not written when the process dies is at most a minute of `last_used_at`.
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
SWEEP_EVERY = 60  # rounds: once an hour, and at the start
NOTES = 10_000  # keys; the uses of more are not noted until the next round


class CredentialMaintenance:
    """`note` what is used; `run` in a task of the application, to the end of the process."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._used: dict[str, datetime] = {}

    def note(self, caller: Caller) -> None:
        """Costs nothing. Take it when a key was accepted."""
        key_id = caller.key_id
        if key_id and (key_id in self._used or len(self._used) < NOTES):
            self._used[key_id] = self._now()

    async def run(self) -> NoReturn:
        rounds = 0
        while True:
            try:
                if rounds % SWEEP_EVERY == 0:
                    await self._store.sweep(self._now())
                await self.write()
            except StoreError:
                pass  # calls will say so, loudly; the notes are still here for the next round
            rounds += 1
            await asyncio.sleep(EVERY_S)

    async def write(self) -> None:
        """Write the notes down. Raises `StoreError`; call it once more when `run` has ended."""
        for key_id, at in list(self._used.items()):
            await self._store.touch_key(key_id, at)
            if self._used[key_id] == at:  # else it was used again meanwhile: next round
                del self._used[key_id]
