"""A recogniser, a brain and a voice that follow a script. Each is an adapter like any other."""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
import numpy as np
from msgspec import UNSET

from ...audio.pcm import SAMPLE_RATE, duration_ms
from ...core.ledger import Word
from ...core.types import Transcript
from ...errors import EngineError
from ...protocol.items import FunctionCall, FunctionOutput, Item, Message
from ...protocol.server import Logprob, Usage
from .. import boundary
from ..base import (
    AudioChunk,
    GenerateOutput,
    GenerateRequest,
    GenerationCut,
    OnTranscript,
    VoiceRequest,
)
from .script import Rule, RuleMatcher, Script, ScriptedCall, fill

log = logging.getLogger(__name__)

SURE = -0.05  # the logprob of each word of a script: 95 %
WORD_MS = 300  # of speech, before the next word is taken for certain
CHARACTER_MS = 60
_WORD = re.compile(r"\s{0,20}\S{1,40}\s{0,20}|\s{1,40}")  # a few seconds of sound at most
PEAK = 6000


def sure(text: str) -> tuple[Logprob, ...]:
    """Return how sure a script is of each of its words, with the space before it."""
    return tuple(
        Logprob(token=token, logprob=SURE, bytes=tuple(token.encode()))
        for token in re.findall(r"\s*\S+", text)
    )


class ScriptedStt:
    """Return the script's next sentence for any speech. Pure silence is not speech."""

    def __init__(self, script: Script) -> None:
        self._heard = script.heard
        self._reader = RuleMatcher(script, "stt")
        self._turn = 0

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        text, words, certain, ms = "", list[str](), 0, 0
        async for pcm in sound:
            if not any(pcm):
                continue
            if not ms:  # the sentence is taken at its first sound: others may talk at once
                text = self._next()
                words = text.split()
            ms += duration_ms(pcm)
            if (more := min(ms // WORD_MS, len(words) - 1)) > certain:
                certain = more
                so_far = " ".join(words[:certain])
                await stable(so_far, "", sure(so_far) if logprobs else ())
        rule, _ = self._reader.find(text)
        await asyncio.sleep(rule.delay_s)
        if rule.fail:
            raise EngineError("the script says so", rule.fail)
        return Transcript(text, sure(text) if logprobs else ())

    def _next(self) -> str:
        turn, self._turn = self._turn, self._turn + 1
        return self._heard[turn % len(self._heard)] if self._heard else ""


class ScriptedBrain:
    """Answer the last message or tool output as the script says. A token is a word."""

    def __init__(self, script: Script) -> None:
        self._reader = RuleMatcher(script, "brain")

    async def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        text = _last(question.history)
        rule, words = self._reader.find(text)
        calls = _allowed(rule, question)
        await asyncio.sleep(rule.delay_s)
        said = 0
        for word in re.findall(r"\S+\s*", str(fill(rule.say, words))):
            if rule.fail and said == rule.after:
                break
            if said == question.max_output_tokens:
                yield GenerationCut("max_output_tokens")
                break
            said += 1
            yield word
            await asyncio.sleep(rule.pace_s)
        if rule.fail:
            raise EngineError("the script says so", rule.fail)
        for index, call in enumerate(calls):
            arguments = msgspec.json.encode(fill(call.arguments, words)).decode()
            name = f"call_{len(question.history)}_{index}"
            yield FunctionCall(name=call.name, call_id=name, arguments=arguments)
        asked = len(question.instructions.split()) + sum(
            len(_words(item).split()) for item in question.history
        )
        yield Usage.of_text(asked, said)


def _allowed(rule: Rule, question: GenerateRequest) -> tuple[ScriptedCall, ...]:
    """Return the rule's calls, or none if the request allows none.

    Raises `EngineError` if the session does not declare the tool of a call.
    """
    declared = {tool.name for tool in question.tools}
    for call in rule.calls:
        if call.name not in declared:
            log.warning("scripted_tool_not_declared", extra={**boundary.named(), "tool": call.name})
            message = f"the script calls the tool {call.name!r}, which the session does not declare"
            raise EngineError(message, "tool_not_declared")
    return () if question.tool_choice == "none" else rule.calls


class Tones:
    """Speaks in beeps: one for each word, as long as the word, as high as the voice."""

    def __init__(self, script: Script | None = None) -> None:
        self._reader = RuleMatcher(script or Script(), "tts")

    async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        rule, _ = self._reader.find(text)
        await asyncio.sleep(rule.delay_s)
        hertz = 200 + zlib.crc32(voice.name.encode()) % 400
        for said, word in enumerate(_WORD.findall(text)):
            if rule.fail and said == rule.after:
                break
            each_ms = CHARACTER_MS / voice.speed
            pcm = _beep(hertz, each_ms * len(word.strip()), each_ms * len(word))
            yield AudioChunk(pcm=pcm, words=(Word(word, 0),))
            await asyncio.sleep(rule.pace_s)
        if rule.fail:
            raise EngineError("the script says so", rule.fail)


def _beep(hertz: int, sounding_ms: float, ms: float) -> bytes:
    time = np.arange(round(ms * SAMPLE_RATE / 1000)) / SAMPLE_RATE
    swell = np.clip(np.minimum(time, sounding_ms / 1000 - time) / 0.01, 0, 1)
    return bytes((np.sin(2 * np.pi * hertz * time) * swell * PEAK).astype("<i2").tobytes())


def _last(history: tuple[Item, ...]) -> str:
    for item in reversed(history):
        if isinstance(item, FunctionOutput) or (isinstance(item, Message) and item.role == "user"):
            return _words(item)
    return ""


def _words(item: Item) -> str:
    match item:
        case FunctionOutput(output=output):
            return output
        case Message(content=parts):
            spoken = [part.transcript if part.text is UNSET else part.text for part in parts]
            return " ".join(text for text in spoken if isinstance(text, str))
        case _:
            return ""
