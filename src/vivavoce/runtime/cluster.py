"""Protocols of the objects that calls share: today in one process, later in several.

`app` constructs the implementations; all other modules know the Protocols only.

`CallRegistry` ends calls and finds them, `CallCounters` limits how many there are, and `EventBus`
reports their events to other parts of the server. A method that may need a round trip to another
process is a coroutine. A method that runs once per event or frame is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from ..protocol.server import ServerEvent
from .client import Client
from .credentials_in_use import CredentialsInUse
from .live_call import CallHandle, LiveCall, Readers
from .outbox import Connection


class CallRegistry(Protocol):
    """The live calls. A `LiveCall` belongs to this process, so `get` finds no other."""

    @property
    def in_use(self) -> CredentialsInUse: ...

    @property
    def shutting_down(self) -> bool: ...

    def __len__(self) -> int: ...

    @property
    def conversation_ids(self) -> frozenset[str]:
        """The conversations of the calls that have begun: the store has all of them."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a task of a call. The registry waits for it, and logs its bug."""

    def add(self, call: LiveCall) -> None: ...

    def connect(self, call: LiveCall, driver: CallHandle, reader: Readers) -> None:
        """Give a call its driver, and wake the requests that wait in `find`."""

    def remove(self, call: LiveCall) -> None: ...

    def get(self, call_id: str) -> LiveCall | None: ...

    def of_assistant(self, assistant: str) -> list[LiveCall]:
        """Return the calls with this assistant."""

    async def find(
        self, call_id: str, within_s: float, may_attach: Callable[[LiveCall], bool] = ...
    ) -> LiveCall | None:
        """Return a call that a client may attach to. Wait for one that is about to begin.

        A call that the client may not attach to is awaited like one that does not exist.
        """

    def attach(
        self, call: LiveCall, connection: Connection, credentials: tuple[str, ...]
    ) -> Client:
        """Attach a sideband to an open call. Revoking one of the credentials ends it."""

    def revoke(self, credential_ids: Collection[str]) -> int:
        """End what depends on these credentials now. Return the number of calls."""

    async def hang_up(self, call: LiveCall) -> None:
        """End a call, and return when it is over."""

    def excluding(self, conversation_id: str) -> list[LiveCall]:
        """Return the calls of all other conversations."""

    async def take_over(
        self, conversation_id: str, by: LiveCall | None = None, why: str = ...
    ) -> bool:
        """End the other calls of a conversation. Return False if one of them does not end."""

    def start_shutdown(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CallSlot:
    """One call, as it is counted."""

    call_id: str
    conversation_id: str
    assistant: str
    key_id: str | None = None
    subject: str | None = None
    secret_id: str | None = None


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """The maximum number of calls: in all, with one assistant, and by each credential and user."""

    calls: int
    per_assistant: int
    per_key: int | None = None
    per_user: int | None = None
    per_secret: int | None = None


LimitReached: TypeAlias = Literal["calls", "assistant", "key", "user", "secret"]


class CallCounters(Protocol):
    """Counts calls against limits, in one atomic step per call.

    Calls of the same conversation are not counted: the new call takes their place.
    """

    async def acquire(self, slot: CallSlot, limits: SlotLimits) -> LimitReached | None:
        """Count the call and return None, or return the limit that is reached.

        If this fails or is cancelled, the call may be counted all the same: `release` follows.
        """

    async def release(self, call_id: str) -> None:
        """Count the call no longer. A call that is not counted is ignored."""


@dataclass(frozen=True, slots=True)
class CallRef:
    """Names the call of an event."""

    call_id: str
    conversation_id: str
    assistant: str


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event of a call. `lost`: older events that were dropped just before this one."""

    call: CallRef
    event: ServerEvent
    lost: int = 0


Subscription: TypeAlias = AsyncIterator[PublishedEvent]


class EventBus(Protocol):
    """Tells subscribers every event that is true, in the order in which it became true."""

    def publish(self, event: ServerEvent, call: CallRef) -> None:
        """Show an event to the subscribers. Never wait for one, and never raise."""

    def subscribe(
        self,
        *,
        call_id: str | None = None,
        types: tuple[type[ServerEvent], ...] = (),
        size: int = 1024,
    ) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to one call or to all, to some types of events or to all.

        At most `size` events wait for a subscriber. When they are full, the oldest is dropped.
        """
