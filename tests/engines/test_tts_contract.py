"""Hold every voice to the contract. A new one joins `VOICES` by one line: `made(spec)`."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from vivavoce.engines.base import TextToSpeech
from vivavoce.engines.builtin import espeak as builtin_espeak
from vivavoce.engines.scripted.parts import Tones
from vivavoce.engines.tts.command_line import CommandLineTts
from vivavoce.engines.tts.openai import OpenAITts
from vivavoce.testing.adapters import made
from vivavoce.testing.contracts import voice

from ..support.endpoints import serving


@asynccontextmanager
async def tones() -> AsyncIterator[TextToSpeech]:
    yield Tones()


def espeak() -> AbstractAsyncContextManager[TextToSpeech]:
    return made(builtin_espeak.tts)


@asynccontextmanager
async def command_line(program: str) -> AsyncIterator[TextToSpeech]:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not on this machine")
    yield CommandLineTts(path)


def espeak_command() -> AbstractAsyncContextManager[TextToSpeech]:
    return command_line("espeak-ng")


def flite_command() -> AbstractAsyncContextManager[TextToSpeech]:
    return command_line("flite")


@asynccontextmanager
async def openai() -> AsyncIterator[TextToSpeech]:
    async with serving() as served:
        yield OpenAITts(served.endpoint(), "scripted")
        await served.until_nobody_is_served()


VOICES: list[Callable[[], AbstractAsyncContextManager[TextToSpeech]]] = [
    tones,
    espeak,
    espeak_command,
    flite_command,
    openai,
]


@pytest.mark.parametrize("opened", VOICES)
@pytest.mark.parametrize("check", voice.CHECKS)
def test_the_voice_keeps_the_contract(
    check: voice.Check, opened: Callable[[], AbstractAsyncContextManager[TextToSpeech]]
) -> None:
    check(voice.Case(opened))
