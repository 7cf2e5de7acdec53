"""The one way a call begins, on every transport:

    credential → assistant → conversation → admission → machine → line

or `Refused`, which each transport says in its own way.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from ..access.refusal import Refusal
from ..assistants import Assistant
from ..core.ids import DICE, new_id
from ..core.values import Caller, JsonObject
from ..errors import InvalidRequest, StoreError, VivavoceError
from ..protocol.config import SessionConfig
from ..store.base import CallRow, ConversationRow, Row, Store
from .client import Client, Reader
from .hub import Hub, LiveCall
from .line import Line

log = logging.getLogger("vivavoce.calls")

ENDED_WITHIN_S = 5.0
APPEARS_WITHIN_S = 5.5  # a call that somebody wants to attach to (protocol §1.2)
SIDEBANDS = 8  # control connections of one call
INVALID, SERVER = "invalid_request_error", "server_error"


class Refused(VivavoceError):
    """No call comes of it. `status` is HTTP's; `close` is the WebSocket's close code."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        type: str = INVALID,
        close: int = 4000,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.type = type
        self.close = close


def refused(refusal: Refusal) -> Refused:
    """In the words of whoever looked at the credential."""
    return Refused(refusal.status, refusal.code, refusal.message, close=3000)


@dataclass(frozen=True, slots=True)
class Knock:
    """Somebody is at the door: what they ask for, and by what right."""

    credential: str | None
    transport: str
    query: Mapping[str, str] = field(default_factory=dict)

    def asked(self, *names: str) -> str | None:
        return next((self.query[name] for name in names if self.query.get(name)), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a call will be, decided; whoever builds its machine and engine goes by it."""

    call_id: str
    conversation_id: str
    caller: Caller
    assistant: Assistant
    language: str
    role: str
    session: SessionConfig
    history: tuple[Row, ...] = ()
    browser: bool = False
    greet: bool = False


class Build(Protocol):
    """Makes the machine, its work and their line. `app` knows how, for each kind of engine."""

    async def __call__(self, plan: Plan) -> Built: ...


@dataclass(frozen=True, slots=True)
class Built:
    line: Line
    reader: Callable[[Client], Reader]


class Assistants(Protocol):
    def get(self, name: str) -> Assistant | None: ...


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


def ids() -> Callable[[str], str]:
    """Fresh ids from the clock and the system's dice."""
    return lambda kind: new_id(kind, time.time(), secrets.token_bytes(DICE))


def now() -> datetime:
    return datetime.now(UTC)


class Reception:
    def __init__(
        self,
        *,
        identify: Callable[[str | None], Awaitable[Caller]],
        assistants: Assistants,
        store: Store,
        hub: Hub,
        build: Build,
        default_assistant: str,
        calls_at_once: int,
        make_id: Callable[[str], str],
    ) -> None:
        """`identify` raises `Refused` for a credential that is none."""
        self._identify = identify
        self._assistants = assistants
        self._store = store
        self._hub = hub
        self._build = build
        self._default = default_assistant
        self._at_once = calls_at_once
        self._make_id = make_id

    async def admit(
        self, knock: Knock, *, call_id: str | None = None, conversation_id: str | None = None
    ) -> Call:
        """Raises `Refused`. The ids: what the call, and a new conversation, shall be called."""
        try:
            return await self._admit(knock, call_id or self._make_id("rtc"), conversation_id)
        except StoreError as error:
            raise _not_stored() from error

    async def join(self, knock: Knock, call_id: str) -> LiveCall:
        """A running call, for a control connection beside its own. Raises `Refused`.

        The call may be about to begin, and is waited for: by who has a key, and by nobody else.
        """
        try:
            caller = await self._identify(knock.credential)
        except StoreError as error:
            raise _not_stored() from error
        if caller.credential != "key":
            raise Refused(
                403,
                "forbidden",
                "A client secret starts calls only. To control one, use an API key.",
                close=3000,
            )
        live = await self._hub.find(call_id, APPEARS_WITHIN_S)
        if live is None or not _may_join(caller, live):
            raise no_call()
        if live.sidebands >= SIDEBANDS:
            raise Refused(
                429,
                "rate_limit_exceeded",
                f"This call has {SIDEBANDS} control connections already.",
                type="rate_limit_error",
                close=1013,
            )
        return live

    def find(self, caller: Caller, call_id: str) -> LiveCall:
        """A call that this caller may end. Raises `Refused` as if there were no other."""
        live = self._hub.get(call_id)
        if live is None or not _may_join(caller, live):
            raise no_call()
        return live

    async def _admit(self, knock: Knock, call_id: str, new: str | None) -> Call:
        caller = await self._identify(knock.credential)
        self._check_intent(knock)
        assistant = self._assistant(knock, caller)
        found = await self._found(knock, caller, assistant)
        conversation = found or self._begun(knock, caller, assistant, new)
        plan = self._plan(knock, caller, assistant, conversation, call_id)
        self._check_room(assistant, conversation)
        live = LiveCall(call_id, conversation.id, assistant.name, knock.transport)
        self._hub.add(live)  # before anything is awaited: it has its place, and others can see it
        try:
            if found is not None:
                plan = await self._continued(plan, live)
            await self._store.begin_call(_row(knock, plan), None if found else conversation)
            built = await self._build(plan)
        except BaseException:
            self._hub.remove(live)
            await self._ended(plan.call_id, "not_set_up")
            raise
        self._hub.connect(live, built.line, built.reader)
        return Call(plan, built.line, built.reader, self, live)

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

    async def preview(
        self, caller: Caller, knock: Knock, minter: Caller
    ) -> tuple[SessionConfig, str]:
        """The session that this caller would get, and whose it is. Raises `Refused`.

        A conversation that `minter` may not see is given to nobody else either.
        """
        assistant = self._assistant(knock, caller)
        found = await self._found(knock, caller, assistant, by=minter)
        conversation = found or self._begun(knock, caller, assistant, None)
        plan = self._plan(knock, caller, assistant, conversation, "")
        session = msgspec.structs.replace(plan.session, id=self._make_id("sess"), expires_at=0)
        return session.without_secrets(), assistant.name

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

    # Step by step

    def _check_intent(self, knock: Knock) -> None:
        intent = knock.query.get("intent")
        if intent and intent not in ("realtime", "conversation"):
            raise Refused(400, "invalid_intent", f"Invalid intent '{intent[:40]}'.", param="intent")

    def _assistant(self, knock: Knock, caller: Caller) -> Assistant:
        asked = None
        if caller.credential != "secret":
            asked = knock.asked("assistant", "agent", "agent_id")
        if caller.assistant is not None:
            if asked not in (None, caller.assistant):
                raise Refused(
                    403, "assistant_not_allowed", "This key is for another assistant.", close=3000
                )
            asked = caller.assistant
        if asked is not None:
            if (found := self._assistants.get(asked)) is None:
                raise Refused(
                    404,
                    "assistant_not_found",
                    f"There is no assistant named '{asked[:40]}'.",
                    param="assistant",
                )
            return found
        model = knock.asked("model")
        found = self._assistants.get(model) if model else None
        if found := found or self._assistants.get(self._default):
            return found
        raise Refused(404, "assistant_not_found", f"There is no assistant named '{self._default}'.")

    async def _found(
        self, knock: Knock, caller: Caller, assistant: Assistant, by: Caller | None = None
    ) -> ConversationRow | None:
        """The conversation that shall be continued; None: a new one. `by`: whose right it is."""
        asked = knock.asked("conversation_id") or caller.conversation_id
        if asked is None:
            return None
        found = await self._store.conversation(asked)
        if found is None or found.assistant != assistant.name or not _may_see(by or caller, found):
            raise Refused(
                404,
                "conversation_not_found",
                f"There is no conversation with id '{asked[:60]}' for this assistant.",
                param="conversation_id",
            )
        return found

    def _begun(
        self, knock: Knock, caller: Caller, assistant: Assistant, new: str | None
    ) -> ConversationRow:
        language = assistant.pick_language(knock.asked("language") or caller.language)
        at = now()
        return ConversationRow(
            new or self._make_id("conv"), assistant.name, caller.subject, language, at, at
        )

    def _plan(
        self,
        knock: Knock,
        caller: Caller,
        assistant: Assistant,
        conversation: ConversationRow,
        call_id: str,
    ) -> Plan:
        """The session as it begins: the assistant's, then the secret's, then the query's."""
        variables = dict(caller.variables)
        role = caller.role
        if caller.credential == "key":
            role = knock.asked("role") or role
            variables |= {
                name.removeprefix("var."): value
                for name, value in knock.query.items()
                if name.startswith("var.")
            }
        language = assistant.pick_language(
            knock.asked("language") or caller.language or conversation.language
        )
        try:
            role = assistant.pick_role(role)
            session = self._session(knock, assistant, role, language, variables)
            if caller.session is not None:
                asked = {k: v for k, v in caller.session.items() if v is not None}
                session = session.merged({"type": "realtime"} | asked)
            if voice := knock.asked("voice"):
                output: JsonObject = {"voice": voice}
                session = session.merged({"type": "realtime", "audio": {"output": output}})
        except InvalidRequest as error:
            raise Refused(400, error.code, error.message, param=error.param) from None
        return Plan(
            call_id,
            conversation.id,
            caller,
            assistant,
            language,
            role,
            session,
            browser=caller.browser,
            # Programs written for other servers speak first, and count responses.
            greet=caller.browser or knock.query.get("greeting") == "true",
        )

    def _session(
        self,
        knock: Knock,
        assistant: Assistant,
        role: str,
        language: str,
        variables: dict[str, str],
    ) -> SessionConfig:
        tools = [msgspec.to_builtins(tool) | {"type": "function"} for tool in assistant.tools()]
        patch: JsonObject = {
            "type": "realtime",
            "instructions": assistant.instructions(role, language, variables),
            "tools": tools,
            "audio": {
                "input": {"turn_detection": assistant.turn_detection()},
                "output": {"voice": assistant.voice.name, "speed": assistant.voice.speed},
            },
        }
        model = knock.asked("model") or assistant.name
        return SessionConfig(model=model[:200]).merged(patch)

    def _check_room(self, assistant: Assistant, conversation: ConversationRow) -> None:
        others = self._hub.besides(conversation.id)
        theirs = sum(call.assistant == assistant.name for call in others)
        full = len(others) >= self._at_once or theirs >= assistant.limits.calls_at_once
        if full or self._hub.leaving:
            raise Refused(
                429,
                "rate_limit_exceeded",
                "All lines are busy. Please try again in a minute.",
                type="rate_limit_error",
                close=1013,
            )


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


def no_call() -> Refused:
    """In the protocol's words, which are the same for a call that is somebody else's (§1.2)."""
    return Refused(404, "call_id_not_found", "No session found for the provided call_id", param="")


def _not_stored() -> Refused:
    return Refused(
        503, "storage_unavailable", "The conversation could not be stored.", type=SERVER, close=1011
    )


def _may_join(caller: Caller, live: LiveCall) -> bool:
    return caller.assistant in (None, live.assistant)


def _may_see(caller: Caller, conversation: ConversationRow) -> bool:
    """A key sees all of its assistants' conversations; a user only their own.

    A client secret may name one: whoever minted it was asked then.
    """
    if caller.credential == "key":
        return True
    if caller.credential == "secret" and caller.conversation_id == conversation.id:
        return True
    return caller.subject is not None and caller.subject == conversation.subject
