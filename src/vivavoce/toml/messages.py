"""Pydantic's messages in the words of people who write TOML and do not know Python."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SIMILAR = 0.6  # of difflib's ratio, which is 1 for equal words

_MESSAGES = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_sub_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "too_short": "must not be empty",
    "missing": "is required",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}


def plain_message(error: ErrorDetails) -> str:
    """Return what is wrong with a value, as the rest of a sentence that begins with its key."""
    if (message := _MESSAGES.get(error["type"])) is not None:
        return message.format_map({k: _plain(v) for k, v in error.get("ctx", {}).items()})
    return re.sub(r"^(Input should be|String should|\w+ should)\b", _must, error["msg"])


def _plain(limit: object) -> object:
    """Write a limit as people do: 1 and not 1.0."""
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _must(found: re.Match[str]) -> str:
    return "must be" if found[1].endswith("be") else "must"


def did_you_mean(name: str, names: Iterable[str], prefix: str = "") -> str:
    """Return ` (did you mean "…"?)` with the most similar name, or nothing if none is similar.

    A `prefix` that all names have is shown, but does not make them similar.
    """
    others = [other for other in names if other != name]
    found = difflib.get_close_matches(name, others, n=1, cutoff=SIMILAR)
    return f' (did you mean "{prefix}{found[0]}"?)' if found else ""
