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
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

import msgspec

from ..access.refusal import Refusal
from ..assistants import Assistant
from ..core.ids import DICE, new_id
from ..core.values import Caller, JsonObject
from ..errors import InvalidRequest, StoreError, VivavoceError
from ..protocol.config import AnySession, SessionConfig, SessionType, TranscriptionConfig, type_of
from ..store.base import CallRow, ConversationRow, Row, Store
from .client import Client, Reader
from .hub import Hub, LiveCall
from .line import Line
from .load import Load

log = logging.getLogger("vivavoce.calls")

BEGUN_WITHIN_S = 5.0
ENDED_WITHIN_S = 5.0
APPEARS_WITHIN_S = 5.5  # a call that somebody wants to attach to (protocol §1.2)
SIDEBANDS = 8  # control connections of one call
RETURNS = timedelta(minutes=2)  # who lost the connection and comes back
INVALID, SERVER = "invalid_request_error", "server_error"

Dialect = Literal["ga", "beta", "translation"]

INTENTS: dict[str, SessionType] = {
    "realtime": "realtime",
    "conversation": "realtime",
    "transcription": "transcription",
}


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
        retry_s: int | None = None,
    ) -> None:
        """`retry_s`: in so many seconds it is worth trying again."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.type = type
        self.close = close
        self.retry_s = retry_s


def refused(refusal: Refusal) -> Refused:
    """In the words of whoever looked at the credential."""
    return Refused(refusal.status, refusal.code, refusal.message, close=3000)


@dataclass(frozen=True, slots=True)
class Knock:
    """Somebody is at the door: what they ask for, and by what right."""

    credential: str | None
    transport: str
    query: Mapping[str, str] = field(default_factory=dict)
    dialect: Dialect = "ga"

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
    session: AnySession
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


class Ask(Protocol):
    """`Load.admit`, or `Load.busy`: in how many seconds to try again; None: come in."""

    def __call__(self, now: float, *, hears: bool) -> int | None: ...


class Counts(Protocol):
    """Told who came in, and who did not."""

    def came(self, engine: str) -> None: ...

    def refused(self, code: str) -> None: ...


class Uncounted:
    def came(self, engine: str) -> None: ...

    def refused(self, code: str) -> None: ...


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
        calls_per_key: int | None = None,
        make_id: Callable[[str], str],
        load: Load | None = None,
        counts: Counts | None = None,
        hears: Callable[[Assistant, str], bool] = lambda assistant, language: True,
    ) -> None:
        """`identify` raises `Refused` for a credential that is none. `load`: see `_check_load`;
        `hears`: would a call with this assistant, in this language, need a recogniser of ours?"""
        self._identify = identify
        self._assistants = assistants
        self._store = store
        self._hub = hub
        self._build = build
        self._default = default_assistant
        self._at_once = calls_at_once
        self._per_key = calls_per_key
        self._make_id = make_id
        self._load = load or Load()
        self._counts = counts or Uncounted()
        self._hears = hears

    async def admit(
        self, knock: Knock, *, call_id: str | None = None, conversation_id: str | None = None
    ) -> Call:
        """Raises `Refused`. The ids: what the call, and a new conversation, shall be called."""
        try:
            call = await self._admit(knock, call_id or self._make_id("rtc"), conversation_id)
        except StoreError as error:
            self._counts.refused("storage_unavailable")
            raise _not_stored() from error
        except Refused as refused:
            self._counts.refused(refused.code)
            raise
        self._counts.came(call.plan.assistant.engine)
        return call

    async def join(self, knock: Knock, call_id: str) -> LiveCall:
        """A running call, for a control connection beside its own. Raises `Refused`.

        The call may be about to begin, and is waited for: by who has a key, and by nobody else.
        """
        try:
            caller = await self._identify(knock.credential)
        except StoreError as error:
            raise _not_stored() from error
        _check_dialect(knock)
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
        _check_dialect(knock)
        assistant = self._assistant(knock, caller)
        found = await self._found(knock, caller, assistant)
        conversation = found or self._begun(knock, caller, assistant, new)
        plan = self._plan(knock, caller, assistant, conversation, call_id)
        self._check_room(assistant, conversation)
        self._check_share(caller, conversation)
        self._check_load(plan, found, self._load.admit)
        live = LiveCall(call_id, conversation.id, assistant.name, caller.key_id, knock.transport)
        self._hub.add(live)  # before anything is awaited: it has its place, and others can see it
        try:
            if found is not None:
                plan = await self._continued(plan, live)
            await self._begin(_row(knock, plan), None if found else conversation)
        except BaseException:
            self._hub.remove(live)
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
        assistant = self._assistant(knock, caller)
        found = await self._found(knock, caller, assistant, by=minter)
        conversation = found or self._begun(knock, caller, assistant, None)
        plan = self._plan(knock, caller, assistant, conversation, "")
        self._check_load(plan, found, self._load.busy)  # better told now than after it is minted
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

    def _type(self, knock: Knock, caller: Caller) -> SessionType:
        """What kind of session: as the secret says, else as the query asks (protocol §1.8)."""
        intent = knock.asked("intent")
        asked = INTENTS.get(intent) if intent else None
        bound = type_of(caller.session) if caller.session else None
        if intent and (asked is None or bound not in (None, asked)):
            raise Refused(400, "invalid_intent", f"Invalid intent '{intent[:40]}'.", param="intent")
        return bound or asked or "realtime"

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
            bound = {k: v for k, v in (caller.session or {}).items() if v is not None}
            session: AnySession
            if self._type(knock, caller) == "transcription":
                session = _dictation(assistant, language).merged({"type": "transcription"} | bound)
            else:
                session = self._session(knock, assistant, role, language, variables)
                session = session.merged({"type": "realtime"} | bound)
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
            greet=isinstance(session, SessionConfig)
            and (caller.browser or knock.query.get("greeting") == "true"),
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
                retry_s=60,
            )

    def _check_share(self, caller: Caller, conversation: ConversationRow) -> None:
        """One key must not take all lines. A browser that is signed in has none, and few calls."""
        if caller.key_id is None or self._per_key is None:
            return
        others = self._hub.besides(conversation.id)
        if sum(call.key_id == caller.key_id for call in others) >= self._per_key:
            raise Refused(
                429,
                "rate_limit_exceeded",
                f"This API key has {self._per_key} calls already, as many as it may. Please try "
                "again in a minute.",
                type="rate_limit_error",
                close=1013,
                retry_s=60,
            )

    def _check_load(self, plan: Plan, found: ConversationRow | None, ask: Ask) -> None:
        """A new voice does not come in where it would ruin those that are there.

        Nobody is there to be ruined, or it is no voice, or it is the voice of a conversation that
        goes on: then it may.
        """
        others = self._hub.besides(plan.conversation_id)
        alone = not others
        goes_on = len(others) < len(self._hub) or (found and now() - found.updated_at < RETURNS)
        if alone or goes_on or not _by_voice(plan.session):
            return
        clock = asyncio.get_running_loop().time
        if (seconds := ask(clock(), hears=self._hears(plan.assistant, plan.language))) is not None:
            raise Refused(
                429,
                "server_busy",
                f"All lines are busy. Please try again in {seconds} seconds.",
                type="rate_limit_error",
                close=1013,
                retry_s=seconds,
            )


def _by_voice(session: AnySession) -> bool:
    """Does somebody speak in it? A transcription session is nothing else."""
    return not isinstance(session, SessionConfig) or "audio" in session.output_modalities


def _dictation(assistant: Assistant, language: str) -> TranscriptionConfig:
    """The session as it begins: it says whose ears hear it, and what they expect to be spoken."""
    if assistant.engine == "upstream":
        raise Refused(
            400,
            "transcription_not_available",
            f"The assistant '{assistant.name}' is answered by an upstream model, and nothing here "
            "hears for it. Choose one whose engine is 'cascade'.",
            param="assistant",
        )
    ears = assistant.adapter("stt", language) if assistant.engine == "cascade" else assistant.engine
    hearing = {
        "turn_detection": assistant.turn_detection(),
        "transcription": {"model": ears, "language": language},
    }
    return TranscriptionConfig().merged({"type": "transcription", "audio": {"input": hearing}})


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


def _check_dialect(knock: Knock) -> None:
    """Who speaks otherwise is told so in the first frame, and not by errors in every other."""
    if knock.dialect == "beta":
        raise Refused(
            400,
            "beta_api_shape_disabled",
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
        )
    if knock.dialect == "translation":
        raise no_translation()


def no_translation() -> Refused:
    return Refused(
        501, "translation_not_supported", "This server has no translation sessions.", close=4000
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
