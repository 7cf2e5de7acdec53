from __future__ import annotations

from collections.abc import AsyncGenerator

from hypothesis import given
from hypothesis import strategies as st

from vivavoce.core.effects import Respond
from vivavoce.core.inputs import CutShort, Said, ToolRequested
from vivavoce.engines.base import Question
from vivavoce.engines.cascade import SENTENCES_AHEAD, Cascade
from vivavoce.engines.sentences import Sentences
from vivavoce.protocol.config import SessionConfig
from vivavoce.protocol.items import FunctionCall
from vivavoce.protocol.server import Usage

from ..support.fakes import FakeBrain, FakeStt, FakeTts
from ..support.virtual_time import live

REQUEST = Respond("resp_1", SessionConfig(), ())


def respond(brain: FakeBrain, tts: FakeTts) -> list[Said | ToolRequested | CutShort]:
    emitted: list[Said | ToolRequested | CutShort] = []

    async def emit(event: Said | ToolRequested | CutShort) -> None:
        emitted.append(event)

    live(Cascade(FakeStt(), brain, tts).respond(REQUEST, emit))
    return emitted


def test_every_word_is_said_once_and_in_order() -> None:
    emitted = respond(FakeBrain(["It is ", "noon. ", "Time for lunch"]), FakeTts(chunks=3))
    assert [e.text for e in emitted if isinstance(e, Said) and e.text] == [
        "It is noon. ",
        "Time for lunch",
    ]


def test_the_brain_is_only_a_few_sentences_ahead_of_the_voice() -> None:
    written = 0

    class Chatterbox(FakeBrain):
        async def generate(
            self, question: Question
        ) -> AsyncGenerator[str | FunctionCall | Usage, None]:
            nonlocal written
            for _ in range(50):
                written += 1
                yield "And another thing. "

    tts = FakeTts(chunks=1)
    ahead: list[int] = []

    async def emit(event: Said | ToolRequested | CutShort) -> None:
        ahead.append(written - tts.made)

    live(Cascade(FakeStt(), Chatterbox([]), tts).respond(REQUEST, emit))
    assert max(ahead) <= SENTENCES_AHEAD + 3  # one being said, one being spoken, one on its way


@given(st.lists(st.text(alphabet="ab. !?\n")))
def test_cutting_sentences_loses_nothing(pieces: list[str]) -> None:
    sentences = Sentences()
    out = [s for piece in pieces for s in sentences.push(piece)] + sentences.finish()
    assert "".join(out).rstrip() == "".join(pieces).rstrip()
