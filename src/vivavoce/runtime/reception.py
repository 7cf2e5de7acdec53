"""The one way a call begins, on every transport:

    credential → assistant → conversation → admission → machine → line
                 └──── planning ────────┘

or `Refused`, which each transport says in its own way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from ..core.values import Caller
from ..errors import StoreError
from ..protocol.config import AnySession
from ..store.base import CallRow, ConversationRow, Store
from .admission import Admission
from .client import Client, Reader
from .credentials_in_use import credential_ids
from .hub import Hub, LiveCall
from .line import Line
from .planning import Knock, Plan, Planner, check_dialect, now
from .refusals import RATE, SERVER, Refused, no_call, not_stored

log = logging.getLogger("vivavoce.calls")

BEGUN_WITHIN_S = 5.0
ENDED_WITHIN_S = 5.0
APPEARS_WITHIN_S = 5.5  # a call that somebody wants to attach to (protocol §1.2)
SIDEBANDS = 8  # control connections of one call


class Build(Protocol):
    """Makes the machine, its work and their line. `app` knows how, for each kind of engine."""

    async def __call__(self, plan: Plan) -> Built: ...


@dataclass(frozen=True, slots=True)
class Built:
    line: Line
    reader: Callable[[Client], Reader]


class Counts(Protocol):
    """Told who came in, and who did not."""

    def came(self, engine: str) -> None: ...

    def refused(self, code: str) -> None: ...


class Uncounted:
    def came(self, engine: str) -> None: ...

    def refused(self, code: str) -> None: ...


@dataclass(slots=True)
class Call:
    """Admitted: attach a transport by `line` and `reader`, then `live` until it is over."""

    plan: Plan
    line: Line
    reader: Callable[[Client], Reader]
    _reception: Reception
    _live: LiveCall

    async def live(self) -> None:
        await self._reception.live(self, self._live)


class Reception:
    def __init__(
        self,
        *,
        identify: Callable[[str | None], Awaitable[Caller]],
        planner: Planner,
        admission: Admission,
        store: Store,
        hub: Hub,
        build: Build,
        make_id: Callable[[str], str],
        counts: Counts | None = None,
    ) -> None:
        """`identify` raises `Refused` for a credential that is none."""
        self._identify = identify
        self._planner = planner
        self._admission = admission
        self._store = store
        self._hub = hub
        self._build = build
        self._make_id = make_id
        self._counts = counts or Uncounted()

    async def admit(
        self, knock: Knock, *, call_id: str | None = None, conversation_id: str | None = None
    ) -> Call:
        """Raises `Refused`. The ids: what the call, and a new conversation, shall be called."""
        try:
            call = await self._admit(knock, call_id or self._make_id("rtc"), conversation_id)
        except StoreError as error:
            self._counts.refused("storage_unavailable")
            raise not_stored() from error
        except Refused as refused:
            self._counts.refused(refused.code)
            raise
        self._counts.came(call.plan.assistant.engine)
        return call

    async def join(self, knock: Knock, call_id: str) -> tuple[LiveCall, tuple[str, ...]]:
        """A running call, for a control connection beside its own. Raises `Refused`.

        And the credentials that the connection depends on: attach it by `Hub.attach`.

        The call may be about to begin, and is waited for: by who has a key, and by nobody else.
        """
        try:
            caller = await self._identify(knock.credential)
        except StoreError as error:
            raise not_stored() from error
        check_dialect(knock)
        if caller.credential != "key":
            raise Refused(
                403,
                "forbidden",
                "A client secret starts calls only. To control one, use an API key.",
                close=3000,
            )
        async with self._hub.in_use.while_valid(caller):
            live = await self._hub.find(call_id, APPEARS_WITHIN_S)
        if live is None or not _may_join(caller, live):
            raise no_call()
        check_seat(live)
        return live, credential_ids(caller)

    def gave_up(self, code: str) -> None:
        """A transport waited no longer for `admit`, and told so by this code."""
        self._counts.refused(code)

    def find(self, caller: Caller, call_id: str) -> LiveCall:
        """A call that this caller may end. Raises `Refused` as if there were no other."""
        live = self._hub.get(call_id)
        if live is None or not _may_join(caller, live):
            raise no_call()
        return live

    async def _admit(self, knock: Knock, call_id: str, new: str | None) -> Call:
        caller = await self._identify(knock.credential)
        check_dialect(knock)
        async with self._hub.in_use.while_valid(caller):
            return await self._set_up(knock, caller, call_id, new)

    async def _set_up(self, knock: Knock, caller: Caller, call_id: str, new: str | None) -> Call:
        plan, conversation, found = await self._planner.plan(knock, caller, call_id, new)
        self._admission.judge(plan, caller, found)
        live = LiveCall(
            call_id,
            conversation.id,
            plan.assistant.name,
            caller.key_id,
            knock.transport,
            credential_ids(caller),
        )
        self._hub.add(live)  # before anything is awaited: it has its place, and others can see it
        try:
            if found is not None:
                plan = await self._continued(plan, live)
            await self._begin(_row(knock, plan), None if found else conversation)
        except BaseException as error:
            self._hub.remove(live)
            if isinstance(error, asyncio.CancelledError):  # the store may begin it all the same
                self._hub.spawn(self._ended(call_id, "not_set_up"), "not_set_up")
            raise
        try:
            built = await self._build(plan)
        except BaseException:
            self._hub.remove(live)
            await self._ended(plan.call_id, "not_set_up")
            raise
        self._hub.connect(live, built.line, built.reader)
        return Call(plan, built.line, built.reader, self, live)

    async def _begin(self, row: CallRow, new: ConversationRow | None) -> None:
        """Raises `StoreError`, also when the disk takes too long."""
        try:
            async with asyncio.timeout(BEGUN_WITHIN_S):
                await self._store.begin_call(row, new)
        except TimeoutError:
            raise StoreError("the disk takes too long") from None

    async def _continued(self, plan: Plan, live: LiveCall) -> Plan:
        """The plan with what was said so far, also in the call that this one takes over."""
        if not await self._hub.take_over(plan.conversation_id, live):
            raise Refused(
                409,
                "conversation_busy",
                "The conversation is still in another call. Please try again in a minute.",
                type=SERVER,
                close=1013,
            )
        history = tuple(await self._store.items(plan.conversation_id))
        return replace(plan, history=history, greet=plan.greet and not history)

    async def preview(self, caller: Caller, knock: Knock, minter: Caller) -> tuple[AnySession, str]:
        """The session that this caller would get, and whose it is. Raises `Refused`.

        A conversation that `minter` may not see is given to nobody else either.
        """
        plan, _, found = await self._planner.plan(knock, caller, "", by=minter)
        self._admission.foresee(plan, found)
        session = msgspec.structs.replace(plan.session, id=self._make_id("sess"), expires_at=0)
        return session.without_secrets(), plan.assistant.name

    async def live(self, call: Call, live: LiveCall) -> None:
        """The call, to its ending in the store."""
        about = {"call": call.plan.call_id, "conversation": call.plan.conversation_id}
        log.info("call_began", extra=about | {"assistant": call.plan.assistant.name})
        try:
            await call.line.run()
        finally:
            self._hub.remove(live)
            await self._ended(call.plan.call_id, call.line.ending)
            log.info("call_ended", extra=about | {"ending": call.line.ending})

    async def _ended(self, call_id: str, ending: str) -> None:
        try:
            async with asyncio.timeout(ENDED_WITHIN_S):
                await self._store.end_call(call_id, now(), ending)
        except (StoreError, TimeoutError):
            log.warning("ending_not_stored", extra={"call": call_id, "ending": ending})


def _row(knock: Knock, plan: Plan) -> CallRow:
    return CallRow(
        plan.call_id,
        plan.conversation_id,
        plan.assistant.name,
        plan.caller.subject,
        knock.transport,
        plan.assistant.engine,
        now(),
    )


def check_seat(live: LiveCall) -> None:
    """Raises `Refused` if the call can have no more control connections, or is over.

    Many may wait for one call, and it is their handshakes that take time: so it is asked again
    where a seat is taken.
    """
    if not live.open:
        raise no_call()
    if live.sidebands >= SIDEBANDS:
        raise Refused(
            429,
            "rate_limit_exceeded",
            f"This call has {SIDEBANDS} control connections already.",
            type=RATE,
            close=1013,
        )


def _may_join(caller: Caller, live: LiveCall) -> bool:
    return caller.assistant in (None, live.assistant)
