"""Try what the assistants of this server use: each adapter once, each provider, each set of tools.

A use that may cost money is tried only if the operator asks for it. Without that, the check asks
the server for its models, which needs its address and its key.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from ...assistants import Assistant
from ...audio.pcm import BYTES_PER_MS
from ...engines.base import Brain, GenerateRequest, SpeechToText, TextToSpeech, VoiceRequest
from ...engines.boundary import contained
from ...engines.registry import AdapterNotUsableError, AdapterRequest, AdapterSpec
from ...errors import EngineError
from ...protocol.close_codes import CloseCode
from ...protocol.items import Message, Part
from ...tools.base import ToolContext
from ...tools.function_table import functions_of
from ...upstream import connection
from ..adapters import CASCADE, NOUNS, CascadeKind
from ..catalogue import load_catalogue
from ..tool_servers import WITHIN_S
from .base import Check, CheckContext, CheckFailedError
from .language_names import name_of

AdapterUse = tuple[Assistant, str]  # an assistant, and the language in which it uses an adapter

CHUNK_MS = 40
TOKENS = 16  # of the answer that a brain is asked for
LARGEST = 1024 * 1024  # bytes of a provider's first message
_REINSTALL = "Install its package again, or `make setup`; then run `vivavoce doctor`."


def checks(context: CheckContext) -> Mapping[str, Check]:
    """Return a check for each part that an assistant uses, by its name."""
    found: dict[str, Check] = {}
    uses: dict[tuple[CascadeKind, str], list[AdapterUse]] = {}
    relayed: dict[tuple[str, str, str | None], list[Assistant]] = {}
    for assistant in load_catalogue(context.data):
        if assistant.engine == "cascade":
            for kind in CASCADE:
                for language in assistant.languages:
                    used = (kind, assistant.adapter(kind, language))
                    uses.setdefault(used, []).append((assistant, language))
                    found.setdefault(
                        f"{NOUNS[kind]} {used[1]}", partial(_adapter, kind, uses[used])
                    )
        if assistant.engine == "upstream":
            place = (assistant.upstream.base_url, assistant.upstream.model)
            relayed.setdefault((*place, assistant.upstream_key()), []).append(assistant)
        if assistant.server_tools() or functions_of(assistant):
            found[f"tools of {assistant.name}"] = partial(_tools, assistant)
    for group in relayed.values():
        names = ", ".join(assistant.name for assistant in group)
        found[f"provider of {names}"] = partial(_provider, group[0])
    return found


async def _adapter(kind: CascadeKind, uses: Sequence[AdapterUse], context: CheckContext) -> str:
    """Try an adapter with its first use, and name the languages of all uses that it lacks."""
    assistant, language = uses[0]
    spec, request = context.adapters.chosen(kind, assistant, language)
    if not spec.is_installed():
        notes = " ".join(note.get("en", "") for note in spec.missing)
        raise CheckFailedError(
            f"is not installed, and {assistant.name} uses it. {notes}".strip(), _REINSTALL
        )
    try:
        with contained(spec.name, message="The adapter failed."):
            told = [await spec.check(request)] if spec.check else []
            if context.spend or not await _is_paid(spec, request):
                told.append(await _use(kind, await spec.make(request), assistant, language))
            else:
                told.append("not used, because that may cost money (--spend uses it)")
    except AdapterNotUsableError as error:
        raise CheckFailedError(_used_by(assistant, str(error)), error.fix) from None
    except EngineError as error:
        fix = "See its settings, and whether its server runs." if spec.remote else _REINSTALL
        raise CheckFailedError(_used_by(assistant, str(error)), fix) from None
    if lacks := unserved(spec, uses):
        told.append(lacks)
    return "; ".join(told)


def unserved(spec: AdapterSpec[Any], uses: Iterable[AdapterUse]) -> str:
    """Say which languages of its assistants an adapter does not serve, or "" if it serves all."""
    lacks: dict[str, list[str]] = {}
    for assistant, language in uses:
        if not spec.serves(language):
            lacks.setdefault(assistant.name, []).append(name_of(language))
    each = (f"{', '.join(languages)} of {name}" for name, languages in lacks.items())
    return f"warning: does not serve {'; '.join(each)}" if lacks else ""


async def _is_paid(spec: AdapterSpec[Any], request: AdapterRequest) -> bool:
    return spec.remote if spec.paid is None else await spec.paid(request)


async def _use(kind: CascadeKind, made: object, assistant: Assistant, language: str) -> str:
    """Use the adapter once, as a call does. Raises `EngineError`."""
    began = time.perf_counter()
    match kind:
        case "stt":
            did = await _listen(cast("SpeechToText", made), language)
        case "brain":
            did = await _generate(cast("Brain", made), language)
        case "tts":
            did = await _speak(cast("TextToSpeech", made), assistant, language)
    return f"{did} in {time.perf_counter() - began:.1f} s"


async def _listen(recogniser: SpeechToText, language: str) -> str:
    async def second_of_silence() -> AsyncIterator[bytes]:
        for _ in range(1000 // CHUNK_MS):
            yield bytes(CHUNK_MS * BYTES_PER_MS)

    async def discard(text: str, guess: str = "", logprobs: object = (), /) -> None: ...

    await recogniser.listen(second_of_silence(), discard, language=language)
    return "decoded a second of silence"


async def _generate(brain: Brain, language: str) -> str:
    hello = Message(id="item_doctor", role="user", content=(Part(type="input_text", text="OK?"),))
    question = GenerateRequest(
        instructions="Answer with one word.",
        history=(hello,),
        max_output_tokens=TOKENS,
        language=language,
    )
    async for _ in brain.generate(question):
        pass
    return "answered"


async def _speak(voice: TextToSpeech, assistant: Assistant, language: str) -> str:
    size = 0
    request = VoiceRequest(name=assistant.voice.name, language=language)
    async for piece in voice.speak("1, 2, 3.", request):
        size += len(piece.pcm)
    if not size:
        raise EngineError("it made no audio")
    return f"spoke {size / BYTES_PER_MS / 1000:.1f} s of audio"


async def _tools(assistant: Assistant, context: CheckContext) -> str:
    try:
        tools = await context.adapters.tools(assistant)
        if problems := await tools.connected(WITHIN_S):
            raise EngineError("; ".join(problems))
        roles = [ToolContext(assistant=assistant.name, role=role) for role in assistant.roles]
        count = len({spec.name for context in roles for spec in tools.specs(context)})
    except EngineError as error:
        raise CheckFailedError(
            str(error), "Its [[tools]] in assistant.toml, its tools.py, and the log."
        ) from None
    return "1 tool is ready" if count == 1 else f"{count} tools are ready"


async def _provider(assistant: Assistant, context: CheckContext) -> str:
    """Open a connection as a call does, and close it before anything is asked."""
    wanted = assistant.upstream
    if (problem := assistant.upstream_key_problem()) is not None:
        fix = (
            "[upstream] key in assistant.toml says where the key is. A running server may have "
            "another environment than this shell."
        )
        raise CheckFailedError(problem, fix)
    try:
        socket = await connection.connect(
            wanted.base_url, wanted.model, assistant.upstream_key(), largest=LARGEST
        )
    except connection.NotConnected as error:
        reason = f" ({error.__cause__})" if error.__cause__ else ""
        raise CheckFailedError(f"{wanted.base_url}: {error}{reason}", _FIXES[error.code]) from None
    socket.close(CloseCode.NORMAL, "")
    return f"{wanted.base_url} accepts the key and the model {wanted.model}"


_FIXES = {
    "upstream_not_configured": "[upstream] key in assistant.toml says where the key is.",
    "upstream_refused": "Check [upstream] key, model and base_url in assistant.toml.",
    "upstream_busy": "Try again later, or look at the quota of this key.",
    "upstream_unavailable": "[upstream] base_url in assistant.toml says where it is. Does it run?",
}


def _used_by(assistant: Assistant, message: str) -> str:
    return f"{message} ({assistant.name} uses it)"
