"""What a browser may not change: the session fields that its assistant has locked.

They are left out like a foreign `model` is, and the echo tells the truth: stock browser SDKs send
instructions and tools on every connect, and an error would lose the rest of the update.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from .values import JsonObject


def without(patch: JsonObject, locked: Iterable[str]) -> JsonObject:
    """A `session.update`'s session that says nothing about these fields (`audio.output.voice`)."""
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
