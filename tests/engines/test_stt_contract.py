"""What every recogniser must do. A new one joins by a `Rig` and one line in `RIGS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.engines.base import SpeechToText
from vivavoce.engines.scripted.parts import ScriptedStt
from vivavoce.engines.scripted.script import Rule, Script
from vivavoce.engines.stt.openai import OpenAIStt
from vivavoce.errors import EngineError
from vivavoce_embedded.stt.lm import ModelFiles
from vivavoce_embedded.stt.pocketsphinx import Pocketsphinx
from vivavoce_embedded.stt.pool import Pool

from ..support.endpoints import serving
from ..support.real_time import live
from ..support.sounds import noise, pieces, spoken

Backend = Callable[[], AbstractAsyncContextManager[SpeechToText]]


@dataclass(frozen=True)
class Rig:
    """A recogniser with all it needs; and one whose backend is there, but broken."""

    working: Backend
    broken: Backend
    scripted: bool = False  # the backend says what its script says, whatever it hears


def pocketsphinx(model: ModelFiles) -> Rig:
    @asynccontextmanager
    async def with_model(files: ModelFiles) -> AsyncIterator[SpeechToText]:
        async with Pool(1) as pool:
            yield Pocketsphinx(pool, files)

    nowhere = ModelFiles(Path("no.arpa"), Path("no.dict"))
    return Rig(working=lambda: with_model(model), broken=lambda: with_model(nowhere))


HEARD = ("when does the keynote start", "where is the registration desk")
FAILS = Rule(fail="server_error", stage="stt")


def scripted(_: ModelFiles) -> Rig:
    @asynccontextmanager
    async def following(*rules: Rule) -> AsyncIterator[SpeechToText]:
        whatever = (" and ".join(HEARD),)  # who is cancelled has taken a sentence
        yield ScriptedStt(Script(heard=whatever, rules=rules))

    return Rig(working=following, broken=lambda: following(FAILS), scripted=True)


def openai(_: ModelFiles) -> Rig:
    @asynccontextmanager
    async def with_script(*rules: Rule) -> AsyncIterator[SpeechToText]:
        async with serving(Script(heard=HEARD, rules=rules)) as served:
            yield OpenAIStt(served.endpoint(), "scripted")
            await served.until_nobody_is_served()

    return Rig(working=with_script, broken=lambda: with_script(FAILS), scripted=True)


RIGS: dict[str, Callable[[ModelFiles], Rig]] = {
    "pocketsphinx": pocketsphinx,
    "scripted": scripted,
    "openai": openai,
}


@pytest.fixture(params=list(RIGS.values()), ids=list(RIGS))
def rig(request: pytest.FixtureRequest, congress: ModelFiles) -> Rig:
    made: Rig = request.param(congress)
    return made


@dataclass
class Told:
    """Remembers the stable words, as they grow."""

    texts: list[str] = field(default_factory=list)

    async def __call__(self, text: str, guess: str = "", logprobs: object = (), /) -> None:
        self.texts.append(text)


KEYNOTE = noise(300, -60) + spoken("keynote_rms") + noise(500, -60)
REGISTRATION = noise(300, -60) + spoken("registration_slt") + noise(500, -60)


def test_words_come_back(rig: Rig) -> None:
    async def story() -> list[str]:
        async with rig.working() as stt:
            return [
                (await stt.listen(pieces(KEYNOTE), Told())).text,
                (await stt.listen(pieces(REGISTRATION), Told(), language="en-GB")).text,
            ]

    keynote, registration = live(story())
    assert {"keynote", "start"} <= set(keynote.lower().strip("?").split())
    assert "registration" in registration.lower()


def test_stable_words_only_grow_and_are_where_the_whole_begins(rig: Rig) -> None:
    told = Told()

    async def story() -> str:
        async with rig.working() as stt:
            return (await stt.listen(pieces(KEYNOTE + noise(1_000, -60)), told)).text

    whole = live(story())
    for earlier, later in pairwise([*told.texts, whole]):
        assert later.startswith(earlier)


def test_an_utterance_with_a_pause_is_transcribed_whole(rig: Rig) -> None:
    async def story() -> str:
        async with rig.working() as stt:

            async def sound() -> AsyncIterator[bytes]:
                async for piece in pieces(KEYNOTE[: len(KEYNOTE) // 4 * 2]):
                    yield piece
                yield b""
                yield b""
                async for piece in pieces(KEYNOTE[len(KEYNOTE) // 4 * 2 :]):
                    yield piece

            return (await stt.listen(sound(), Told())).text

    assert {"keynote", "start"} <= set(live(story()).lower().strip("?").split())


@pytest.mark.parametrize("sound", [b"", audio.silence(20), audio.silence(2_000)])
def test_silence_has_no_words(rig: Rig, sound: bytes) -> None:
    if rig.scripted and sound:
        pytest.skip("takes silence for its script's next sentence")

    async def story() -> str:
        async with rig.working() as stt:
            return (await stt.listen(pieces(sound), Told())).text

    assert live(story()) == ""


@pytest.mark.parametrize("after_pieces", [0, 1, 10])
def test_a_cancelled_utterance_leaves_nothing_and_the_next_is_transcribed(
    rig: Rig, after_pieces: int
) -> None:
    async def story() -> str:
        async with rig.working() as stt:
            given = asyncio.Event()

            async def endless() -> AsyncIterator[bytes]:
                async for piece in pieces(REGISTRATION[: after_pieces * 96 * audio.BYTES_PER_MS]):
                    yield piece
                given.set()
                await asyncio.Event().wait()

            before = asyncio.all_tasks()
            listening = asyncio.create_task(stt.listen(endless(), Told()))
            await given.wait()
            listening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listening
            assert asyncio.all_tasks() == before
            return (await stt.listen(pieces(KEYNOTE), Told())).text

    assert "keynote" in live(story())


def test_several_talk_at_once(rig: Rig) -> None:
    async def story() -> list[str]:
        async with rig.working() as stt, asyncio.TaskGroup() as tasks:
            one = tasks.create_task(stt.listen(pieces(KEYNOTE), Told()))
            other = tasks.create_task(stt.listen(pieces(REGISTRATION), Told()))
            return [(await one).text, (await other).text]

    heard = live(story())
    keynote, registration = sorted(heard) if rig.scripted else heard  # who is first there?
    assert "keynote" in keynote
    assert "registration" in registration


def test_a_broken_backend_is_an_engine_error(rig: Rig) -> None:
    async def story() -> None:
        async with rig.broken() as stt:
            await stt.listen(pieces(KEYNOTE), Told())

    with pytest.raises(EngineError):
        live(story())
