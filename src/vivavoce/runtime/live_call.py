"""One call of this process, from its admission to its end, and the sidebands attached to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..access.auth_failure import AuthFailure
from .client import Client
from .client_port import ClientPort, Reader
from .outbox import Connection
from .running_prompt import RunningPrompt

Readers = Callable[[ClientPort], Reader]


class CallHandle(Protocol):
    """The handle that ends a call, and attaches clients to it. `CallDriver` is one."""

    @property
    def over(self) -> bool: ...

    @property
    def sidebands(self) -> int: ...

    def attach(
        self, connection: Connection, reader: Readers, *, sideband: bool = False
    ) -> Client: ...

    def hang_up(self, code: int, reason: str) -> None: ...

    def abort(self, code: int, reason: str) -> None: ...

    def revoke(self, why: AuthFailure) -> None: ...

    def dismiss(self, client: ClientPort, why: AuthFailure, *, at_once: bool = False) -> None: ...


@dataclass(slots=True)
class LiveCall:
    """A call, from its admission to its end. Its driver is connected when it has been built."""

    id: str
    conversation_id: str
    assistant: str
    key_id: str | None = None  # of the API key, or of the one that minted the client secret
    transport: str = "websocket"
    credential_ids: tuple[str, ...] = ()  # revoking any of them ends the call
    subject: str | None = None  # the user of its conversation
    prompt: RunningPrompt | None = None  # None: before it is set up, and without instructions
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _driver: CallHandle | None = None
    _reader: Readers | None = None
    _close_frame: tuple[int, str] | None = None  # set if the call was ended before it had a driver
    _revoked: AuthFailure | None = None  # set if it was revoked before that
    release: Callable[[], None] = lambda: None

    def connect(self, driver: CallHandle, reader: Readers) -> None:
        """Give the call its driver. Use `CallRegistry.connect`, which also wakes waiters."""
        self._driver, self._reader = driver, reader
        if self._revoked is not None:
            driver.revoke(self._revoked)
        if self._close_frame is not None:
            driver.hang_up(*self._close_frame)

    @property
    def open(self) -> bool:
        """True if a client can attach to it."""
        return self._driver is not None and not self._driver.over

    @property
    def sidebands(self) -> int:
        return self._driver.sidebands if self._driver else 0

    def attach(self, connection: Connection) -> Sideband:
        """Attach a sideband to this call, which is `open`. Use `CallRegistry.attach`."""
        assert self._driver is not None
        assert self._reader is not None
        client = self._driver.attach(connection, self._reader, sideband=True)
        return Sideband(self._driver, client)

    def hang_up(self, code: int, reason: str) -> None:
        self._close_frame = self._close_frame or (code, reason)
        if self._driver is not None:
            self._driver.hang_up(code, reason)

    def abort(self, code: int, reason: str) -> None:
        if self._driver is not None:
            self._driver.abort(code, reason)

    def revoke(self, why: AuthFailure) -> None:
        """End the call, because a credential that it depends on was revoked."""
        self._revoked = self._revoked or why
        if self._driver is not None:
            self._driver.revoke(why)


@dataclass(slots=True)
class Sideband:
    """A client beside the call's own, which depends on a key of its own."""

    driver: CallHandle
    client: Client

    def revoke(self, why: AuthFailure) -> None:
        self.driver.dismiss(self.client, why)

    def cut_off(self, why: AuthFailure) -> None:
        """Close it now, and drop what waits for it."""
        self.driver.dismiss(self.client, why, at_once=True)
