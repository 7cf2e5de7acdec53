"""What a batch of changes comes to: the last word about each row wins. Pure, for both stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import msgspec

from ..core.values import JsonObject
from ..errors import StoreError
from ..protocol.items import Item
from .base import Change, Grant, ResponseRow, Row

T = TypeVar("T")

ITEM_BYTES = 16 * 1024 * 1024  # as much as the largest message of a client

_COLUMNS = ("id", "type", "role", "status")


@dataclass(slots=True)
class Merged:
    """Each item by conversation and id (None: gone), each response, each conversation's time."""

    items: dict[tuple[str, str], Row | None] = field(default_factory=dict)
    responses: dict[str, ResponseRow] = field(default_factory=dict)
    touched: dict[str, datetime] = field(default_factory=dict)


def merge(changes: Sequence[Change]) -> Merged:
    """One change after the other; within a change, what is deleted is deleted last."""
    merged = Merged()
    for change in changes:
        for row in change.items:
            merged.items[change.conversation_id, row.item.id] = row
        for item_id in change.deleted:
            merged.items[change.conversation_id, item_id] = None
        for response in change.responses:
            merged.responses[response.id] = response
        if change.at is not None:
            latest = merged.touched.get(change.conversation_id, change.at)
            merged.touched[change.conversation_id] = max(latest, change.at)
    return merged


def encode_item(item: Item) -> dict[str, str | None]:
    """An item as columns: id, type, role, status, and the rest of it as JSON in `content`.

    Raises `StoreError` for what cannot be written down.
    """
    fields = msgspec.to_builtins(item)
    columns = {name: fields.pop(name, None) for name in _COLUMNS}
    columns["content"] = encode(fields, ITEM_BYTES)
    return columns


def decode_item(columns: dict[str, str | None]) -> Item:
    """The inverse of `encode_item`. Raises `StoreError` for what no version of us wrote."""
    fields = {name: columns[name] for name in _COLUMNS if columns[name] is not None}
    fields |= decode(columns["content"] or "", dict[str, object])
    try:
        return msgspec.convert(fields, Item)
    except msgspec.ValidationError as error:
        raise StoreError(f"a stored item cannot be read: {error}") from None


def encode(value: JsonObject | Grant, limit: int = 1024 * 1024) -> str:
    try:
        data = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        # The message of an encoding error quotes what was said: its name must do.
        raise StoreError(f"this cannot be written as JSON ({type(error).__name__})") from None
    if len(data) > limit:
        raise StoreError(f"{len(data)} bytes are too much for one row (at most {limit})")
    return data.decode()


def decode(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise StoreError(f"a stored {kind.__name__} cannot be read") from None
