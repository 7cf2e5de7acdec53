"""Merge a batch of changes, and encode rows for both stores. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from ..core.types import JsonObject
from ..errors import StoreError
from ..protocol.items import Item
from ..protocol.own_events import Source
from .base import Change, Grant, ItemRow, ResponseRow
from .events import EventRow
from .questions import QuestionRow
from .tool_runs import ToolRunRow

T = TypeVar("T")

ITEM_BYTES = 16 * 1024 * 1024  # bytes, as in the largest message of a client

_items: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)  # building one is expensive

_ITEM_COLUMNS = ("id", "type", "role", "status")
_OTHER_COLUMNS = [
    column.name for column in fields(ItemRow) if column.name not in ("item", "sources")
]


@dataclass(slots=True)
class MergedChanges:
    """Hold the final state of each row. An item that is None is deleted."""

    items: dict[tuple[str, str], ItemRow | None] = field(default_factory=dict)
    responses: dict[str, ResponseRow] = field(default_factory=dict)
    touched: dict[str, datetime] = field(default_factory=dict)
    tool_runs: dict[str, ToolRunRow] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    questions: dict[str, QuestionRow] = field(default_factory=dict)


def merge(changes: Sequence[Change]) -> MergedChanges:
    """Apply the changes in order. Within one change, deletions come last."""
    merged = MergedChanges()
    for change in changes:
        for row in change.items:
            merged.items[change.conversation_id, row.item.id] = row
        for item_id in change.deleted:
            merged.items[change.conversation_id, item_id] = None
        for response in change.responses:
            merged.responses[response.id] = response
        merged.tool_runs |= {row.id: row for row in change.tool_runs}
        merged.events += change.events
        merged.questions |= {row.id: row for row in change.questions}
        if change.at is not None:
            latest = merged.touched.get(change.conversation_id, change.at)
            merged.touched[change.conversation_id] = max(latest, change.at)
    gone = {key for key, row in merged.items.items() if row is None}
    merged.questions = {
        name: row
        for name, row in merged.questions.items()
        if (row.conversation_id, row.item_id) not in gone
    }
    return merged


def encode_row(row: ItemRow) -> dict[str, Any]:
    """Return a row as columns. `content` contains the item as JSON, without its other columns.

    Raises `StoreError` for an item that is too large or is not valid Unicode.
    """
    item = msgspec.to_builtins(row.item)
    columns = {name: item.pop(name, None) for name in _ITEM_COLUMNS}
    columns["content"] = encode(item, ITEM_BYTES)
    columns |= {name: getattr(row, name) for name in _OTHER_COLUMNS}
    columns["sources"] = encode(row.sources) if row.sources else None
    if row.generated is not None:
        encode({"generated": row.generated}, ITEM_BYTES)  # raises if it is invalid or too large
    return columns


def decode_row(columns: Mapping[str, Any]) -> ItemRow:
    """Return the row of stored columns. Raises `StoreError` for columns that are damaged."""
    stored = {name: columns[name] for name in _ITEM_COLUMNS if columns[name] is not None}
    head, rest = msgspec.json.encode(stored), columns["content"]
    try:
        data = rest.encode()
        if not data.startswith(b"{"):
            raise StoreError("a stored item cannot be read: its content is not an object")
        item: Item = _items.decode(head if data == b"{}" else head[:-1] + b"," + data[1:])
    except (msgspec.DecodeError, UnicodeEncodeError, AttributeError, TypeError) as error:
        raise StoreError(f"a stored item cannot be read ({type(error).__name__})") from None
    others = {name: columns[name] for name in _OTHER_COLUMNS}
    return ItemRow(item=item, sources=decode_sources(columns["sources"]), **others)


def decode_sources(stored: str | None) -> tuple[Source, ...]:
    """Return the sources of stored JSON. Raises `StoreError` if it is damaged."""
    return decode(stored, tuple[Source, ...]) if stored else ()


def encode(value: JsonObject | Grant | tuple[Source, ...], limit: int = 1024 * 1024) -> str:
    """Return the value as JSON of at most `limit` bytes. Raises `StoreError`."""
    try:
        data = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        # The message of an encoding error quotes the value, which may be a person's words.
        raise StoreError(f"this cannot be written as JSON ({type(error).__name__})") from None
    if len(data) > limit:
        raise StoreError(f"{len(data)} bytes are too much for one row (at most {limit})")
    return data.decode()


def decode(text: str, kind: type[T]) -> T:
    """Return the value of stored JSON. Raises `StoreError` if it is damaged."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeEncodeError, TypeError):
        raise StoreError(f"a stored {kind.__name__} cannot be read") from None
