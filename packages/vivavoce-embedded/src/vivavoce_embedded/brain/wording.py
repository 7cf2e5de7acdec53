"""A reply as a brain gives it: word by word, and its usage last."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import msgspec

from vivavoce.engines.base import GenerateOutput, GenerateRequest, GenerationCut, ToolDeclined
from vivavoce.protocol.items import FunctionCall

from .excerpt import Excerpt
from .usage import of_words, usage
from .utterance import BrainReply

_PIECE = re.compile(r"\S+\s*")


def thoughts(
    question: GenerateRequest, read: Excerpt, reply: BrainReply
) -> Iterator[GenerateOutput]:
    """Yield a reply in pieces. A limit on output tokens cuts the text, never a tool call."""
    said = ""
    if reply.kind == "call":
        arguments = msgspec.json.encode(reply.arguments).decode()
        call_id = f"call_{secrets.token_hex(8)}"
        yield FunctionCall(name=reply.name, call_id=call_id, arguments=arguments)
        said = f"{reply.name} {arguments} "
    if reply.kind == "approve":
        run = next(run for run in read.waiting if run.call_id == reply.call_id)
        call_id = f"call_{secrets.token_hex(8)}"
        yield FunctionCall(name=run.name, call_id=call_id, arguments=run.arguments)
        said = f"{run.name} {run.arguments} "
    if reply.kind == "decline":
        yield ToolDeclined(reply.call_id)
    words = len(said.split())
    pieces: list[str] = []
    most = question.max_output_tokens
    for piece in _PIECE.findall(reply.text):
        if most is not None and of_words(words + len(pieces) + 1) > most:
            yield GenerationCut("max_output_tokens")
            break
        pieces.append(piece)
        yield piece
    yield usage(question, read.tools, said + "".join(pieces))
