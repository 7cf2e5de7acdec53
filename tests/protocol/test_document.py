"""The protocol's own document, where it is at hand: each of its examples is a frame of ours."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from vivavoce.protocol import client, codec, server, translation
from vivavoce.protocol.config import SessionConfig


def test_every_example_of_a_servers_event_comes_out_as_it_went_in(document: str) -> None:
    """Ours may say more: the booleans of a transcription session's detection (§2.6)."""
    examples = re.findall(r"^S< (\{.*\})$", document, re.MULTILINE)
    assert len(examples) > 60
    for example in examples:
        again = json.loads(codec.encode(msgspec.json.decode(example, type=server.ServerEvent)))
        assert within(json.loads(example), again), example


def test_every_example_of_a_clients_event_is_understood(document: str) -> None:
    examples = re.findall(r"^C> (\{.*\})$", document, re.MULTILINE)
    examples += blocks(document, "response_create_ref")
    assert len(examples) > 15
    for example in examples:
        event = codec.decode(example)
        if isinstance(event, client.SessionUpdate):
            SessionConfig().merged(event.session)


def test_so_are_those_of_a_translation(document: str) -> None:
    for example in blocks(document, "translation_client"):
        codec.decode_translation(example)
    for example in blocks(document, "translation_server"):
        event = msgspec.json.decode(example, type=translation.TranslationServerEvent)
        assert json.loads(codec.encode(event)) == json.loads(example)


def blocks(document: str, kind: str) -> list[str]:
    found = re.findall(rf"<!-- v: {kind} -->\n```json\n(.*?)\n```", document, re.DOTALL)
    assert found
    return found


def within(less: Any, more: Any) -> bool:  # noqa: ANN401
    if isinstance(less, dict) and isinstance(more, dict):
        return all(key in more and within(value, more[key]) for key, value in less.items())
    if isinstance(less, list) and isinstance(more, list):
        return len(less) == len(more) and all(map(within, less, more))
    return bool(less == more)
