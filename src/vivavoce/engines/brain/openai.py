"""A language model behind `/chat/completions`, streamed.

The conversation is retold in that API's grammar, which is stricter than the protocol's: an answer
of a tool follows its call at once, and every call has one.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ...core.types import JsonObject
from ...errors import EngineError
from ...protocol.items import FunctionCall, FunctionOutput, Item, McpCall, Message, Part
from ...protocol.server import CachedTokens, InputTokens, OutputTokens, Usage
from ..base import GenerateOutput, GenerateRequest, GenerationCut
from ..openai_endpoint import Endpoint, in_stream

PATH = "/chat/completions"
UNANSWERED = "(no answer yet)"
KNOWN = "Passages of your knowledge that may answer the last message:"

LimitField = Literal["max_completion_tokens", "max_tokens"]


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    audio_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: object = None


_decoder = msgspec.json.Decoder(_Chunk)


class OpenAIBrain:
    def __init__(
        self, endpoint: Endpoint, model: str, *, limit_field: LimitField = "max_completion_tokens"
    ) -> None:
        """`limit_field`: older servers know only `max_tokens`, OpenAI's newest models refuse it."""
        self._endpoint = endpoint
        self._model = model
        self._limit_field = limit_field

    async def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        calls = _Calls()
        finish: str | None = None
        usage: _Usage | None = None
        async with self._endpoint.post(PATH, self._body(question)) as stream:
            while (data := await stream.event()) not in (None, b"[DONE]"):
                chunk = _read(data or b"")
                usage = chunk.usage or usage
                for choice in chunk.choices or ():
                    finish = choice.finish_reason or finish
                    delta = choice.delta or _Delta()
                    calls.add(delta.tool_calls or [])
                    if delta.content:
                        yield delta.content
            if finish is None:
                raise EngineError(f"{PATH}: the answer ended in the middle")
        for call in calls.whole():
            yield call
        if finish == "length":
            yield GenerationCut("max_output_tokens")
        elif finish == "content_filter":
            yield GenerationCut("content_filter")
        if usage is not None:
            yield _usage(usage)

    def _body(self, question: GenerateRequest) -> JsonObject:
        body: JsonObject = {
            "model": self._model,
            "messages": messages(instructions(question), question.history),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if question.tools:
            body["tools"] = [
                {"type": "function", "function": msgspec.to_builtins(tool)}
                for tool in question.tools
            ]
            body["tool_choice"] = _tool_choice(question.tool_choice)
            if question.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = question.parallel_tool_calls
        if question.max_output_tokens is not None:
            body[self._limit_field] = question.max_output_tokens
        return body


def instructions(question: GenerateRequest) -> str:
    """Append the passages that were found, each with its source."""
    found = [f"[{each.source}] {each.title}\n{each.text}" for each in question.passages]
    passages = "\n\n".join([KNOWN, *found]) if found else ""
    return "\n\n".join(filter(None, [question.instructions, passages]))


def messages(instructions: str, history: tuple[Item, ...]) -> list[JsonObject]:
    """Return the conversation in the grammar of `/chat/completions`."""
    told: list[JsonObject] = []
    if instructions:
        told.append({"role": "system", "content": instructions})
    outputs = {item.call_id: item.output for item in history if isinstance(item, FunctionOutput)}
    calls: list[tuple[str, str, str, str]] = []

    def tell_calls() -> None:
        """Send adjacent calls as one message, followed by their outputs."""
        if not calls:
            return
        told.append(
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": call_id,
                        "type": "function",
                        "function": {"name": name, "arguments": arguments},
                    }
                    for call_id, name, arguments, _ in calls
                ],
            }
        )
        told.extend(
            {"role": "tool", "tool_call_id": call_id, "content": output}
            for call_id, _, _, output in calls
        )
        calls.clear()

    for item in history:
        match item:
            case FunctionCall(call_id=call_id, name=name, arguments=arguments):
                output = outputs.get(call_id, UNANSWERED)
                calls.append((call_id, name, arguments or "{}", output))
            case McpCall(id=call_id, name=name, arguments=arguments, output=output):
                calls.append((call_id, name, arguments or "{}", output or UNANSWERED))
            case Message(role=role, content=parts):
                tell_calls()
                if content := _content(parts):
                    told.append({"role": role, "content": content})
    tell_calls()
    return told


def _content(parts: tuple[Part, ...]) -> str | list[JsonObject]:
    """Words as one string; a list only where there is something to see."""
    words = [_words(part) for part in parts]
    if not any(part.image_url for part in parts if part.image_url is not UNSET):
        return "\n".join(filter(None, words))
    content: list[JsonObject] = []
    for part, text in zip(parts, words, strict=True):
        if text:
            content.append({"type": "text", "text": text})
        if part.image_url is not UNSET:
            image: JsonObject = {"url": part.image_url}
            if part.detail is not UNSET:
                image["detail"] = part.detail
            content.append({"type": "image_url", "image_url": image})
    return content


def _words(part: Part) -> str:
    text: str | UnsetType | None = part.transcript if part.text is UNSET else part.text
    return text if isinstance(text, str) else ""


def _tool_choice(choice: str | JsonObject) -> str | JsonObject:
    if isinstance(choice, dict) and isinstance(choice.get("name"), str):
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice if isinstance(choice, str) else "auto"


def _read(data: bytes) -> _Chunk:
    try:
        chunk = _decoder.decode(data)
    except (ValueError, RecursionError):
        raise EngineError(f"{PATH}: the server's answer cannot be read") from None
    if chunk.error:
        raise in_stream(PATH, chunk.error)
    return chunk


class _Calls:
    """Tool calls, put together from fragments that may alternate."""

    def __init__(self) -> None:
        self._parts: dict[int, tuple[str, str, list[str]]] = {}

    def add(self, fragments: list[_ToolCall]) -> None:
        for fragment in fragments:
            function = fragment.function or _Function()
            index = fragment.index
            if index is None:  # some servers send whole calls, and no index
                index = len(self._parts) if fragment.id or function.name else len(self._parts) - 1
            call_id, name, arguments = self._parts.get(index, ("", "", []))
            arguments.append(function.arguments or "")
            self._parts[index] = (
                call_id or fragment.id or "",
                name or function.name or "",
                arguments,
            )

    def whole(self) -> list[FunctionCall]:
        return [
            FunctionCall(
                call_id=call_id or f"call_{secrets.token_hex(8)}",
                name=name,
                arguments="".join(arguments) or "{}",
            )
            for _, (call_id, name, arguments) in sorted(self._parts.items())
            if name
        ]


def _usage(usage: _Usage) -> Usage:
    asked, answered = usage.prompt_tokens or 0, usage.completion_tokens or 0
    prompt = usage.prompt_tokens_details or _PromptDetails()
    completion = usage.completion_tokens_details or _CompletionDetails()
    cached = prompt.cached_tokens or 0
    reasoning = completion.reasoning_tokens
    return Usage(
        total_tokens=usage.total_tokens or asked + answered,
        input_tokens=asked,
        output_tokens=answered,
        input_token_details=InputTokens(
            text_tokens=asked,
            cached_tokens=cached,
            cached_tokens_details=CachedTokens(text_tokens=cached),
        ),
        output_token_details=OutputTokens(
            text_tokens=answered, reasoning_tokens=UNSET if reasoning is None else reasoning
        ),
    )
