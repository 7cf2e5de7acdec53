"""The length of a text delta does not reveal the length of its words."""

from __future__ import annotations

import re

import pytest

from vivavoce.protocol import server
from vivavoce.runtime.obfuscation import padded


@pytest.mark.parametrize("words", ["", "Hello", " the", "a", "x" * 16, "x" * 17, "Perché", "🎉🎉"])
def test_a_piece_and_its_padding_are_a_multiple_of_16_long(words: str) -> None:
    event = padded(server.TextDelta(response_id="resp_1", item_id="item_1", delta=words))
    assert isinstance(event, server.TextDelta)
    assert isinstance(event.obfuscation, str)
    assert (len(words.encode("utf-16-le")) // 2 + len(event.obfuscation)) % 16 == 0
    assert len(event.obfuscation) < 16
    assert re.fullmatch("[A-Za-z0-9]*", event.obfuscation)
    assert event.delta == words


@pytest.mark.parametrize(
    "event",
    [
        server.TranscriptDelta(response_id="resp_1", item_id="item_1", delta="Hi"),
        server.ArgumentsDelta(response_id="resp_1", item_id="item_1", call_id="c", delta="{}"),
        server.TranscriptionDelta(item_id="item_1", delta="Hi"),
        server.McpArgumentsDelta(response_id="resp_1", item_id="item_1", delta="{}"),
    ],
)
def test_every_text_delta_is_padded(event: server.ServerEvent) -> None:
    assert len(getattr(padded(event), "obfuscation", "")) == 14


def test_sound_and_whole_texts_are_left_alone() -> None:
    sound = server.AudioDelta(response_id="resp_1", item_id="item_1", delta=b"\0\0")
    whole = server.TextDone(response_id="resp_1", item_id="item_1", text="Hello")
    assert padded(sound) is sound
    assert padded(whole) is whole
