"""Tracks which calls, sidebands and waiting requests depend on which credential.

    a call, a sideband ─► hold ─► release      (registered until it ends)
    a request that waits ─► while_valid        (cancelled on revocation)
    revoke(id) ─► each dependent's `revoke`, at once

A dependent that registers by a credential that was revoked a moment ago ends at once too: a call
may be set up while another request revokes its key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from ..access.auth_failure import AuthFailure, withdrawn
from ..core.types import Caller
from ..failures import log_failure
from .refusals import refused

log = logging.getLogger(__name__)

REMEMBERED = 10_000  # revoked ids; older ones are found by the next check of the store


class Dependent(Protocol):
    """Something that ends when a credential is revoked."""

    def revoke(self, why: AuthFailure) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Hold:
    dependent: Dependent
    credential_ids: tuple[str, ...]


def credential_ids(caller: Caller) -> tuple[str, ...]:
    """Name every credential that a caller depends on: its own, and the one that minted it."""
    chain = (caller.secret_id, caller.key_id, caller.sign_in_id)
    return tuple(name for name in chain if name is not None)


class CredentialsInUse:
    """Maps credential ids to what depends on them."""

    def __init__(self) -> None:
        self._holds: dict[str, dict[_Hold, None]] = {}
        self._revoked: dict[str, None] = {}  # the newest last

    @property
    def ids(self) -> tuple[str, ...]:
        """All credential ids that something depends on now."""
        return tuple(self._holds)

    def hold(self, credential_ids: tuple[str, ...], dependent: Dependent) -> Callable[[], None]:
        """Register a dependent. Return a function that its owner calls when it has ended."""
        hold = _Hold(dependent, credential_ids)
        for name in credential_ids:
            if name in self._revoked:
                dependent.revoke(withdrawn(name))
                return lambda: None
        for name in credential_ids:
            self._holds.setdefault(name, {})[hold] = None
        return lambda: self._release(hold)

    def _release(self, hold: _Hold) -> None:
        for name in hold.credential_ids:
            holds = self._holds.get(name, {})
            holds.pop(hold, None)
            if not holds:
                self._holds.pop(name, None)

    def revoke(self, credential_id: str) -> list[Dependent]:
        """End what depends on this credential, and return it.

        The newest ends first, so that a sideband reads why before the end of its call closes it.
        """
        self._revoked[credential_id] = None
        if len(self._revoked) > REMEMBERED:
            del self._revoked[next(iter(self._revoked))]
        holds = list(reversed(self._holds.get(credential_id, {})))
        for hold in holds:  # before any of them ends, so that none ends twice
            self._release(hold)
        for hold in holds:
            try:
                hold.dependent.revoke(withdrawn(credential_id))
            except Exception as bug:  # one dependent's; all others must end too
                log_failure(log, "revocation_failed", bug, credential=credential_id)
        return [hold.dependent for hold in holds]

    @asynccontextmanager
    async def while_valid(self, caller: Caller) -> AsyncIterator[None]:
        """Cancel the block and raise `CallRefused` when a credential of the caller is revoked.

        Changes that the block has already made stay.
        """
        request = _Request(asyncio.timeout(None))
        try:
            async with request.scope:
                release = self.hold(credential_ids(caller), request)
                if request.why is not None:
                    raise refused(request.why)
                try:
                    yield
                finally:
                    release()
        except TimeoutError:
            if request.why is None:
                raise
            raise refused(request.why) from None


class _Request:
    """A block of code that a revocation cancels."""

    def __init__(self, scope: asyncio.Timeout) -> None:
        self.scope = scope
        self.why: AuthFailure | None = None

    def revoke(self, why: AuthFailure) -> None:
        self.why = why
        self.scope.reschedule(asyncio.get_running_loop().time())
