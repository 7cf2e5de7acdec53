"""What a batch of changes comes to: the last word about each row wins. Pure, for both stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from ..core.types import JsonObject
from ..errors import StoreError
from ..protocol.items import Item
from .base import Change, Grant, ItemRow, ResponseRow

T = TypeVar("T")

ITEM_BYTES = 16 * 1024 * 1024  # as much as the largest message of a client

_items: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)  # making one is expensive

_OF_THE_ITEM = ("id", "type", "role", "status")
_BESIDES = [column.name for column in fields(ItemRow) if column.name != "item"]


@dataclass(slots=True)
class MergedChanges:
    """Each item by conversation and id (None: gone), each response, each conversation's time."""

    items: dict[tuple[str, str], ItemRow | None] = field(default_factory=dict)
    responses: dict[str, ResponseRow] = field(default_factory=dict)
    touched: dict[str, datetime] = field(default_factory=dict)


def merge(changes: Sequence[Change]) -> MergedChanges:
    """One change after the other; within a change, what is deleted is deleted last."""
    merged = MergedChanges()
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


def encode_row(row: ItemRow) -> dict[str, Any]:
    """A row as columns. Of the item: id, type, role, status, and the rest as JSON in `content`.

    Raises `StoreError` for what cannot be written down.
    """
    item = msgspec.to_builtins(row.item)
    columns = {name: item.pop(name, None) for name in _OF_THE_ITEM}
    columns["content"] = encode(item, ITEM_BYTES)
    columns |= {name: getattr(row, name) for name in _BESIDES}
    if row.generated is not None:
        encode({"generated": row.generated}, ITEM_BYTES)  # can it be written, and is there room?
    return columns


def decode_row(columns: Mapping[str, Any]) -> ItemRow:
    """The inverse of `encode_row`. Raises `StoreError` for what no version of us wrote."""
    of_the_item = {name: columns[name] for name in _OF_THE_ITEM if columns[name] is not None}
    head, rest = msgspec.json.encode(of_the_item), columns["content"]
    try:
        data = rest.encode()
        if not data.startswith(b"{"):
            raise StoreError("a stored item cannot be read: its content is no object")
        item: Item = _items.decode(head if data == b"{}" else head[:-1] + b"," + data[1:])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise StoreError(f"a stored item cannot be read ({type(error).__name__})") from None
    return ItemRow(item=item, **{name: columns[name] for name in _BESIDES})


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
