"""What a browser may not change: the session fields that its assistant has locked.

They are left out like a foreign `model` is, and the echo tells the truth: stock browser SDKs send
instructions and tools on every connect, and an error would lose the rest of the update. What one
response does otherwise than the session (`response.create`) is held by the same locks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

import msgspec

from .types import JsonObject

Wish = TypeVar("Wish", bound=msgspec.Struct)


def strip_locked_fields(patch: JsonObject, locked: Iterable[str]) -> JsonObject:
    """A `session.update`'s session that says nothing about these fields (`audio.output.voice`).

    Or a `response.create`'s response, which has the session's fields in the session's places.
    """
    for path in locked:
        patch = _without(patch, path.split("."))
    return patch


def _without(patch: JsonObject, path: list[str]) -> JsonObject:
    first, *rest = path
    inner = patch.get(first)
    if first not in patch or (rest and not isinstance(inner, dict)):
        return patch
    kept = {key: value for key, value in patch.items() if key != first}
    return kept | {first: _without(cast("JsonObject", inner), rest)} if rest else kept


def strip_locked_options(wish: Wish, locked: Iterable[str]) -> Wish:
    """A response's options, without a wish about any of these fields."""
    for path in locked:
        wish = _unwished(wish, path.split("."))
    return wish


def _unwished(wish: Wish, path: list[str]) -> Wish:
    first, *rest = path
    inner = getattr(wish, first, None)
    if inner is None:
        return wish
    return msgspec.structs.replace(wish, **{first: _unwished(inner, rest) if rest else None})
