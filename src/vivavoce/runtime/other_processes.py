"""Notice within a second what other processes revoke and delete in the store.

    `vivavoce keys revoke`, `secrets revoke`  ─► end what depends on the credential
    `vivavoce conversations delete`           ─► end the calls of the conversation

Twice a second one task asks the store whether anything may be revoked or deleted, which reads no
table. Only then it asks about all ids in use. Otherwise it asks about the ids that came into use
since: one of them may be revoked after its caller was identified, and before its call was in use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from ..errors import StoreError
from ..failures import log_failure
from ..store.base import Store
from .cluster import CallRegistry
from .credentials_in_use import CredentialsInUse

log = logging.getLogger(__name__)

CHECK_EVERY_S = 0.5
ANSWER_WITHIN_S = 0.2  # otherwise the store is busy, and may hold a revocation
DELETED = "conversation_deleted"


class Check:
    """Ask the store about the ids in use, and end what uses the ids that it finds.

    A store that fails ends nothing: the calls go on, and the next check asks again. So it does
    after a bug, because only this task ends them. Of several failures in a row, the first is logged
    as `failure`.
    """

    def __init__(
        self,
        in_use: Callable[[], Collection[str]],
        ask: Callable[[Collection[str]], Awaitable[set[str]]],
        end: Callable[[Collection[str]], object],
        failure: str,
    ) -> None:
        self.in_use = in_use
        self._ask = ask
        self._end = end
        self._failures = _Failures(failure)
        self._known: set[str] = set()  # ids in use that need no question until something changes

    async def run(self, changed: bool) -> None:
        """Ask about all ids if the store has `changed`, and otherwise about the new ones."""
        ids = self.in_use()
        self._known = set() if changed else self._known.intersection(ids)
        new = [name for name in ids if name not in self._known]
        if new:
            with self._failures.contained():
                found = await self._ask(new)
                self._end(found.intersection(self.in_use()))  # those that have not ended meanwhile
                self._known.update(new)


def revocations(
    store: Store, in_use: CredentialsInUse, revoke: Callable[[Collection[str]], object]
) -> Check:
    """Make the check that finds revoked credentials. `revoke` ends what depends on them."""
    return Check(lambda: in_use.ids, store.revoked, revoke, "revocations_not_checked")


def deletions(store: Store, registry: CallRegistry) -> Check:
    """Make the check that finds deleted conversations, and ends their calls."""

    async def end_calls(conversation_id: str) -> None:
        await registry.take_over(conversation_id, why=DELETED)

    def end(deleted: Collection[str]) -> None:
        for name in deleted:
            log.info(DELETED, extra={"conversation": name})
            registry.spawn(end_calls(name), "ending")

    return Check(
        lambda: registry.conversation_ids, store.missing_conversations, end, "deletions_not_checked"
    )


async def watch(store: Store, *checks: Check) -> NoReturn:
    """Run the checks twice a second while ids are in use."""
    failures = _Failures("changes_not_checked")
    while True:
        if any(check.in_use() for check in checks):
            changed = True  # unless the store says no in time
            with failures.contained(), suppress(TimeoutError, StoreError):
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    changed = await store.revoked_or_deleted()
            for check in checks:
                await check.run(changed)
        await asyncio.sleep(CHECK_EVERY_S)


class _Failures:
    """Log the first of several failures in a row, and raise none of them."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._failing = False

    @contextmanager
    def contained(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            if not self._failing:
                log.warning(self._event, extra={"why": str(error)})
            self._failing = True
        except Exception as bug:
            if not self._failing:
                log_failure(log, self._event, bug)
            self._failing = True
        else:
            self._failing = False
