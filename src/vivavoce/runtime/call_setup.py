"""Sets up a call, in the same way on every transport.

    credential → assistant → conversation → admission → machine → driver
                 └──── CallResolver ────┘

If one of the steps fails, it raises `CallRefused`. Each transport reports that in its own way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from ..access.policy import Policy
from ..clock import now
from ..core.types import Caller
from ..errors import StoreError
from ..failures import log_failure
from ..protocol.close_codes import CloseCode
from ..protocol.config import AnySession, SessionConfig
from ..protocol.own_events import CallNamed, OwnEvent
from ..store.base import CallRow, ConversationRow, Store
from ..store.prompts import PromptRow
from .admission import Admission
from .assistant_variables import AssistantVariables
from .call_resolver import CallResolver, check_dialect, with_session
from .call_spec import CallRequest, CallSpec
from .client import Client
from .client_port import ClientPort, Reader
from .cluster import CallRef, CallRegistry
from .credentials_in_use import credential_ids
from .driver import AnyDriver
from .live_call import LiveCall
from .loop_share import OneAtATime
from .refusals import RATE, SERVER, CallRefused, busy, no_call, not_stored
from .running_prompt import PreparePrompt, RunningPrompt, cannot_change
from .tool_history import CompleteHistory, as_stored

log = logging.getLogger(__name__)

ADMIT_WITHIN_S = 10.0
AGAIN_S = 5  # `retry_s` of a call that could not be set up in time
BEGUN_WITHIN_S = 5.0
ENDED_WITHIN_S = 5.0
APPEARS_WITHIN_S = 5.5  # a call that a sideband waits for (protocol §1.2)
SIDEBANDS = 8  # per call


Listen = Callable[[Callable[[OwnEvent], None]], None]


class BuildCall(Protocol):
    """Makes the machine, its work and its driver. `app` knows how, for each kind of engine."""

    async def __call__(self, spec: CallSpec) -> BuiltCall: ...


@dataclass(frozen=True, slots=True)
class BuiltCall:
    """A driver that is ready to run, and how to read each of its clients."""

    driver: AnyDriver
    reader: Callable[[ClientPort], Reader]
    close: Callable[[], None] = lambda: None  # when the call is over
    listen: Listen = lambda tell: None  # to our own events
    prepare_prompt: PreparePrompt = cannot_change


class AdmissionCounters(Protocol):
    """Counts the calls that were admitted and refused, and the time that they lasted."""

    def admitted(self, engine: str) -> None: ...

    def refused(self, code: str) -> None: ...

    def call_ended(self, lasted_s: float) -> None: ...


class CallListener(Protocol):
    """Learns of each call when it begins and when it has ended. It must not wait."""

    def call_started(
        self, call: CallRef, subject: str | None, transport: str, engine: str
    ) -> None: ...

    def call_ended(self, call: CallRef, subject: str | None, ending: str) -> None: ...


class NullListener:
    """Learns nothing."""

    def call_started(
        self, call: CallRef, subject: str | None, transport: str, engine: str
    ) -> None: ...

    def call_ended(self, call: CallRef, subject: str | None, ending: str) -> None: ...


class NullCounters:
    """Counts nothing."""

    def admitted(self, engine: str) -> None: ...

    def refused(self, code: str) -> None: ...

    def call_ended(self, lasted_s: float) -> None: ...


@dataclass(slots=True)
class AdmittedCall:
    """A call to attach a client to, by `driver` and `reader`. Then await `live` to its end."""

    spec: CallSpec
    driver: AnyDriver
    reader: Callable[[ClientPort], Reader]
    _call_setup: CallSetup
    _live: LiveCall
    _close: Callable[[], None]
    _listen: Listen

    def tell_own_events(self, client: Client) -> None:
        """Tell a client of the call the events of our own, which it asked for."""
        spec = self.spec
        named = CallNamed(call_id=spec.call_id, conversation_id=spec.conversation_id)
        client.tell_after_created(named)
        self._listen(client.tell)

    async def live(self) -> None:
        try:
            await self._call_setup.live(self, self._live)
        finally:
            self._close()


class CallSetup:
    """Admits calls and sidebands, and runs each admitted call to its end in the store."""

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
        complete_history: CompleteHistory = as_stored,
        listener: CallListener | None = None,
        variables: AssistantVariables | None = None,
    ) -> None:
        """`identify` raises `CallRefused` for a credential that is not valid."""
        self._identify = identify
        self._policy = policy
        self._resolver = resolver
        self._admission = admission
        self._store = store
        self._registry = registry
        self._build = build
        self._make_id = make_id
        self._counts = counts or NullCounters()
        self._variables = variables
        self._turns = OneAtATime()  # a hundred calls at once would delay all others for the sum
        self._complete_history = complete_history
        self._listener = listener or NullListener()

    async def admit(
        self,
        request: CallRequest,
        *,
        call_id: str | None = None,
        conversation_id: str | None = None,
    ) -> AdmittedCall:
        """Set up a call, or raise `CallRefused`.

        `call_id` and `conversation_id` are the ids of the call and of a new conversation.
        """
        try:
            call = await self._admit(request, call_id or self._make_id("rtc"), conversation_id)
        except StoreError as error:
            self._counts.refused("storage_unavailable")
            raise not_stored() from error
        except CallRefused as refused:
            self._counts.refused(refused.code)
            raise
        self._counts.admitted(call.spec.assistant.engine)
        return call

    async def admit_in_time(
        self,
        request: CallRequest,
        *,
        call_id: str | None = None,
        conversation_id: str | None = None,
    ) -> AdmittedCall:
        """Set up a call within `ADMIT_WITHIN_S`, or raise `CallRefused`."""
        try:
            async with asyncio.timeout(ADMIT_WITHIN_S):
                return await self.admit(request, call_id=call_id, conversation_id=conversation_id)
        except TimeoutError:  # the server is busy, or still loads what the assistant needs
            self._counts.refused("server_busy")
            message = (
                f"The call could not be set up in time. Please try again in {AGAIN_S} seconds."
            )
            raise busy(message, AGAIN_S) from None

    async def join(self, request: CallRequest, call_id: str) -> tuple[LiveCall, tuple[str, ...]]:
        """Find a call for a sideband. Raise `CallRefused` if the caller may not control it.

        Return the call, and the ids of the credentials that the sideband depends on: pass both to
        `CallRegistry.attach`. Only a caller with an API key waits for a call that is about to
        begin: waiting costs memory.
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
            live = await self._registry.find(
                call_id, APPEARS_WITHIN_S, lambda live: self._policy.may_control(caller, live)
            )
        if live is None:
            raise no_call()
        require_sideband_room(live)
        return live, credential_ids(caller)

    def find(self, caller: Caller, call_id: str) -> LiveCall:
        """Return a call that this caller may end.

        Raise `CallRefused` for any other call, as for one that does not exist.
        """
        live = self._registry.get(call_id)
        if live is None or not self._policy.may_control(caller, live):
            raise no_call()
        return live

    async def _admit(self, request: CallRequest, call_id: str, new: str | None) -> AdmittedCall:
        caller = await self._identify(request.credential)
        caller = with_session(request, caller, self._policy)
        check_dialect(request)
        async with self._registry.in_use.while_valid(caller):
            await self._turns.turn()
            return await self._set_up(request, caller, call_id, new)

    async def _set_up(
        self, request: CallRequest, caller: Caller, call_id: str, new: str | None
    ) -> AdmittedCall:
        spec, conversation, found = await self._resolver.spec(request, caller, call_id, new)
        await self._admission.admit(spec, caller, found)
        live = LiveCall(
            call_id,
            conversation.id,
            spec.assistant.name,
            caller.key_id,
            request.transport,
            credential_ids(caller),
            subject=conversation.subject,
        )
        self._registry.add(live)  # before the next await, so that other calls can see it
        try:
            if found is not None:
                spec = await self._with_history(spec, live)
            row = _call_row(request, spec)
            await self._store_beginning(row, None if found else conversation, _prompt_row(spec))
        except BaseException as error:
            await self._release(live)
            if isinstance(error, asyncio.CancelledError):  # the store may begin it all the same
                self._registry.spawn(self._store_ending(call_id, "not_set_up"), "not_set_up")
            raise
        try:
            await self._turns.turn()
            built = await self._build(spec)
            await self._turns.turn()  # its clients attach, and what they sent meanwhile is read
        except BaseException:
            await self._release(live)
            await self._store_ending(spec.call_id, "not_set_up")
            raise
        live.prompt = self._running_prompt(spec, built.prepare_prompt)
        self._registry.connect(live, built.driver, built.reader)
        if self._variables is not None:
            self._variables.catch_up(live, spec.variables_revision)
        return AdmittedCall(spec, built.driver, built.reader, self, live, built.close, built.listen)

    def _running_prompt(self, spec: CallSpec, prepare: PreparePrompt) -> RunningPrompt | None:
        if spec.choice is None or spec.prompt is None:
            return None
        return RunningPrompt(
            spec.call_id,
            spec.assistant,
            spec.choice,
            spec.prompt,
            prompts=self._store.prompts,
            prepare=prepare,
        )

    async def _store_beginning(
        self, row: CallRow, new: ConversationRow | None, prompt: PromptRow | None
    ) -> None:
        """Store the beginning. Raise `StoreError` also after `BEGUN_WITHIN_S`."""
        try:
            async with asyncio.timeout(BEGUN_WITHIN_S):
                await self._store.begin_call(row, new, prompt)
        except TimeoutError:
            message = f"the beginning was not stored within {BEGUN_WITHIN_S:g} s"
            raise StoreError(message) from None

    async def _with_history(self, spec: CallSpec, live: LiveCall) -> CallSpec:
        """Return the spec with the history, which includes the call that this one takes over."""
        if not await self._registry.take_over(spec.conversation_id, live):
            raise CallRefused(
                409,
                "conversation_busy",
                "The conversation is still in another call. Please try again in a minute.",
                type=SERVER,
                close=CloseCode.TRY_AGAIN_LATER,
            )
        history = tuple(await self._store.items(spec.conversation_id))
        history = await self._complete_history(spec.conversation_id, spec.server_tools, history)
        return replace(spec, history=history, greet=spec.greet and not history)

    async def preview(
        self, caller: Caller, request: CallRequest, minter: Caller
    ) -> tuple[AnySession, str]:
        """Return the session that this caller would get, and the name of its assistant.

        Raise `CallRefused` as `admit` does. A client secret cannot continue a conversation that
        its `minter` may not see.
        """
        spec, _, found = await self._resolver.spec(request, caller, "", by=minter)
        self._admission.preview(spec, found)
        session = msgspec.structs.replace(spec.session, id=self._make_id("sess"), expires_at=0)
        return session.without_secrets(), spec.assistant.name

    async def live(self, call: AdmittedCall, live: LiveCall) -> None:
        """Run the call, and store its ending."""
        about = {"call": call.spec.call_id, "conversation": call.spec.conversation_id}
        log.info("call_began", extra=about | {"assistant": call.spec.assistant.name})
        spec = call.spec
        ref = CallRef(spec.call_id, spec.conversation_id, spec.assistant.name)
        subject = spec.caller.subject
        clock = asyncio.get_running_loop().time
        began = clock()
        self._listener.call_started(ref, subject, spec.transport, spec.assistant.engine)
        try:
            await call.driver.run()
        finally:
            self._counts.call_ended(clock() - began)
            self._listener.call_ended(ref, subject, call.driver.ending)
            await self._release(live)
            await self._store_ending(call.spec.call_id, call.driver.ending)
            log.info("call_ended", extra=about | {"ending": call.driver.ending})

    async def _release(self, live: LiveCall) -> None:
        self._registry.remove(live)
        try:
            await self._admission.release(live.id)
        except Exception as bug:  # counters of several processes may be away: the ending is stored
            log_failure(log, "place_not_released", bug, call=live.id)

    async def _store_ending(self, call_id: str, ending: str) -> None:
        try:
            async with asyncio.timeout(ENDED_WITHIN_S):
                await self._store.end_call(call_id, now(), ending)
        except (StoreError, TimeoutError):
            log.warning("ending_not_stored", extra={"call": call_id, "ending": ending})


def _call_row(request: CallRequest, spec: CallSpec) -> CallRow:
    return CallRow(
        spec.call_id,
        spec.conversation_id,
        spec.assistant.name,
        spec.caller.subject,
        request.transport,
        spec.assistant.engine,
        now(),
    )


def _prompt_row(spec: CallSpec) -> PromptRow | None:
    """Return the instructions that the call begins with: a secret may bring its own."""
    if spec.prompt is None or not isinstance(spec.session, SessionConfig):
        return None
    row = spec.prompt.row(spec.call_id, 0, now())
    return replace(row, instructions=spec.session.instructions)


def require_sideband_room(live: LiveCall) -> None:
    """Raise `CallRefused` if the call is over or has all the sidebands that it may have.

    Callers check this twice, because a handshake takes time and other sidebands may be faster:
    before the handshake, and again when they attach.
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
