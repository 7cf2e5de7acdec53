"""A language model behind `/chat/completions`, streamed.

The conversation is retold in that API's grammar, which is stricter than the protocol's: an output
of a tool follows its call at once, and every call has one. Ids of calls are our own, and unique.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, count
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ...core.tool_calls import calls_of_outputs, with_unique_call_ids
from ...core.types import JsonObject
from ...errors import EngineError
from ...knowledge.prompt import as_data
from ...protocol.items import FunctionCall, FunctionOutput, Item, McpCall, Message, Part
from ...protocol.server import CachedTokens, InputTokens, OutputTokens, Usage
from ...text import calendar
from ..base import GenerateOutput, GenerateRequest, GenerationCut
from ..openai_endpoint import Endpoint, ServerGaveUpError
from ..tool_schemas import without_own_keywords

PATH = "/chat/completions"
UNANSWERED = "(no answer yet)"
LONGEST_CALL_ID = 40  # characters that OpenAI's servers accept

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
                {"type": "function", "function": without_own_keywords(msgspec.to_builtins(tool))}
                for tool in question.tools
            ]
            body["tool_choice"] = _tool_choice(question.tool_choice)
            if question.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = question.parallel_tool_calls
        if question.max_output_tokens is not None:
            body[self._limit_field] = question.max_output_tokens
        if question.reasoning_effort is not None:  # servers of models that do not reason refuse it
            body["reasoning_effort"] = question.reasoning_effort
        return body


def instructions(question: GenerateRequest) -> str:
    """Append the passages that were found, each with its source and marked as data, and the time.

    Passages have dates. Without the time, a model cannot tell which of them is today. Without
    passages the instructions stay as they are, so that servers can cache what they begin with.
    """
    if not question.passages:
        return question.instructions
    passages = as_data(question.passages, cite=question.cite)
    time = "" if question.now is None else f"It is {_spoken_time(question.now)}."
    return "\n\n".join(filter(None, [question.instructions, time, passages]))


def _spoken_time(now: datetime) -> str:
    """Return the weekday, the date and the time in English, whatever the locale of the process."""
    weekday = calendar.WEEKDAYS["en"][now.weekday()]
    month = calendar.MONTHS["en"][now.month - 1]
    return f"{weekday} {now.day} {month} {now.year}, {now:%H:%M}"


def messages(instructions: str, history: tuple[Item, ...]) -> list[JsonObject]:
    """Return the conversation in the grammar of `/chat/completions`."""
    told = _Told(instructions, with_unique_call_ids(history, LONGEST_CALL_ID))
    return told.messages()


class _Told:
    """A conversation in the order of its items, which that grammar allows only in part.

    An output that arrived in a later turn stands where it arrived, behind a copy of its call: the
    grammar has no other place for it. At the call itself stands `UNANSWERED`.
    """

    def __init__(self, instructions: str, history: list[Item]) -> None:
        self._history = history
        self._turns = list(accumulate(map(_begins_turn, history)))  # the number of each item's turn
        self._call_of = calls_of_outputs(history)
        self._output_of = {call: output for output, call in self._call_of.items()}
        self._calls: dict[int, _ToldCall] = {}  # still to be sent, by the index of their items
        self._told: list[JsonObject] = []
        self._numbers = count(1)
        self._ids = {item.call_id for item in history if isinstance(item, FunctionCall)}
        if instructions:
            self._told.append({"role": "system", "content": instructions})

    def messages(self) -> list[JsonObject]:
        for index, item in enumerate(self._history):
            match item:
                case FunctionCall():
                    self._add_call(index, item)
                case McpCall(id=call_id, name=name, arguments=arguments, output=output):
                    said = output or UNANSWERED
                    self._calls[index] = _ToldCall(call_id, name, arguments or "{}", said, index)
                case FunctionOutput(output=output) if self._is_late(index):
                    self._add_late_output(index, output)
                case Message(role=role, content=parts):
                    self._tell_message(index, role, parts)
                case _:
                    pass  # an output stands behind its call
        self._tell_calls()
        return self._told

    def _is_late(self, output: int) -> bool:
        """Return True if another turn began between the call and its output."""
        call = self._call_of.get(output)
        return call is not None and self._turns[call] < self._turns[output]

    def _add_call(self, index: int, call: FunctionCall) -> None:
        if any(told.answered_at < index for told in self._calls.values()):
            self._tell_calls()  # the model made this call knowing their outputs
        output, answered_at = UNANSWERED, len(self._history)
        found = self._output_of.get(index)
        if found is not None and not self._is_late(found):
            item = self._history[found]
            assert isinstance(item, FunctionOutput)
            output, answered_at = item.output, found
        self._calls[index] = _ToldCall(
            call.call_id, call.name, call.arguments or "{}", output, answered_at
        )

    def _add_late_output(self, index: int, output: str) -> None:
        call = self._history[self._call_of[index]]
        assert isinstance(call, FunctionCall)
        call_id = next(i for n in self._numbers if (i := f"late_{n}") not in self._ids)
        self._calls[index] = _ToldCall(call_id, call.name, call.arguments or "{}", output, index)

    def _tell_message(self, index: int, role: str, parts: tuple[Part, ...]) -> None:
        content = _content(parts)
        if not content:
            return
        # The model's words beside its calls come first: a model must not go on after its own words.
        waiting = any(
            index < told.answered_at < len(self._history) for told in self._calls.values()
        )
        if role != "assistant" or not waiting:
            self._tell_calls()
        self._told.append({"role": role, "content": content})

    def _tell_calls(self) -> None:
        """Send calls that were made together as one message, followed by their outputs."""
        if not self._calls:
            return
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in self._calls.values()
        ]
        self._told.append({"role": "assistant", "tool_calls": calls})
        self._told.extend(
            {"role": "tool", "tool_call_id": call.id, "content": call.output}
            for call in self._calls.values()
        )
        self._calls.clear()


@dataclass(frozen=True, slots=True)
class _ToldCall:
    id: str
    name: str
    arguments: str
    output: str
    answered_at: int  # the index of its output, or the number of all items


def _begins_turn(item: Item) -> bool:
    return isinstance(item, Message) and item.role != "assistant" and bool(_content(item.content))


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
        raise ServerGaveUpError(chunk.error)
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
        """Return the calls, with ids of our own: some servers count theirs from 0 in each turn."""
        return [
            FunctionCall(
                call_id=f"call_{secrets.token_hex(8)}",
                name=name,
                arguments="".join(arguments) or "{}",
            )
            for _, (_, name, arguments) in sorted(self._parts.items())
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
