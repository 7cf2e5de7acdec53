"""Validate the output of an adapter before it reaches a call's machine.

The machine trusts its inputs: a value of another type, half a sample, or half a surrogate pair that
no socket can carry, would be a bug there. A value of another type and half a sample raise
`TypeError` or `ValueError`, which the boundary makes an engine's failure. Text is repaired by
`whole_text`. A subclass of `bytes`, which no encoder takes, becomes a plain value.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import msgspec

from ..core.inputs import CutShort, OutputChunk, ToolRequested
from ..core.ledger import Word
from ..core.types import Transcript
from ..knowledge.base import KnowledgeUse
from ..protocol.items import FunctionCall
from ..protocol.server import Logprob, Usage
from ..protocol.surrogates import whole_text

Struct = TypeVar("Struct", bound=msgspec.Struct)


def text(value: object) -> str:
    """Return text that every encoding of Unicode can carry."""
    if not isinstance(value, str):
        raise TypeError("text expected")
    return whole_text(value)


def probability(value: object) -> float:
    """Return a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise TypeError("a probability expected")
    return value


def transcript(value: object) -> Transcript:
    return _struct(value, Transcript)


def usage(value: object) -> Usage:
    return _struct(value, Usage)


def logprobs(value: object) -> tuple[Logprob, ...]:
    """Copy them only if they need a repair, because each piece of an utterance repeats them."""
    if not isinstance(value, tuple):
        raise TypeError("logprobs expected")
    for each in value:
        if not isinstance(each, Logprob):
            raise TypeError("logprobs expected")
        if type(each.token) is not str or whole_text(each.token) is not each.token:
            return tuple(_struct(one, Logprob) for one in value)
    return value


def emitted(event: object) -> OutputChunk | ToolRequested | CutShort:
    match event:
        case OutputChunk(response_id, said, bytes(pcm), words):
            return OutputChunk(response_id, text(said), _samples(pcm), tuple(map(_word, words)))
        case ToolRequested(response_id, call):
            return ToolRequested(response_id, _unnamed(_struct(call, FunctionCall)))
        case CutShort(response_id, "max_output_tokens" | "content_filter" as reason, spent):
            return CutShort(response_id, reason, usage(spent))
        case _:
            raise TypeError("a piece of an answer expected")


def knowledge_use(value: object) -> KnowledgeUse:
    use = _struct(value, KnowledgeUse)
    for score in (use.score, *(passage.score for passage in use.passages)):
        if score is not None:
            probability(score)
    return use


def _samples(pcm: bytes) -> bytes:
    if len(pcm) % 2:
        raise ValueError("whole samples expected")
    return bytes(pcm)  # the same object, unless it is of a subclass


def _unnamed(call: FunctionCall) -> FunctionCall:
    """Take the item's id away: an adapter's could be another item's. The machine gives one."""
    return msgspec.structs.replace(call, id="")


def _word(value: object) -> Word:
    if not isinstance(value, Word) or not math.isfinite(value.at_ms):
        raise TypeError("a word expected")
    plain = text(value.text)
    return value if plain is value.text else replace(value, text=plain)


def _struct(value: object, kind: type[Struct]) -> Struct:
    if not isinstance(value, kind):
        raise TypeError(f"{kind.__name__} expected")
    return msgspec.convert(_whole(msgspec.to_builtins(value, enc_hook=_plain)), kind)


def _plain(value: object) -> object:
    """Return what a subclass of `str` holds. msgspec calls this for types that it does not know."""
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError("a plain value expected")


def _whole(value: object) -> object:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {text(key): _whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    return value
