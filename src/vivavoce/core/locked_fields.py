"""Removes the session fields that an assistant has locked from the requests of a browser.

The fields are removed like an unknown `model` is, and `session.updated` shows the result. An error
would be worse: stock browser SDKs send instructions and tools on every connect, and would lose the
rest of the update. The same fields of a `response.create` are removed as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

import msgspec

from .types import JsonObject

T = TypeVar("T", bound=msgspec.Struct)


def strip_locked_fields(patch: JsonObject, locked: Iterable[str]) -> JsonObject:
    """Return the session of a `session.update` without these fields (`audio.output.voice`).

    It works for the response of a `response.create` too, which has the same fields.
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


def strip_locked_options(options: T, locked: Iterable[str]) -> T:
    """Return a response's options without these fields."""
    for path in locked:
        options = _without_option(options, path.split("."))
    return options


def _without_option(options: T, path: list[str]) -> T:
    first, *rest = path
    inner = getattr(options, first, None)
    if inner is None:
        return options
    return msgspec.structs.replace(
        options, **{first: _without_option(inner, rest) if rest else None}
    )
