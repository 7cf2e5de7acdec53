"""Write the schema of a tool for a language model."""

from __future__ import annotations

from typing import Any

OWN = "x-"  # begins our keywords, which are for a brain without a model and for pages


def without_own_keywords(value: Any, *, names: bool = False) -> Any:  # noqa: ANN401
    """Return a schema without keywords of our own: a model pays for each word of them.

    `names`: the keys of `value` are names of parameters, not keywords.
    """
    if isinstance(value, list):
        return [without_own_keywords(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_own_keywords(inner, names=key == "properties" and not names)
        for key, inner in value.items()
        if names or not str(key).startswith(OWN)
    }
