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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from ..access.refusal import Refusal
from ..assistants import Assistant
from ..core.ids import DICE, new_id
from ..core.values import Caller, JsonObject
from ..errors import InvalidRequest, VivavoceError
from ..protocol.config import SessionConfig
from ..store.base import CallRow, ConversationRow, Row, Store
from .client import Client, Reader
from .hub import Hub, LiveCall
from .line import Line

log = logging.getLogger("vivavoce.calls")

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
    new: ConversationRow | None  # the conversation, if it begins with this call
    _reception: Reception

    async def live(self) -> None:
        await self._reception.live(self)


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

    async def admit(self, knock: Knock, *, conversation_id: str | None = None) -> Call:
        """Raises `Refused`. `conversation_id`: the id a new conversation shall have."""
        caller = await self._identify(knock.credential)
        self._check_intent(knock)
        assistant = self._assistant(knock, caller)
        conversation, history = await self._conversation(knock, caller, assistant, conversation_id)
        new = history is None
        history = history or ()
        plan = self._plan(knock, caller, assistant, conversation, history)
        self._check_room(assistant)
        if history:
            await self._hub.take_over(conversation.id)
        built = await self._build(plan)
        return Call(plan, built.line, built.reader, conversation if new else None, self)

    async def preview(self, caller: Caller, knock: Knock) -> tuple[SessionConfig, str]:
        """The session that this caller would get, and whose it is. Raises `Refused`."""
        assistant = self._assistant(knock, caller)
        if caller.conversation_id is not None:
            await self._conversation(knock, caller, assistant, None)
        at = now()
        nobody = ConversationRow("", assistant.name, caller.subject, caller.language, at, at)
        plan = self._plan(knock, caller, assistant, nobody, ())
        session = msgspec.structs.replace(plan.session, id=self._make_id("sess"), expires_at=0)
        return session.without_secrets(), assistant.name

    async def live(self, call: Call) -> None:
        """The call, from its row in the store to its ending."""
        plan = call.plan
        live = LiveCall(
            plan.call_id, plan.conversation_id, plan.assistant.name, plan.caller.subject, call.line
        )
        row = CallRow(
            plan.call_id,
            plan.conversation_id,
            plan.assistant.name,
            plan.caller.subject,
            "websocket",
            plan.assistant.engine,
            now(),
        )
        self._hub.add(live)
        log.info("call_began", extra={"call": plan.call_id, "assistant": plan.assistant.name})
        try:
            await self._store.begin_call(row, call.new)
            await call.line.run()
        finally:
            self._hub.remove(live)
            async with asyncio.timeout(5):
                await self._store.end_call(plan.call_id, now(), call.line.ending)
            log.info("call_ended", extra={"call": plan.call_id, "ending": call.line.ending})

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

    async def _conversation(
        self, knock: Knock, caller: Caller, assistant: Assistant, new: str | None
    ) -> tuple[ConversationRow, tuple[Row, ...] | None]:
        """The conversation and what was said in it; None if it begins now."""
        asked = knock.asked("conversation_id") or caller.conversation_id
        if asked is None:
            language = assistant.pick_language(knock.asked("language") or caller.language)
            at = now()
            row = ConversationRow(
                new or self._make_id("conv"), assistant.name, caller.subject, language, at, at
            )
            return row, None  # stored with the call, if one comes of it
        found = await self._store.conversation(asked)
        if found is None or found.assistant != assistant.name or not _may_see(caller, found):
            raise Refused(
                404,
                "conversation_not_found",
                f"There is no conversation with id '{asked[:60]}' for this assistant.",
                param="conversation_id",
            )
        return found, tuple(await self._store.items(asked))

    def _plan(
        self,
        knock: Knock,
        caller: Caller,
        assistant: Assistant,
        conversation: ConversationRow,
        history: tuple[Row, ...],
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
            self._make_id("rtc"),
            conversation.id,
            caller,
            assistant,
            language,
            role,
            session,
            history,
            browser=caller.browser,
            # Programs written for other servers speak first, and count responses.
            greet=not history and (caller.browser or knock.query.get("greeting") == "true"),
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

    def _check_room(self, assistant: Assistant) -> None:
        full = len(self._hub) >= self._at_once
        full |= self._hub.with_assistant(assistant.name) >= assistant.limits.calls_at_once
        if full or self._hub.leaving:
            raise Refused(
                429,
                "rate_limit_exceeded",
                "All lines are busy. Please try again in a minute.",
                type="rate_limit_error",
                close=1013,
            )


def _may_see(caller: Caller, conversation: ConversationRow) -> bool:
    """A key sees all of its assistants' conversations; a user only their own."""
    return caller.credential == "key" or (
        caller.subject is not None and caller.subject == conversation.subject
    )
