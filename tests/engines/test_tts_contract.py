"""Hold every voice to its contract. A new one joins `MOUTHS` by one line: `made(spec)`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.engines.base import AudioChunk, TextToSpeech, VoiceRequest
from vivavoce.engines.builtin import espeak as builtin_espeak
from vivavoce.engines.scripted.parts import Tones
from vivavoce.engines.tts.command_line import CommandLineTts
from vivavoce.engines.tts.openai import OpenAITts

from ..support.adapters import made
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


Opened = Callable[[], AbstractAsyncContextManager[TextToSpeech]]
MOUTHS: list[Opened] = [tones, espeak, espeak_command, flite_command, openai]

every_mouth = pytest.mark.parametrize("opened", MOUTHS, ids=lambda opened: opened.__name__)

SENTENCE = " The registration desk is on the ground floor, next to the main entrance.\n"
TEXTS = {
    "a sentence": SENTENCE,
    "a word": "Yes",
    "no words": " … ",
    "white space": " \n",
    "two languages": "Ciao, è già più tardi: naïve 12:30 😀!",
    "an option": "--help -v",
    "markup": "<speak>1 < 2 & [[ju:]] \\x00</speak>",
    "control characters": "one\x00two\x01\x1b[31m three\x7f\x9f four\r\n",
    "half a character": "broken \ud800 pair",
    "very long": "and so on, " * 150,
    "one long word": "a" * 1000,
}


async def spoken(speaker: TextToSpeech, text: str, voice: VoiceRequest) -> list[AudioChunk]:
    async with aclosing(speaker.speak(text, voice)) as speech:
        return [piece async for piece in speech]


def say(opened: Opened, text: str, **voice: object) -> list[AudioChunk]:
    async def story() -> list[AudioChunk]:
        async with opened() as speaker:
            return await spoken(speaker, text, VoiceRequest(name="marin", **voice))  # type: ignore[arg-type]

    return asyncio.run(story())


def words(speech: list[AudioChunk]) -> str:
    return "".join(word.text for piece in speech for word in piece.words)


def duration_ms(speech: list[AudioChunk]) -> int:
    return sum(audio.duration_ms(piece.pcm) for piece in speech)


def loudness(pcm: bytes) -> int:
    return max(
        abs(int.from_bytes(pcm[i : i + 2], "little", signed=True)) for i in range(0, len(pcm), 2)
    )


@every_mouth
@pytest.mark.parametrize("kind", TEXTS)
def test_every_character_is_said_once_whatever_it_is(opened: Opened, kind: str) -> None:
    speech = say(opened, TEXTS[kind])
    assert words(speech) == TEXTS[kind]
    assert all(len(piece.pcm) % 2 == 0 for piece in speech)


@every_mouth
def test_nothing_to_say_is_not_an_error(opened: Opened) -> None:
    assert words(say(opened, "")) == ""


@every_mouth
def test_a_sentence_takes_as_long_as_a_person_would_and_can_be_heard(opened: Opened) -> None:
    speech = say(opened, SENTENCE)
    assert 2000 < duration_ms(speech) < 7000
    assert loudness(b"".join(piece.pcm for piece in speech)) > 1000


@every_mouth
def test_words_begin_within_their_piece_and_are_spread_over_the_sound(opened: Opened) -> None:
    speech = say(opened, SENTENCE)
    begins, at = [], 0
    for piece in speech:
        length = audio.duration_ms(piece.pcm)
        assert all(0 <= word.at_ms <= max(length, 1) for word in piece.words)
        begins += [at + word.at_ms for word in piece.words]
        at += length
    assert begins == sorted(begins)
    assert len(begins) >= 8
    assert begins[0] < 300
    assert begins[-1] > at / 2


@every_mouth
def test_faster_is_shorter(opened: Opened) -> None:
    usual, fast = (duration_ms(say(opened, SENTENCE, speed=speed)) for speed in (1.0, 1.5))
    assert 0.55 < fast / usual < 0.8


@every_mouth
def test_several_speak_at_once_without_mixing_their_words(opened: Opened) -> None:
    async def story() -> None:
        async with opened() as speaker, asyncio.TaskGroup() as tasks:
            texts = [f"This is number {n}, " * 5 for n in range(4)]
            speaking = [
                tasks.create_task(spoken(speaker, text, VoiceRequest(name="marin")))
                for text in texts
            ]
            for text, task in zip(texts, speaking, strict=True):
                assert words(await task) == text

    asyncio.run(story())


@every_mouth
def test_an_interrupted_voice_stops_and_can_speak_again(opened: Opened) -> None:
    async def story() -> None:
        async with opened() as speaker:
            async with aclosing(speaker.speak(SENTENCE * 20, VoiceRequest(name="marin"))) as speech:
                assert (await anext(speech)).pcm
            before = asyncio.all_tasks()
            assert words(await spoken(speaker, "Sorry.", VoiceRequest(name="marin"))) == "Sorry."
            speaking = asyncio.create_task(
                spoken(speaker, SENTENCE * 20, VoiceRequest(name="marin"))
            )
            await asyncio.sleep(0)
            speaking.cancel()
            await asyncio.wait([speaking])
            assert asyncio.all_tasks() <= before

    asyncio.run(story())
