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

from ..access.policy import Policy
from ..core.types import Caller
from ..errors import StoreError
from ..protocol.close_codes import CloseCode
from ..protocol.config import AnySession
from ..store.base import CallRow, ConversationRow, Store
from .admission import Admission
from .call_registry import CallRegistry, LiveCall
from .call_request import CallRequest, CallResolver, CallSpec, check_dialect, now
from .client import Client, Reader
from .credentials_in_use import credential_ids
from .driver import AnyDriver
from .refusals import RATE, SERVER, CallRefused, no_call, not_stored

log = logging.getLogger("vivavoce.calls")

BEGUN_WITHIN_S = 5.0
ENDED_WITHIN_S = 5.0
APPEARS_WITHIN_S = 5.5  # a call that somebody wants to attach to (protocol §1.2)
SIDEBANDS = 8  # control connections of one call


class BuildCall(Protocol):
    """Makes the machine, its work and their line. `app` knows how, for each kind of engine."""

    async def __call__(self, spec: CallSpec) -> BuiltCall: ...


@dataclass(frozen=True, slots=True)
class BuiltCall:
    driver: AnyDriver
    reader: Callable[[Client], Reader]


class AdmissionCounters(Protocol):
    """Told who came in, and who did not."""

    def came(self, engine: str) -> None: ...

    def refused(self, code: str) -> None: ...


class NullCounters:
    def came(self, engine: str) -> None: ...

    def refused(self, code: str) -> None: ...


@dataclass(slots=True)
class AdmittedCall:
    """Admitted: attach a transport by `line` and `reader`, then `live` until it is over."""

    spec: CallSpec
    driver: AnyDriver
    reader: Callable[[Client], Reader]
    _reception: CallSetup
    _live: LiveCall

    async def live(self) -> None:
        await self._reception.live(self, self._live)


class CallSetup:
    def __init__(
        self,
        *,
        identify: Callable[[str | None], Awaitable[Caller]],
        policy: Policy,
        resolver: CallResolver,
        admission: Admission,
        store: Store,
        registry: CallRegistry,
        build: BuildCall,
        make_id: Callable[[str], str],
        counts: AdmissionCounters | None = None,
    ) -> None:
        """`identify` raises `Refused` for a credential that is none."""
        self._identify = identify
        self._policy = policy
        self._resolver = resolver
        self._admission = admission
        self._store = store
        self._registry = registry
        self._build = build
        self._make_id = make_id
        self._counts = counts or NullCounters()

    async def admit(
        self,
        request: CallRequest,
        *,
        call_id: str | None = None,
        conversation_id: str | None = None,
    ) -> AdmittedCall:
        """Raises `Refused`. The ids: what the call, and a new conversation, shall be called."""
        try:
            call = await self._admit(request, call_id or self._make_id("rtc"), conversation_id)
        except StoreError as error:
            self._counts.refused("storage_unavailable")
            raise not_stored() from error
        except CallRefused as refused:
            self._counts.refused(refused.code)
            raise
        self._counts.came(call.spec.assistant.engine)
        return call

    async def join(self, request: CallRequest, call_id: str) -> tuple[LiveCall, tuple[str, ...]]:
        """A running call, for a control connection beside its own. Raises `Refused`.

        And the credentials that the connection depends on: attach it by `Hub.attach`.

        The call may be about to begin, and is waited for: by who has a key, and by nobody else.
        """
        try:
            caller = await self._identify(request.credential)
        except StoreError as error:
            raise not_stored() from error
        check_dialect(request)
        if not self._policy.may_control(caller):
            raise CallRefused(
                403,
                "forbidden",
                "A client secret starts calls only. To control one, use an API key.",
                close=CloseCode.UNAUTHORIZED,
            )
        async with self._registry.in_use.while_valid(caller):
            live = await self._registry.find(call_id, APPEARS_WITHIN_S)
        if live is None or not self._policy.may_control(caller, live):
            raise no_call()
        check_seat(live)
        return live, credential_ids(caller)

    def gave_up(self, code: str) -> None:
        """A transport waited no longer for `admit`, and told so by this code."""
        self._counts.refused(code)

    def find(self, caller: Caller, call_id: str) -> LiveCall:
        """A call that this caller may end. Raises `Refused` as if there were no other."""
        live = self._registry.get(call_id)
        if live is None or not self._policy.may_control(caller, live):
            raise no_call()
        return live

    async def _admit(self, request: CallRequest, call_id: str, new: str | None) -> AdmittedCall:
        caller = await self._identify(request.credential)
        check_dialect(request)
        async with self._registry.in_use.while_valid(caller):
            return await self._set_up(request, caller, call_id, new)

    async def _set_up(
        self, request: CallRequest, caller: Caller, call_id: str, new: str | None
    ) -> AdmittedCall:
        spec, conversation, found = await self._resolver.spec(request, caller, call_id, new)
        self._admission.admit(spec, caller, found)
        live = LiveCall(
            call_id,
            conversation.id,
            spec.assistant.name,
            caller.key_id,
            request.transport,
            credential_ids(caller),
            subject=conversation.subject,
        )
        self._registry.add(
            live
        )  # before anything is awaited: it has its place, and others can see it
        try:
            if found is not None:
                spec = await self._continued(spec, live)
            await self._begin(_row(request, spec), None if found else conversation)
        except BaseException as error:
            self._registry.remove(live)
            if isinstance(error, asyncio.CancelledError):  # the store may begin it all the same
                self._registry.spawn(self._ended(call_id, "not_set_up"), "not_set_up")
            raise
        try:
            built = await self._build(spec)
        except BaseException:
            self._registry.remove(live)
            await self._ended(spec.call_id, "not_set_up")
            raise
        self._registry.connect(live, built.driver, built.reader)
        return AdmittedCall(spec, built.driver, built.reader, self, live)

    async def _begin(self, row: CallRow, new: ConversationRow | None) -> None:
        """Raises `StoreError`, also when the disk takes too long."""
        try:
            async with asyncio.timeout(BEGUN_WITHIN_S):
                await self._store.begin_call(row, new)
        except TimeoutError:
            raise StoreError("the disk takes too long") from None

    async def _continued(self, spec: CallSpec, live: LiveCall) -> CallSpec:
        """The plan with what was said so far, also in the call that this one takes over."""
        if not await self._registry.take_over(spec.conversation_id, live):
            raise CallRefused(
                409,
                "conversation_busy",
                "The conversation is still in another call. Please try again in a minute.",
                type=SERVER,
                close=CloseCode.TRY_AGAIN_LATER,
            )
        history = tuple(await self._store.items(spec.conversation_id))
        return replace(spec, history=history, greet=spec.greet and not history)

    async def preview(
        self, caller: Caller, request: CallRequest, minter: Caller
    ) -> tuple[AnySession, str]:
        """The session that this caller would get, and whose it is. Raises `Refused`.

        A conversation that `minter` may not see is given to nobody else either.
        """
        spec, _, found = await self._resolver.spec(request, caller, "", by=minter)
        self._admission.preview(spec, found)
        session = msgspec.structs.replace(spec.session, id=self._make_id("sess"), expires_at=0)
        return session.without_secrets(), spec.assistant.name

    async def live(self, call: AdmittedCall, live: LiveCall) -> None:
        """The call, to its ending in the store."""
        about = {"call": call.spec.call_id, "conversation": call.spec.conversation_id}
        log.info("call_began", extra=about | {"assistant": call.spec.assistant.name})
        try:
            await call.driver.run()
        finally:
            self._registry.remove(live)
            await self._ended(call.spec.call_id, call.driver.ending)
            log.info("call_ended", extra=about | {"ending": call.driver.ending})

    async def _ended(self, call_id: str, ending: str) -> None:
        try:
            async with asyncio.timeout(ENDED_WITHIN_S):
                await self._store.end_call(call_id, now(), ending)
        except (StoreError, TimeoutError):
            log.warning("ending_not_stored", extra={"call": call_id, "ending": ending})


def _row(request: CallRequest, spec: CallSpec) -> CallRow:
    return CallRow(
        spec.call_id,
        spec.conversation_id,
        spec.assistant.name,
        spec.caller.subject,
        request.transport,
        spec.assistant.engine,
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
        raise CallRefused(
            429,
            "rate_limit_exceeded",
            f"This call has {SIDEBANDS} control connections already.",
            type=RATE,
            close=CloseCode.TRY_AGAIN_LATER,
        )
