"""Adapters that fail once, at a chosen moment, with text that must never appear in a log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

from vivavoce.core.types import Transcript
from vivavoce.engines.base import AudioChunk, GenerateRequest, OnTranscript, VoiceRequest
from vivavoce.errors import EngineError
from vivavoce.protocol.items import FunctionCall
from vivavoce.protocol.server import Usage

from .fakes import FakeBrain, FakeJudge, FakeStt, FakeTts
from .function_tools import FunctionTools

SECRET = "my grandmother's maiden name"

Moment = Literal["at once", "after the first", "at the end", "while cancelled"]
MOMENTS: tuple[Moment, ...] = ("at once", "after the first", "at the end", "while cancelled")


class Stop(BaseException):
    """An adapter's own exception to leave a loop."""


def too_deep() -> BaseException:
    def deeper(words: str) -> str:
        return deeper(words) + words

    try:
        deeper(SECRET)
    except RecursionError as error:
        return error
    raise AssertionError


ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError(SECRET),
    "KeyError": lambda: KeyError(SECRET),
    "OSError": lambda: OSError(5, SECRET, SECRET),
    "UnicodeEncodeError": lambda: UnicodeEncodeError("utf-8", SECRET + "\ud800", 1, 2, SECRET),
    "TimeoutError": lambda: TimeoutError(SECRET),
    "AssertionError": lambda: AssertionError(SECRET),
    "MemoryError": lambda: MemoryError(SECRET),
    "RecursionError": too_deep,
    "StopIteration": lambda: StopIteration(SECRET),
    "StopAsyncIteration": lambda: StopAsyncIteration(SECRET),
    "GeneratorExit": lambda: GeneratorExit(SECRET),
    "CancelledError": lambda: asyncio.CancelledError(SECRET),
    "Stop": lambda: Stop(SECRET),
    "SystemExit": lambda: SystemExit(SECRET),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(SECRET),
    "ExceptionGroup": lambda: ExceptionGroup(SECRET, [ValueError(SECRET), EngineError("broken")]),
    "BaseExceptionGroup": lambda: BaseExceptionGroup(SECRET, [Stop(SECRET), KeyError(SECRET)]),
    "EngineError": lambda: EngineError("broken"),
}


@dataclass
class Once:
    """Fails the first time that its moment comes."""

    moment: Moment
    error: Callable[[], BaseException]
    failed: int = 0

    def at(self, moment: Moment) -> None:
        if moment == self.moment and not self.failed:
            self.failed += 1
            raise self.error()

    async def wait(self, seconds: float) -> None:
        """Work that may be cancelled: then it raises something else, if that is its moment."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.at("while cancelled")
            raise


@dataclass
class FailingBrain(FakeBrain):
    once: Once = field(kw_only=True)

    async def generate(
        self, question: GenerateRequest
    ) -> AsyncGenerator[str | FunctionCall | Usage, None]:
        self.once.at("at once")
        await self.once.wait(self.first_token_s)
        for piece in self.pieces:
            yield piece
            self.once.at("after the first")
        await self.once.wait(0.3)
        self.once.at("at the end")


@dataclass
class FailingTts(FakeTts):
    once: Once = field(kw_only=True)

    async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        self.once.at("at once")
        await self.once.wait(self.first_audio_s)
        async for piece in super().speak(text, voice):
            yield piece
            self.once.at("after the first")
            await self.once.wait(0.1)
        self.once.at("at the end")


@dataclass
class FailingStt(FakeStt):
    once: Once = field(kw_only=True)

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        self.once.at("at once")
        async for _ in sound:
            await stable("what")
            self.once.at("after the first")
        await self.once.wait(self.takes_s)
        self.once.at("at the end")
        return Transcript("what time is it")


@dataclass
class FailingJudge(FakeJudge):
    once: Once = field(kw_only=True)

    async def over(self, sound: bytes) -> float | None:
        self.once.at("at once")
        await self.once.wait(self.takes_s)
        self.once.at("at the end")
        return await super().over(sound)


def failing_tool(once: Once) -> FunctionTools:
    async def lookup() -> str:
        """Look something up."""
        once.at("at once")
        await once.wait(0.1)
        once.at("at the end")
        return "42"

    return FunctionTools(lookup)
