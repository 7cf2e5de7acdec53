"""Hold every recogniser to the contract. A new one joins by a `Rig` and one line in `RIGS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from vivavoce.engines.base import SpeechToText
from vivavoce.engines.scripted.parts import ScriptedStt
from vivavoce.engines.scripted.script import Rule, Script
from vivavoce.engines.stt.openai import OpenAIStt
from vivavoce.testing.contracts import recogniser
from vivavoce.testing.contracts.recogniser import Utterance
from vivavoce_embedded.stt.lm import ModelFiles
from vivavoce_embedded.stt.pocketsphinx import Pocketsphinx
from vivavoce_embedded.stt.pool import Pool

from ..support.endpoints import serving
from ..support.sounds import noise, spoken

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
        whatever = (" and ".join(HEARD),)  # a cancelled listener has taken a sentence
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


NOISE = noise(300, -60)
KEYNOTE = Utterance(NOISE + spoken("keynote_rms") + noise(500, -60), ("keynote", "start"))
REGISTRATION = Utterance(NOISE + spoken("registration_slt") + noise(500, -60), ("registration",))


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
@pytest.mark.parametrize("check", [*recogniser.CHECKS, *recogniser.BACKEND_CHECKS])
def test_the_recogniser_keeps_the_contract(
    check: recogniser.Check, rig: Callable[[ModelFiles], Rig], congress: ModelFiles
) -> None:
    made = rig(congress)
    check(recogniser.Case(made.working, KEYNOTE, REGISTRATION, made.broken, made.scripted))
