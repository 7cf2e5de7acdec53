"""What a response took in and gave out, in tokens (protocol §6.1).

    input   text   as the brain reports it; else estimated from instructions, tools and items
            audio  1 token per 100 ms of the user's sound, once: in the first response that
                   could hear it. (A cascade recognises speech once; later it is text.)
    output  text   as the brain reports it; else estimated from what was said and called
            audio  1 token per 50 ms of sound that was sent

An estimate is four characters to a token. Pictures cost what the brain reports for them; one that
does not look at them reads nothing. A response that was cancelled counts what had come of it
by then; one that failed counts nothing.
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
HEARD_MS_PER_TOKEN = 100
SAID_MS_PER_TOKEN = 50


@dataclass
class UsageMeter:
    """Counts one response while it is made, and says when it may go no further."""

    limit: int | None = None  # tokens of output, sound included
    in_characters: int = 0
    in_ms: int = 0
    out_characters: int = 0
    out_bytes: int = 0

    def add_input(self, config: SessionConfig, history: Iterable[Item], heard_ms: int) -> None:
        self.in_characters = asked_characters(config) + sum(map(characters, history))
        self.in_ms = heard_ms

    def call(self, call: FunctionCall) -> None:
        self.out_characters += characters(call)

    def add_output(self, said: OutputChunk) -> tuple[OutputChunk, int]:
        """As much of this as may still be said, and how much longer its sound made the reply.

        A millisecond that has begun counts here: clients that truncate round up as well (§9.3).
        """
        said = self._fit(said)
        before_ms = _begun_ms(self.out_bytes)
        self.out_characters += len(said.text)
        self.out_bytes += len(said.pcm)
        return said, _begun_ms(self.out_bytes) - before_ms

    @property
    def out_ms(self) -> int:
        return self.out_bytes // BYTES_PER_MS

    def _fit(self, said: OutputChunk) -> OutputChunk:
        cost = len(said.text) / CHARACTERS_PER_TOKEN + duration_ms(said.pcm) / SAID_MS_PER_TOKEN
        if self.limit is None or not cost:
            return said
        spent = self.out_characters / CHARACTERS_PER_TOKEN + self.out_ms / SAID_MS_PER_TOKEN
        share = max(0.0, self.limit - spent) / cost
        return said if share >= 1 else _cut(said, share)

    def usage(self, reported: Usage | None = None) -> Usage:
        """`reported`: the brain's own count of its text, with its details."""
        known = reported or Usage()
        text_in = known.input_tokens or _tokens(self.in_characters, CHARACTERS_PER_TOKEN)
        text_out = known.output_tokens or _tokens(self.out_characters, CHARACTERS_PER_TOKEN)
        audio_in = _tokens(self.in_ms, HEARD_MS_PER_TOKEN)
        audio_out = _tokens(self.out_ms, SAID_MS_PER_TOKEN)
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


def _cut(said: OutputChunk, share: float) -> OutputChunk:
    """The first part of it. Words are whole; text without sound or word times is cut anywhere."""
    ms = int(duration_ms(said.pcm) * share)
    words = tuple(word for word in said.words if word.at_ms < ms)
    text = said.text[: int(len(said.text) * share)]
    if said.words:
        text = "".join(word.text for word in words)
    return replace(said, text=text, pcm=said.pcm[: ms * BYTES_PER_MS], words=words)


def asked_characters(config: SessionConfig) -> int:
    """Of what is read before any item: instructions and tools."""
    tools = len(msgspec.json.encode(config.tools)) if config.tools else 0
    return len(config.instructions) + tools


def characters(item: Item) -> int:
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
