"""Keeps every frame of this server under 1 MiB, the limit of clients with the least room.

A data channel takes less: its transport gives the limit.

An event repeats what a client wrote: an image, the output of a tool, a session. Where the frame
would be too large, the event leaves out what it may, and cuts what it must have:

    1. images and audio of items
    2. schemas and variables, which become empty objects
    3. the longest texts, which end with `…`
    4. the longest lists

The conversation and the engines keep the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import msgspec

MAX_FRAME_BYTES = 2**20
_OPTIONAL = ("image_url", "audio")
_FREE = ("parameters", "input_schema", "variables", "metadata")
_SMALL_BYTES = 1024  # of an optional payload that stays
_SHORTEST_TEXT = 64  # characters, before lists are cut

Node: TypeAlias = "dict[str, object]"
Step: TypeAlias = Callable[[], None]


def fitted(frame: bytes, largest: int = MAX_FRAME_BYTES) -> bytes:
    """Return the frame, or a shorter one for the same event. `largest`: bytes."""
    return frame if len(frame) <= largest else _shortened(frame, largest)


def _shortened(frame: bytes, largest: int) -> bytes:
    event = msgspec.json.decode(frame)
    for step in _steps(event, largest):
        step()
        frame = msgspec.json.encode(event)
        if len(frame) <= largest:
            break
    return frame


def _steps(event: object, largest: int) -> Iterator[Step]:
    yield partial(_leave_out, event)
    yield partial(_empty, event)
    length = largest // 2
    while length >= _SHORTEST_TEXT:
        yield partial(_cut_texts, event, length)
        length //= 2
    entries = 4096
    while entries:
        yield partial(_cut_lists, event, entries)
        entries //= 2


def _leave_out(event: object) -> None:
    for node in _objects(event):
        for name in _OPTIONAL:
            value = node.get(name)
            if isinstance(value, str) and len(value) > _SMALL_BYTES:
                del node[name]


def _empty(event: object) -> None:
    for node in _objects(event):
        for name in _FREE:
            value = node.get(name)
            if isinstance(value, dict) and len(msgspec.json.encode(value)) > _SMALL_BYTES:
                node[name] = {}


def _cut_texts(event: object, length: int) -> None:
    for node in _objects(event):
        for name, value in node.items():
            if isinstance(value, str) and len(value) > length:
                node[name] = value[: length - 1] + "…"


def _cut_lists(event: object, entries: int) -> None:
    for node in _objects(event):
        for value in node.values():
            if isinstance(value, list):
                del value[entries:]


def _objects(value: object) -> Iterator[Node]:
    """Yield every object in a JSON value."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
