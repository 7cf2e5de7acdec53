"""Check the rules that every voice keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

import numpy as np

from ...api import AudioChunk, TextToSpeech, VoiceRequest, duration_ms
from ..live import live


@dataclass(frozen=True)
class Case:
    """A voice under test. `opened` makes it, and closes what it holds at the end of a test."""

    opened: Callable[[], AbstractAsyncContextManager[TextToSpeech]]
    name: str = "marin"


Check = Callable[[Case], None]

SENTENCE = " The registration desk is on the ground floor, next to the main entrance.\n"
TEXTS = (
    SENTENCE,
    "Yes",
    "",
    " … ",
    " \n",
    "Ciao, è già più tardi: naïve 12:30 😀!",
    "--help -v",
    "<speak>1 < 2 & [[ju:]] \\x00</speak>",
    "one\x00two\x01\x1b[31m three\x7f\x9f four\r\n",
    "broken \ud800 pair",
    "and so on, " * 150,
    "a" * 1000,
)


def says_every_character_once(case: Case) -> None:
    for text in TEXTS:
        speech = _say(case, text)
        assert _words(speech) == text, f"the words of {text[:40]!r}"
        assert all(len(chunk.pcm) % 2 == 0 for chunk in speech), "half a sample"


def is_as_fast_as_a_person_and_audible(case: Case) -> None:
    speech = _say(case, SENTENCE)
    assert 2000 < _duration_ms(speech) < 7000, "the test sentence must last 2 to 7 s"
    samples = np.frombuffer(b"".join(chunk.pcm for chunk in speech), "<i2")
    assert np.abs(samples.astype(int)).max() > 1000, "no sample is above 1000: it is inaudible"


def places_words_within_their_chunk_and_over_the_audio(case: Case) -> None:
    begins, at_ms = list[int](), 0
    for chunk in _say(case, SENTENCE):
        length_ms = duration_ms(chunk.pcm)
        assert all(0 <= word.at_ms <= max(length_ms, 1) for word in chunk.words)
        begins += [at_ms + word.at_ms for word in chunk.words]
        at_ms += length_ms
    assert begins == sorted(begins)
    assert len(begins) >= 8
    assert begins[0] < 300
    assert begins[-1] > at_ms / 2


def is_shorter_at_a_higher_speed(case: Case) -> None:
    usual, fast = (_duration_ms(_say(case, SENTENCE, speed)) for speed in (1.0, 1.5))
    assert 0.55 < fast / usual < 0.8


def speaks_several_texts_at_once(case: Case) -> None:
    async def story() -> None:
        texts = [f"This is number {n}, " * 5 for n in range(4)]
        async with case.opened() as voice, asyncio.TaskGroup() as tasks:
            speaking = [tasks.create_task(_spoken(case, voice, text)) for text in texts]
        assert [_words(task.result()) for task in speaking] == texts

    live(story())


def stops_when_it_is_closed_or_cancelled(case: Case) -> None:
    async def story() -> None:
        async with case.opened() as voice:
            async with aclosing(voice.speak(SENTENCE * 20, _request(case))) as speech:
                assert (await anext(speech)).pcm
            before = asyncio.all_tasks()
            assert _words(await _spoken(case, voice, "Sorry.")) == "Sorry."
            speaking = asyncio.create_task(_spoken(case, voice, SENTENCE * 20))
            await asyncio.sleep(0)
            speaking.cancel()
            await asyncio.wait([speaking])
            assert asyncio.all_tasks() <= before

    live(story())


CHECKS: tuple[Check, ...] = (
    says_every_character_once,
    is_as_fast_as_a_person_and_audible,
    places_words_within_their_chunk_and_over_the_audio,
    is_shorter_at_a_higher_speed,
    speaks_several_texts_at_once,
    stops_when_it_is_closed_or_cancelled,
)


def _request(case: Case, speed: float = 1.0) -> VoiceRequest:
    return VoiceRequest(name=case.name, speed=speed)


async def _spoken(
    case: Case, voice: TextToSpeech, text: str, speed: float = 1.0
) -> list[AudioChunk]:
    async with aclosing(voice.speak(text, _request(case, speed))) as speech:
        return [chunk async for chunk in speech]


def _say(case: Case, text: str, speed: float = 1.0) -> list[AudioChunk]:
    async def story() -> list[AudioChunk]:
        async with case.opened() as voice:
            return await _spoken(case, voice, text, speed)

    return live(story())


def _words(speech: list[AudioChunk]) -> str:
    return "".join(word.text for chunk in speech for word in chunk.words)


def _duration_ms(speech: list[AudioChunk]) -> int:
    return sum(duration_ms(chunk.pcm) for chunk in speech)
