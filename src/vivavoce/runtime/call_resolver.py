"""Resolves a call request: the credential, the query and the assistant decide what a call is."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

import msgspec

from ..access.policy import Policy
from ..assistants import Assistant
from ..clock import now
from ..core.types import Caller, JsonObject, ToolRules, ToolSpec
from ..core.voices import ANY_VOICE, VoiceNames
from ..errors import EngineError, InvalidRequest
from ..protocol.close_codes import CloseCode
from ..protocol.config import AnySession, SessionConfig, SessionType, TranscriptionConfig, type_of
from ..protocol.validation_errors import wrong_value
from ..store.base import ConversationRow, Store
from ..tools.base import ToolContext
from ..tools.runners import NO_TOOLS, ToolRunners
from .assistant_variables import StoredVariables
from .call_spec import CallLimits, CallRequest, CallSpec
from .loop_share import OneAtATime
from .refusals import SERVER, CallRefused, invalid, no_assistant, no_translation
from .running_prompt import Prompt, PromptChoice, render

INTENTS: dict[str, SessionType] = {
    "realtime": "realtime",
    "conversation": "realtime",
    "transcription": "transcription",
}


async def no_tools(_: Assistant) -> ToolRunners:
    """Return no tools. This is the default of `CallResolver`."""
    return NO_TOOLS


async def no_variables(_: str) -> StoredVariables:
    """Return no values. This is the default of `CallResolver`."""
    return StoredVariables()


class Assistants(Protocol):
    def get(self, name: str) -> Assistant | None: ...
    def __iter__(self) -> Iterator[Assistant]: ...


class CallResolver:
    """Turns a request into a `CallSpec`. Every method may raise `CallRefused`."""

    def __init__(
        self,
        assistants: Assistants,
        store: Store,
        *,
        policy: Policy,
        default_assistant: str,
        make_id: Callable[[str], str],
        max_minutes: float = math.inf,
        server_tools: Callable[[Assistant], Awaitable[ToolRunners]] = no_tools,
        variables: Callable[[str], Awaitable[StoredVariables]] = no_variables,
        voices: Callable[[Assistant, str], VoiceNames] = lambda _assistant, _language: ANY_VOICE,
    ) -> None:
        """`max_minutes`: the server's own limit for every call.

        `server_tools` returns the tools of an assistant that the server runs, or raises
        `EngineError`. `variables` returns the values that an operator has set for an assistant, by
        its name. `voices` returns the voices of an assistant in a language.
        """
        self._server_tools = server_tools
        self._renders = OneAtATime()
        self._voices = voices
        self._stored_variables = variables
        self._max_minutes = max_minutes
        self._assistants = assistants
        self._store = store
        self._policy = policy
        self._default = default_assistant
        self._make_id = make_id

    async def spec(
        self,
        request: CallRequest,
        caller: Caller,
        call_id: str,
        new: str | None = None,
        *,
        by: Caller | None = None,
    ) -> tuple[CallSpec, ConversationRow, ConversationRow | None]:
        """Return the spec, its conversation, and the conversation again if it existed already.

        `new`: the id of a new conversation. `by`: the caller that must be allowed to continue an
        existing one, and whose error names the assistants. By default it is `caller`.
        """
        assistant = self._choose_assistant(request, caller, by or caller)
        found = await self._find_conversation(request, caller, assistant, by)
        conversation = found or self._new_conversation(request, caller, assistant, new)
        spec = await self._make_spec(request, caller, assistant, conversation, call_id)
        return spec, conversation, found

    def _session_type(self, request: CallRequest, caller: Caller) -> SessionType:
        """Return the type of the session: the secret decides, then the query (protocol §1.8)."""
        intent = request.asked("intent")
        asked = INTENTS.get(intent) if intent else None
        bound = (type_of(caller.session) or "realtime") if caller.session else None
        if intent and (asked is None or bound not in (None, asked)):
            raise CallRefused(
                400, "invalid_intent", f"Invalid intent '{intent[:40]}'.", param="intent"
            )
        return bound or asked or "realtime"

    def _choose_assistant(self, request: CallRequest, caller: Caller, asks: Caller) -> Assistant:
        """Return the assistant. `asks`: the caller that reads the error if there is none."""
        asked = None
        if self._policy.may_choose(caller, "assistant"):
            asked = request.asked("assistant", "agent", "agent_id")
        if (named := asked or caller.assistant) is not None:
            self._require_start(named, caller, asks)
            if (found := self._assistants.get(named)) is None:
                raise no_assistant(named, asks, self._assistants, self._policy, "assistant")
            return found
        model = request.asked("model", "deployment")
        found = self._assistants.get(model) if model else None
        if found is not None and self._may_start(found.name, caller, asks):
            return found
        # The name of an assistant that is closed to the caller counts as an unknown model.
        if found := self._assistants.get(self._default):
            self._require_start(found.name, caller, asks)
            return found
        raise no_assistant(self._default, asks, self._assistants, self._policy)

    def _require_start(self, assistant: str, *callers: Caller) -> None:
        """Refuse an assistant that one of the callers may not start a call with."""
        if not self._may_start(assistant, *callers):
            raise CallRefused(
                403,
                "assistant_not_allowed",
                "This key is for another assistant.",
                close=CloseCode.UNAUTHORIZED,
            )

    def _may_start(self, assistant: str, *callers: Caller) -> bool:
        return all(self._policy.may_start(caller, assistant) for caller in callers)

    async def _find_conversation(
        self, request: CallRequest, caller: Caller, assistant: Assistant, by: Caller | None = None
    ) -> ConversationRow | None:
        """Return the conversation to continue, or None. `by`: the caller that must see it."""
        bound = caller.conversation_id
        asked = request.asked("conversation_id") or bound
        if asked is None:
            return None
        found = await self._store.conversation(asked)
        if (
            found is None
            or bound not in (None, asked)
            or found.assistant != assistant.name
            or not self._policy.may_see(by or caller, found)
        ):
            raise CallRefused(
                404,
                "conversation_not_found",
                f"There is no conversation with id '{asked[:60]}' for this assistant.",
                param="conversation_id",
            )
        return found

    def _new_conversation(
        self, request: CallRequest, caller: Caller, assistant: Assistant, new: str | None
    ) -> ConversationRow:
        language = assistant.pick_language(_asked_language(request, caller))
        at = now()
        return ConversationRow(
            new or self._make_id("conv"), assistant.name, caller.subject, language, at, at
        )

    async def _make_spec(
        self,
        request: CallRequest,
        caller: Caller,
        assistant: Assistant,
        conversation: ConversationRow,
        call_id: str,
    ) -> CallSpec:
        """Return the plan of a call that was asked for. Raises `CallRefused`."""
        language = assistant.pick_language(
            _asked_language(request, caller) or conversation.language
        )
        try:
            role = assistant.pick_role(self._asked_role(request, caller))
            context = ToolContext(
                call_id=call_id,
                conversation_id=conversation.id,
                assistant=assistant.name,
                subject=caller.subject,
                language=language,
                role=role,
            )
            tools: tuple[ToolSpec, ...] = ()
            rules: Mapping[str, ToolRules] = {}
            session: AnySession
            choice: PromptChoice | None = None
            prompt: Prompt | None = None
            revision = 0
            if self._session_type(request, caller) == "transcription":
                session = _make_transcription_session(assistant, language).merged(
                    {"type": "transcription"} | _bound_session(caller)
                )
            else:
                stored = await self._stored_variables(assistant.name)
                revision = stored.revision
                own = self._variables(request, caller)
                choice = PromptChoice(role, language, own, stored.values)
                await self._renders.turn()  # one may take 0.1 s, and others wait meanwhile
                prompt = render(assistant, choice)
                context = replace(context, variables=prompt.values)
                tools, rules = await self._tools_of(assistant, context)
                clients = request.served_by_client(assistant.tools())
                tools = (*clients, *tools)
                session = self._make_session(request, caller, assistant, prompt, tools)
            paced = _is_paced(request)
        except InvalidRequest as error:
            raise invalid(error) from None
        return CallSpec(
            call_id,
            conversation.id,
            caller,
            assistant,
            language,
            role,
            session,
            self._limits(assistant),
            transport=request.transport,
            dialect=request.dialect,
            audio=request.audio,
            tools=tools,
            server_tools=frozenset(rules),
            tool_rules=rules,
            tool_context=context,
            locked=self._policy.locked_fields(caller, _lockable(assistant, caller)),
            greet=isinstance(session, SessionConfig) and _is_greeted(request, caller),
            names_mcp_servers=self._policy.may_name_mcp_servers(caller),
            choice=choice,
            prompt=prompt,
            variables_revision=revision,
            paced=paced,
            own_events=request.dialect == "ga" and "vivavoce" in _listed(request.asked("events")),
            safety_identifier=caller.safety_identifier or request.safety_identifier,
        )

    def _asked_role(self, request: CallRequest, caller: Caller) -> str | None:
        asked = request.asked("role") if self._policy.may_choose(caller, "role") else None
        return asked or caller.role

    def _variables(self, request: CallRequest, caller: Caller) -> dict[str, str]:
        """Return the values of prompt variables: the caller's, then the query's (`var.name`)."""
        variables = dict(caller.variables)
        if self._policy.may_choose(caller, "variables"):
            variables |= {
                name.removeprefix("var."): value
                for name, value in request.query.items()
                if name.startswith("var.") and value
            }
        return variables

    async def _tools_of(
        self, assistant: Assistant, context: ToolContext
    ) -> tuple[tuple[ToolSpec, ...], Mapping[str, ToolRules]]:
        """Return the tools that the server runs for this call, and the rules of each by name."""
        try:
            runners = await self._server_tools(assistant)
            return runners.specs(context), runners.rules(context)
        except EngineError as error:
            raise CallRefused(
                503, error.code, str(error), type=SERVER, close=CloseCode.TRY_AGAIN_LATER
            ) from error

    def _limits(self, assistant: Assistant) -> CallLimits:
        limits = assistant.limits
        return CallLimits(
            max_session_s=min(limits.call_minutes, self._max_minutes) * 60,
            inactivity_s=limits.idle_minutes * 60,
            context_tokens=limits.context_tokens,
        )

    def _make_session(
        self,
        request: CallRequest,
        caller: Caller,
        assistant: Assistant,
        prompt: Prompt,
        shown: tuple[ToolSpec, ...],
    ) -> SessionConfig:
        """Merge the session: the assistant's, the query's voice, and the secret's above both."""
        tools = [msgspec.to_builtins(tool) | {"type": "function"} for tool in shown]
        patch: JsonObject = {
            "type": "realtime",
            "instructions": prompt.instructions,
            "tools": tools,
            "audio": {
                "input": {"turn_detection": assistant.turn_detection()},
                "output": {"voice": assistant.voice.name, "speed": assistant.voice.speed},
            },
        }
        bound = _bound_session(caller)
        session = SessionConfig(model=self._shown_model(request, caller, assistant)).merged(patch)
        session = session.merged({"type": "realtime"} | bound)
        if (voice := request.asked("voice")) and not _binds_voice(bound):
            output: JsonObject = {"voice": voice}
            session = session.merged({"type": "realtime", "audio": {"output": output}})
        if (voice := session.audio.output.voice) != assistant.voice.name:
            voices = self._voices(assistant, prompt.language)
            voices.require_voice(voice, "session.audio.output.voice")
        return session

    def _shown_model(self, request: CallRequest, caller: Caller, assistant: Assistant) -> str:
        """Return the name in the session: the secret's, or the client's own for this assistant.

        A name of another assistant that does not answer this call is not repeated.
        """
        asked = _bound_model(caller) or request.asked("model", "deployment")
        if asked is None or self._assistants.get(asked) is not None:
            return assistant.name
        return asked[:200]


def _lockable(assistant: Assistant, caller: Caller) -> tuple[str, ...]:
    """Return the fields that may be locked for this caller (docs/decisions/calls.md).

    The page of a secret that was minted in OpenAI's way defines its session, so only what the
    assistant's own file names is locked for it.
    """
    limits = assistant.limits
    return limits.locked if limits.names_locked or not caller.defines_session else ()


def _listed(value: str | None) -> list[str]:
    """Return the words of a query parameter that lists them with commas."""
    return (value or "").split(",")


def _is_paced(request: CallRequest) -> bool:
    """Return whether spoken answers stay near real time, as for a client that plays them."""
    pace = request.asked("pace") or "real_time"
    if pace not in ("real_time", "fast"):
        raise InvalidRequest("invalid_value", wrong_value(pace, ("real_time", "fast")), "pace")
    return pace == "real_time"


def _asked_language(request: CallRequest, caller: Caller) -> str | None:
    """Return the language of the secret, or the query's for a credential without a language."""
    return caller.language or request.asked("language")


def _is_greeted(request: CallRequest, caller: Caller) -> bool:
    """Return whether the assistant speaks first. By default it greets browsers only.

    Programs written for other servers send the first event, and count responses.
    """
    return request.query.get("greeting", "true" if caller.browser else "false") == "true"


def _bound_session(caller: Caller) -> JsonObject:
    """Return the fields of the session that the secret sets."""
    return {name: value for name, value in (caller.session or {}).items() if value is not None}


def _bound_model(caller: Caller) -> str | None:
    model = (caller.session or {}).get("model")
    return model if isinstance(model, str) and model else None


def _binds_voice(session: JsonObject) -> bool:
    """Return whether the session of a secret names a voice."""
    audio = session.get("audio")
    output = audio.get("output") if isinstance(audio, dict) else None
    return isinstance(output, dict) and output.get("voice") is not None


def with_session(request: CallRequest, caller: Caller, policy: Policy) -> Caller:
    """Return the caller with the session that the request brings (protocol §1.4).

    Raises `CallRefused` for a caller that may not choose it: a secret was minted with its session.
    """
    if request.session is None:
        return caller
    if not policy.may_choose(caller, "session"):
        raise CallRefused(
            400,
            "invalid_value",
            "A client secret was minted with its session. Please leave out 'session'.",
            param="session",
        )
    return msgspec.structs.replace(caller, session=request.session)


def check_dialect(request: CallRequest) -> None:
    """Refuse a dialect that is not supported, instead of answering each event with an error."""
    if request.dialect == "beta":
        raise CallRefused(
            400,
            "beta_api_shape_disabled",
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
        )
    if request.dialect == "translation":
        raise no_translation()


def _make_transcription_session(assistant: Assistant, language: str) -> TranscriptionConfig:
    """Return the initial session, which names the recogniser and the language it expects."""
    if assistant.engine == "upstream":
        raise CallRefused(
            400,
            "transcription_not_available",
            f"The assistant '{assistant.name}' is answered by an upstream model, so it has no "
            "recogniser here. Choose one whose engine is 'cascade'.",
            param="assistant",
        )
    pipeline = (
        assistant.adapter("stt", language) if assistant.engine == "cascade" else assistant.engine
    )
    input = {
        "turn_detection": assistant.turn_detection(),
        "transcription": {"model": pipeline, "language": language},
    }
    return TranscriptionConfig().merged({"type": "transcription", "audio": {"input": input}})
