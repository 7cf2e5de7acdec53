"""The live calls of this process. The registry is the parent of their tasks, and ends them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

from ..access.auth_failure import AuthFailure, withdrawn
from ..failures import log_failure
from ..protocol.close_codes import HUNG_UP, CloseCode
from .call_ending import close_reason
from .client import Client
from .credentials_in_use import CredentialsInUse
from .live_call import CallHandle, LiveCall, Readers, Sideband
from .outbox import Connection

log = logging.getLogger(__name__)

POLITE_S = 1.0  # for a call that is ended to write what still waits
GONE_WITHIN_S = 5.0  # and then for its last events to be stored
WAITERS = 200  # requests that wait for calls to begin; one more does not wait


def _any_call(call: LiveCall) -> bool:
    return True


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """A request that waits for a call, and whether it may attach to it."""

    appeared: asyncio.Future[None]
    may_attach: Callable[[LiveCall], bool]

    def wake(self) -> None:
        if not self.appeared.done():
            self.appeared.set_result(None)


class InProcessCallRegistry:
    """The `CallRegistry` of a single process. One call's bug is logged and ends that call alone."""

    def __init__(self) -> None:
        self.in_use = CredentialsInUse()
        self._calls: dict[str, LiveCall] = {}
        self._awaited: dict[str, list[_Waiter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.shutting_down = False

    def __len__(self) -> int:
        return len(self._calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._log_bugs_of(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _log_bugs_of(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except (Exception, SystemExit, KeyboardInterrupt) as bug:  # other calls go on
            log_failure(log, "call_failed", bug, call=name)

    def add(self, call: LiveCall) -> None:
        self._calls[call.id] = call
        call.release = self.in_use.hold(call.credential_ids, call)
        if self.shutting_down:
            call.hang_up(CloseCode.SERVICE_RESTART, "service restart")

    def connect(self, call: LiveCall, driver: CallHandle, reader: Readers) -> None:
        """Give a call its driver, and wake the requests that wait in `find`."""
        call.connect(driver, reader)
        self._wake(call)

    def remove(self, call: LiveCall) -> None:
        self._calls.pop(call.id, None)
        call.release()
        call.over.set()
        self._wake(call)

    def get(self, call_id: str) -> LiveCall | None:
        return self._calls.get(call_id)

    async def find(
        self, call_id: str, within_s: float, may_attach: Callable[[LiveCall], bool] = _any_call
    ) -> LiveCall | None:
        """Return a call that a client may attach to. Wait for one that is about to begin.

        A call that the client may not attach to is awaited like one that does not exist, so that
        the time of the answer does not tell one from the other.
        """
        call = self._calls.get(call_id)
        if (call is None or not call.open or not may_attach(call)) and await self._wait_for_call(
            call_id, within_s, may_attach
        ):
            call = self._calls.get(call_id)
        return call if call is not None and call.open and may_attach(call) else None

    async def _wait_for_call(
        self, call_id: str, within_s: float, may_attach: Callable[[LiveCall], bool]
    ) -> bool:
        if self.shutting_down or sum(map(len, self._awaited.values())) >= WAITERS:
            return False
        waiter = _Waiter(asyncio.get_running_loop().create_future(), may_attach)
        waiting = self._awaited.setdefault(call_id, [])
        waiting.append(waiter)
        try:
            async with asyncio.timeout(within_s):
                await waiter.appeared
        except TimeoutError:
            return False
        finally:
            waiting.remove(waiter)
            if not waiting and self._awaited.get(call_id) is waiting:
                del self._awaited[call_id]
        return True

    def _wake(self, call: LiveCall) -> None:
        """Wake the requests that wait for this call: it has a driver now, or it is over."""
        for waiter in self._awaited.get(call.id, ()):
            if waiter.may_attach(call):
                waiter.wake()

    def attach(
        self, call: LiveCall, connection: Connection, credentials: tuple[str, ...]
    ) -> Client:
        """Attach a sideband to an open call. Revoking one of its credentials ends it."""
        sideband = call.attach(connection)
        sideband.client.on_lost = self.in_use.hold(credentials, sideband)
        return sideband.client

    def revoke(self, credential_ids: Collection[str]) -> int:
        """End what depends on these credentials now. Return the number of calls."""
        ended = 0
        for name in credential_ids:
            holders = self.in_use.revoke(name)
            calls = [one for one in holders if isinstance(one, LiveCall)]
            sidebands = [one for one in holders if isinstance(one, Sideband)]
            ended += len(calls)
            why = withdrawn(name)
            counts = {"calls": len(calls), "control_connections": len(sidebands)}
            log.info(why.code, extra={"credential": name, **counts})
            if calls:
                self.spawn(_cut_off(calls, CloseCode.UNAUTHORIZED, close_reason(why)), "ending")
            if sidebands:
                self.spawn(_cut_off_sidebands(sidebands, why), "ending")
        return ended

    async def hang_up(self, call: LiveCall) -> None:
        """End a call. Return when it is over, or after `GONE_WITHIN_S`."""
        await self._end([call], CloseCode.NORMAL, HUNG_UP)

    @property
    def conversation_ids(self) -> frozenset[str]:
        """The conversations of the calls that have begun: the store has all of them."""
        return frozenset(call.conversation_id for call in self._calls.values() if call.open)

    def of_assistant(self, assistant: str) -> list[LiveCall]:
        """Return the calls with this assistant."""
        return [call for call in self._calls.values() if call.assistant == assistant]

    def excluding(self, conversation_id: str) -> list[LiveCall]:
        """Return the calls of other conversations: a new call takes the place of the rest."""
        return [c for c in self._calls.values() if c.conversation_id != conversation_id]

    async def take_over(
        self,
        conversation_id: str,
        by: LiveCall | None = None,
        why: str = "conversation_continued_elsewhere",
    ) -> bool:
        """End the other calls of a conversation, because two calls would both append to it.

        Return False if one of them does not end within `GONE_WITHIN_S`.
        """
        calls = self._calls.values()
        others = [c for c in calls if c.conversation_id == conversation_id and c is not by]
        return await self._end(others, CloseCode.DO_NOT_RETRY, why)

    def start_shutdown(self) -> None:
        """Begin to end all calls, and take no more. `shutdown` waits for them."""
        if not self.shutting_down:
            self.shutting_down = True
            for waiter in chain.from_iterable(self._awaited.values()):
                waiter.wake()
            self.spawn(self._end_all(), "leaving")

    async def shutdown(self) -> None:
        """End all calls with 1012, and wait for them; those that do not end are cancelled.

        A task of another package may ignore that. Nothing waits longer for it.
        """
        self.shutting_down = True
        await self._end_all()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=POLITE_S)
            for task in late:
                task.cancel()
            if late:
                _, left = await asyncio.wait(late, timeout=GONE_WITHIN_S)
                for task in left:
                    log.error("task_left_behind", extra={"task": task.get_name()})

    async def _end_all(self) -> None:
        await self._end(list(self._calls.values()), CloseCode.SERVICE_RESTART, "service restart")

    async def _end(self, calls: list[LiveCall], code: int, reason: str) -> bool:
        """End calls after what waits to be written, and after `POLITE_S` at once.

        A task of the registry does it, so that it happens even if the caller is cancelled.
        """
        for call in calls:
            call.hang_up(code, reason)
        if not calls:
            return True
        await asyncio.wait([self.spawn(_cut_off(calls, code, reason), "ending")])
        return await _all_over(calls, GONE_WITHIN_S)


async def _cut_off(calls: list[LiveCall], code: int, reason: str) -> None:
    """Abort calls whose client does not read what still waits: it may have vanished."""
    if not await _all_over(calls, POLITE_S):
        for call in calls:
            if not call.over.is_set():
                call.abort(code, reason)


async def _cut_off_sidebands(sidebands: list[Sideband], why: AuthFailure) -> None:
    """Abort sidebands that have not read their last event after `POLITE_S`."""
    await asyncio.sleep(POLITE_S)
    for sideband in sidebands:
        sideband.cut_off(why)


async def _all_over(calls: list[LiveCall], within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            for call in calls:
                await call.over.wait()
    except TimeoutError:
        return False
    return True
