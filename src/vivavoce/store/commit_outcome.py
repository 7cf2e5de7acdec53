"""Wait for a commit whose outcome is reported by a callback."""

from __future__ import annotations

import asyncio

from ..errors import StoreError


class CommitOutcome:
    """The outcome of one commit. Create it in the event loop."""

    def __init__(self) -> None:
        self._stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def report(self, failure: StoreError | None) -> None:
        """Take the outcome. Ignored if the task that waits was cancelled."""
        if self._stored.done():
            return
        if failure is None:
            self._stored.set_result(None)
        else:
            self._stored.set_exception(failure)

    async def wait(self) -> None:
        """Return when the commit is on disk. Raises `StoreError`."""
        await self._stored
