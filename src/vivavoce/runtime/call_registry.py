"""The live calls of this process: the parent of their tasks, and who ends them when we leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from ..access.auth_failure import AuthFailure, withdrawn
from ..failures import log_failure
from ..protocol.close_codes import CloseCode
from .client import Client, Reader
from .credentials_in_use import CredentialsInUse
from .driver import close_reason
from .outbox import Transport

log = logging.getLogger("vivavoce.hub")

POLITE_S = 1.0  # for a call that is hung up on to write what still waits
GONE_WITHIN_S = 5.0  # and then for its last words to be stored
WAITERS = 200  # who wait for calls to begin; above it nobody waits

Readers = Callable[[Client], Reader]


class CallHandle(Protocol):
    """What a call is ended and joined by. `runtime.line.Line` is one."""

    @property
    def over(self) -> bool: ...

    @property
    def sidebands(self) -> int: ...

    def attach(
        self, transport: Transport, reader: Readers, *, sideband: bool = False
    ) -> Client: ...

    def hang_up(self, code: int, reason: str) -> None: ...

    def abort(self, code: int, reason: str) -> None: ...

    def revoke(self, why: AuthFailure) -> None: ...

    def dismiss(self, client: Client, why: AuthFailure, *, at_once: bool = False) -> None: ...


@dataclass(slots=True)
class LiveCall:
    """A call, from its admission to its end. Its line comes a little later."""

    id: str
    conversation_id: str
    assistant: str
    key_id: str | None = None  # the API key it came by, or that minted its secret
    transport: str = "websocket"
    credential_ids: tuple[str, ...] = ()  # all that it depends on
    subject: str | None = None  # the user of its conversation
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _driver: CallHandle | None = None
    _reader: Readers | None = None
    _goodbye: tuple[int, str] | None = None  # said before there was a line
    _revoked: AuthFailure | None = None  # the same
    release: Callable[[], None] = lambda: None

    def connect(self, driver: CallHandle, reader: Readers) -> None:
        """Use `Hub.connect`, which tells who waits for it."""
        self._driver, self._reader = driver, reader
        if self._revoked is not None:
            driver.revoke(self._revoked)
        if self._goodbye is not None:
            driver.hang_up(*self._goodbye)

    @property
    def open(self) -> bool:
        """Can one attach to it?"""
        return self._driver is not None and not self._driver.over

    @property
    def sidebands(self) -> int:
        return self._driver.sidebands if self._driver else 0

    def attach(self, transport: Transport) -> ControlConnection:
        """A sideband to this call, which is `open`. Use `Hub.attach`."""
        assert self._driver is not None
        assert self._reader is not None
        client = self._driver.attach(transport, self._reader, sideband=True)
        return ControlConnection(self._driver, client)

    def hang_up(self, code: int, reason: str) -> None:
        self._goodbye = self._goodbye or (code, reason)
        if self._driver is not None:
            self._driver.hang_up(code, reason)

    def abort(self, code: int, reason: str) -> None:
        if self._driver is not None:
            self._driver.abort(code, reason)

    def revoke(self, why: AuthFailure) -> None:
        """One of the credentials that it depends on is valid no more."""
        self._revoked = self._revoked or why
        if self._driver is not None:
            self._driver.revoke(why)


@dataclass(slots=True)
class ControlConnection:
    """One sideband of a call, which depends on a key of its own."""

    driver: CallHandle
    client: Client

    def revoke(self, why: AuthFailure) -> None:
        self.driver.dismiss(self.client, why)

    def cut_off(self, why: AuthFailure) -> None:
        """Close it now: what waits for it is never written."""
        self.driver.dismiss(self.client, why, at_once=True)


class CallRegistry:
    """Every call's task belongs to it. One call's bug is logged and ends that call alone."""

    def __init__(self) -> None:
        self.in_use = CredentialsInUse()
        self._calls: dict[str, LiveCall] = {}
        self._awaited: dict[str, list[asyncio.Future[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.shutting_down = False

    def __len__(self) -> int:
        return len(self._calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.shutdown()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._guard(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception as bug:  # the last line of defence: other calls go on
            log_failure(log, "call_failed", bug, call=name)

    def add(self, call: LiveCall) -> None:
        self._calls[call.id] = call
        call.release = self.in_use.hold(call.credential_ids, call)
        if self.shutting_down:
            call.hang_up(CloseCode.SERVICE_RESTART, "service restart")

    def connect(self, call: LiveCall, driver: CallHandle, reader: Readers) -> None:
        """It is set up: who waits for it can attach."""
        call.connect(driver, reader)
        self._tell(call.id)

    def remove(self, call: LiveCall) -> None:
        self._calls.pop(call.id, None)
        call.release()
        call.over.set()
        self._tell(call.id)

    def get(self, call_id: str) -> LiveCall | None:
        return self._calls.get(call_id)

    async def find(self, call_id: str, within_s: float) -> LiveCall | None:
        """A call that one can attach to. It may just be about to begin: that is waited for."""
        call = self._calls.get(call_id)
        if (call is None or not call.open) and await self._appears(call_id, within_s):
            call = self._calls.get(call_id)
        return call if call is not None and call.open else None

    async def _appears(self, call_id: str, within_s: float) -> bool:
        if self.shutting_down or sum(map(len, self._awaited.values())) >= WAITERS:
            return False
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._awaited.setdefault(call_id, [])
        waiting.append(told)
        try:
            async with asyncio.timeout(within_s):
                await told
        except TimeoutError:
            return False
        finally:
            waiting.remove(told)
            if not waiting and self._awaited.get(call_id) is waiting:
                del self._awaited[call_id]
        return True

    def _tell(self, call_id: str) -> None:
        """Something happened to this call: it can be attached to, or never again."""
        for told in self._awaited.get(call_id, ()):
            if not told.done():
                told.set_result(None)

    def attach(self, call: LiveCall, transport: Transport, credentials: tuple[str, ...]) -> Client:
        """A control connection to this call, which is `open`, as long as they are valid."""
        control = call.attach(transport)
        control.client.on_lost = self.in_use.hold(credentials, control)
        return control.client

    def revoke(self, credential_ids: Collection[str]) -> int:
        """End what depends on these credentials, at once. Returns the number of calls."""
        ended = 0
        for name in credential_ids:
            told = self.in_use.revoke(name)
            calls = [one for one in told if isinstance(one, LiveCall)]
            controls = [one for one in told if isinstance(one, ControlConnection)]
            ended += len(calls)
            why = withdrawn(name)
            counts = {"calls": len(calls), "control_connections": len(controls)}
            log.info(why.code, extra={"credential": name, **counts})
            if calls:
                self.spawn(_cut_off(calls, CloseCode.UNAUTHORIZED, close_reason(why)), "ending")
            if controls:
                self.spawn(_see_off(controls, why), "ending")
        return ended

    async def hang_up(self, call: LiveCall) -> None:
        """Somebody who may ends the call. Returns when it is over, or nearly."""
        await self._end([call], CloseCode.NORMAL, "hung_up")

    def excluding(self, conversation_id: str) -> list[LiveCall]:
        """All calls but those of this conversation: whoever continues it takes their place."""
        return [c for c in self._calls.values() if c.conversation_id != conversation_id]

    async def take_over(
        self,
        conversation_id: str,
        by: LiveCall | None = None,
        why: str = "conversation_continued_elsewhere",
    ) -> bool:
        """Whoever else is in this conversation leaves it: two would write two stories.

        False: somebody is still there.
        """
        calls = self._calls.values()
        others = [c for c in calls if c.conversation_id == conversation_id and c is not by]
        return await self._end(others, CloseCode.DO_NOT_RETRY, why)

    def start_shutdown(self) -> None:
        """Say goodbye to all calls, and take no more. `leave` waits for them."""
        if not self.shutting_down:
            self.shutting_down = True
            for call_id in self._awaited:
                self._tell(call_id)
            self.spawn(self._end_all(), "leaving")

    async def shutdown(self) -> None:
        """End all calls with 1012, and wait for them; those that do not end are cancelled."""
        self.shutting_down = True
        await self._end_all()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=POLITE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _end_all(self) -> None:
        await self._end(list(self._calls.values()), CloseCode.SERVICE_RESTART, "service restart")

    async def _end(self, calls: list[LiveCall], code: int, reason: str) -> bool:
        """End calls behind what waits, then at once.

        They end also when the request that asks for it is cancelled.
        """
        for call in calls:
            call.hang_up(code, reason)
        if not calls:
            return True
        await asyncio.wait([self.spawn(_cut_off(calls, code, reason), "ending")])
        return await _over(calls, GONE_WITHIN_S)


async def _cut_off(calls: list[LiveCall], code: int, reason: str) -> None:
    """Cut off the client that does not read what still waits for it: it may have vanished."""
    if not await _over(calls, POLITE_S):
        for call in calls:
            if not call.over.is_set():
                call.abort(code, reason)


async def _see_off(controls: list[ControlConnection], why: AuthFailure) -> None:
    """The same for control connections."""
    await asyncio.sleep(POLITE_S)
    for control in controls:
        control.cut_off(why)


async def _over(calls: list[LiveCall], within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            for call in calls:
                await call.over.wait()
    except TimeoutError:
        return False
    return True
