"""The embedded brain cannot see, and says so."""

from __future__ import annotations

import pytest

from vivavoce.engines.base import GenerateRequest
from vivavoce.protocol.items import Message, Part
from vivavoce_embedded.brain.excerpt import excerpt
from vivavoce_embedded.brain.phrases import PHRASES

from ..support.pictures import PNG_URL
from .brain_talk import FAIR, assistant, tool, user


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "What is this?"), ("it", "Che cosa è questo?"), ("es", "¿Qué es esto?"), ("it", "")],
)
def test_an_image_is_not_seen_and_the_brain_says_so(language: str, words: str) -> None:
    image = Part(type="input_image", image_url=PNG_URL)
    content = (Part(type="input_text", text=words), image) if words else (image,)
    read = excerpt(
        GenerateRequest(
            instructions="", history=(Message(role="user", content=content),), language=language
        )
    )
    assert FAIR.reply(read).text == PHRASES[language].blind


def test_an_image_of_an_earlier_turn_does_not_matter() -> None:
    image = Message(role="user", content=(Part(type="input_image", image_url=PNG_URL),))
    history = (image, assistant(PHRASES["en"].blind), user("Hello!"))
    read = excerpt(GenerateRequest(instructions="", history=history, language="en"))
    assert FAIR.reply(read).text == PHRASES["en"].hello


def test_the_words_beside_an_image_may_ask_for_a_tool() -> None:
    reads = tool("analyze_screenshot", "Read the text of the screenshot")
    content = (Part(type="input_text", text="Read the text of the screenshot"),
               Part(type="input_image", image_url=PNG_URL))  # fmt: skip
    request = GenerateRequest(
        instructions="", history=(Message(role="user", content=content),), tools=(reads,),
        language="en",
    )  # fmt: skip
    reply = FAIR.reply(excerpt(request))
    assert (reply.kind, reply.name) == ("call", "analyze_screenshot")
