"""Check the rules that every recogniser keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import pairwise

from ...api import BYTES_PER_MS, EngineError, SpeechToText, silence
from ..live import live

CHUNK_MS = 96

Opened = Callable[[], AbstractAsyncContextManager[SpeechToText]]


@dataclass(frozen=True)
class Utterance:
    """Audio, and words that its transcript must contain, in lower case."""

    pcm: bytes
    words: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A recogniser under test.

    `opened` makes it, and closes what it holds at the end of a test. `broken` makes one whose
    backend fails, if it has a backend. `scripted` means that it returns the
    words of a script for any audio.
    """

    opened: Opened
    first: Utterance
    second: Utterance
    broken: Opened | None = None
    scripted: bool = False


Check = Callable[[Case], None]


@dataclass
class Received:
    """Keep the stable words of each report."""

    texts: list[str] = field(default_factory=list)

    async def __call__(self, text: str, guess: str = "", logprobs: object = (), /) -> None:
        self.texts.append(text)


async def chunks(pcm: bytes, ms: int = CHUNK_MS) -> AsyncIterator[bytes]:
    """Yield the audio as a call brings it."""
    for start in range(0, len(pcm), ms * BYTES_PER_MS):
        yield pcm[start : start + ms * BYTES_PER_MS]


def transcribes_words(case: Case) -> None:
    async def story() -> tuple[str, str]:
        async with case.opened() as stt:
            return (
                (await stt.listen(chunks(case.first.pcm), Received())).text,
                (await stt.listen(chunks(case.second.pcm), Received(), language="en-GB")).text,
            )

    first, second = live(story())
    _assert_words(first, case.first)
    _assert_words(second, case.second)


def reports_stable_words_that_only_grow(case: Case) -> None:
    received = Received()

    async def story() -> str:
        async with case.opened() as stt:
            pcm = case.first.pcm + silence(1_000)
            return (await stt.listen(chunks(pcm), received)).text

    whole = live(story())
    for earlier, later in pairwise([*received.texts, whole]):
        assert later.startswith(earlier), (earlier, later)


def transcribes_an_utterance_with_a_pause_as_one(case: Case) -> None:
    half = len(case.first.pcm) // 4 * 2

    async def with_pause() -> AsyncIterator[bytes]:
        async for chunk in chunks(case.first.pcm[:half]):
            yield chunk
        yield b""
        yield b""
        async for chunk in chunks(case.first.pcm[half:]):
            yield chunk

    async def story() -> str:
        async with case.opened() as stt:
            return (await stt.listen(with_pause(), Received())).text

    _assert_words(live(story()), case.first)


def finds_no_words_in_silence(case: Case) -> None:
    async def story(pcm: bytes) -> str:
        async with case.opened() as stt:
            return (await stt.listen(chunks(pcm), Received())).text

    for ms in (0,) if case.scripted else (0, 20, 2_000):
        assert live(story(silence(ms))) == "", f"{ms} ms of silence"


def leaves_nothing_running_when_it_is_cancelled(case: Case) -> None:
    async def story(heard_ms: int) -> str:
        given = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            async for chunk in chunks(case.second.pcm[: heard_ms * BYTES_PER_MS]):
                yield chunk
            given.set()
            await asyncio.Event().wait()

        async with case.opened() as stt:
            before = asyncio.all_tasks()
            listening = asyncio.create_task(stt.listen(endless(), Received()))
            await given.wait()
            listening.cancel()
            await asyncio.wait([listening])
            assert listening.cancelled()
            assert asyncio.all_tasks() == before
            return (await stt.listen(chunks(case.first.pcm), Received())).text

    for heard_ms in (0, CHUNK_MS, 10 * CHUNK_MS):
        _assert_words(live(story(heard_ms)), case.first)


def transcribes_two_utterances_at_once(case: Case) -> None:
    async def story() -> list[str]:
        async with case.opened() as stt, asyncio.TaskGroup() as tasks:
            both = [
                tasks.create_task(stt.listen(chunks(each.pcm), Received()))
                for each in (case.first, case.second)
            ]
        return [task.result().text for task in both]

    texts = live(story())
    if case.scripted:  # the order of its sentences is not the order of the requests
        texts.sort(key=lambda text: not _has_words(text, case.first))
    _assert_words(texts[0], case.first)
    _assert_words(texts[1], case.second)


def raises_engine_error_if_its_backend_fails(case: Case) -> None:
    assert case.broken is not None, "the case has no broken backend"
    broken = case.broken

    async def story() -> None:
        async with broken() as stt:
            await stt.listen(chunks(case.first.pcm), Received())

    try:
        live(story())
    except EngineError:
        return
    raise AssertionError("listen did not raise EngineError")


CHECKS: tuple[Check, ...] = (
    transcribes_words,
    reports_stable_words_that_only_grow,
    transcribes_an_utterance_with_a_pause_as_one,
    finds_no_words_in_silence,
    leaves_nothing_running_when_it_is_cancelled,
    transcribes_two_utterances_at_once,
)
BACKEND_CHECKS: tuple[Check, ...] = (raises_engine_error_if_its_backend_fails,)
"""For a recogniser with a worker process or a server behind it: its case has `broken`."""


def _has_words(text: str, utterance: Utterance) -> bool:
    return all(word in text.lower() for word in utterance.words)


def _assert_words(text: str, utterance: Utterance) -> None:
    assert _has_words(text, utterance), f"{utterance.words} in {text!r}"
