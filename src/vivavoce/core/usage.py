"""The tokens that a response read and generated (protocol §6.1).

    input   text   as the brain reports it; otherwise estimated from instructions, tools, items
            audio  1 token per 100 ms of the user's audio, once: in the first response that
                   reads it. (A cascade recognises speech once; later it is text.)
    output  text   as the brain reports it; otherwise estimated from text and function calls
            audio  1 token per 50 ms of audio that was sent

An estimate takes four characters for a token. Images count as the brain reports them. A cancelled
response counts the output until then, a failed one counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from ..audio.pcm import BYTES_PER_MS, duration_ms
from ..protocol.config import SessionConfig
from ..protocol.items import FunctionCall, FunctionOutput, Item, Message
from ..protocol.server import Usage
from .inputs import OutputChunk

CHARACTERS_PER_TOKEN = 4
INPUT_MS_PER_TOKEN = 100
OUTPUT_MS_PER_TOKEN = 50


@dataclass
class UsageMeter:
    """Counts one response while it is made, and cuts its output at its limit."""

    limit: int | None = None  # tokens of output, audio included
    in_characters: int = 0
    in_ms: int = 0
    out_characters: int = 0
    out_bytes: int = 0

    def add_input(self, config: SessionConfig, history: Iterable[Item], audio_ms: int) -> None:
        """Count what the response reads. `audio_ms`: of audio that no earlier one counted."""
        self.in_characters = asked_characters(config) + sum(map(characters, history))
        self.in_ms = audio_ms

    def call(self, call: FunctionCall) -> None:
        """Count a function call as output."""
        self.out_characters += characters(call)

    def add_output(self, chunk: OutputChunk) -> tuple[OutputChunk, int]:
        """Return the chunk, cut at the limit, and by how many ms its audio extends the reply.

        A started millisecond counts, because clients that truncate round up as well (§9.3).
        """
        chunk = self._fit(chunk)
        before_ms = _begun_ms(self.out_bytes)
        self.out_characters += len(chunk.text)
        self.out_bytes += len(chunk.pcm)
        return chunk, _begun_ms(self.out_bytes) - before_ms

    @property
    def out_ms(self) -> int:
        return self.out_bytes // BYTES_PER_MS

    def _fit(self, chunk: OutputChunk) -> OutputChunk:
        cost = len(chunk.text) / CHARACTERS_PER_TOKEN + duration_ms(chunk.pcm) / OUTPUT_MS_PER_TOKEN
        if self.limit is None or not cost:
            return chunk
        spent = self.out_characters / CHARACTERS_PER_TOKEN + self.out_ms / OUTPUT_MS_PER_TOKEN
        share = max(0.0, self.limit - spent) / cost
        return chunk if share >= 1 else _cut(chunk, share)

    def usage(self, reported: Usage | None = None) -> Usage:
        """Return the usage. `reported`: the brain's own count of its text, with details."""
        known = reported or Usage()
        text_in = known.input_tokens or _tokens(self.in_characters, CHARACTERS_PER_TOKEN)
        text_out = known.output_tokens or _tokens(self.out_characters, CHARACTERS_PER_TOKEN)
        audio_in = _tokens(self.in_ms, INPUT_MS_PER_TOKEN)
        audio_out = _tokens(self.out_ms, OUTPUT_MS_PER_TOKEN)
        return Usage(
            total_tokens=text_in + audio_in + text_out + audio_out,
            input_tokens=text_in + audio_in,
            output_tokens=text_out + audio_out,
            input_token_details=msgspec.structs.replace(
                known.input_token_details, text_tokens=text_in, audio_tokens=audio_in
            ),
            output_token_details=msgspec.structs.replace(
                known.output_token_details, text_tokens=text_out, audio_tokens=audio_out
            ),
        )


def _begun_ms(size: int) -> int:
    return -(-size // BYTES_PER_MS)


def _cut(chunk: OutputChunk, share: float) -> OutputChunk:
    """Return the first part of a chunk. Words with times stay whole; other text is cut anywhere."""
    ms = int(duration_ms(chunk.pcm) * share)
    words = tuple(word for word in chunk.words if word.at_ms < ms)
    text = chunk.text[: int(len(chunk.text) * share)]
    if chunk.words:
        text = "".join(word.text for word in words)
    return replace(chunk, text=text, pcm=chunk.pcm[: ms * BYTES_PER_MS], words=words)


def asked_characters(config: SessionConfig) -> int:
    """Return the characters of instructions and tools, which a brain reads before the items."""
    tools = len(msgspec.json.encode(config.tools)) if config.tools else 0
    return len(config.instructions) + tools


def characters(item: Item) -> int:
    """Return the characters of an item that a brain reads."""
    match item:
        case Message(content=content):
            count = 0
            for part in content:  # no generator: each response asks this of up to 20,000 parts
                if text := part.text:
                    count += len(text)
                if transcript := part.transcript:
                    count += len(transcript)
            return count
        case FunctionCall(name=name, arguments=arguments):
            return len(name) + len(arguments)
        case FunctionOutput(output=output):
            return len(output)
        case _:
            return 0


def _tokens(amount: int, per_token: int) -> int:
    return -(-amount // per_token)
