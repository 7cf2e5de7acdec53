"""Say how people ask for a tool, for a brain without a language model.

`phrases` are sentences that ask for the tool, with the parameters in braces. `slots` say how a
value is spoken and asked for. Both become keywords of the tool's JSON Schema
(docs/reference/assistant).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .signatures import UnfitFunctionError

Texts = str | Sequence[str]
Phrases = Sequence[str] | Mapping[str, Sequence[str]]
Slots = Mapping[str, Mapping[str, Any]]

KEYWORDS = {
    "ask": "x-ask",
    "after": "x-after",
    "synonyms": "x-synonyms",
    "part_of_day": "x-part-of-day",
}
PARAMETER = re.compile(r"\{([^{}]*)\}")


def add_phrases(schema: dict[str, Any], phrases: Phrases) -> dict[str, Any]:
    """Return a tool's schema with its phrases. Raises `UnfitFunctionError`."""
    table = phrases if isinstance(phrases, Mapping) else {"*": phrases}
    known = schema.get("properties", {})
    for texts in table.values():
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UnfitFunctionError("phrases must be a list of texts, or a table of them")
        for text in texts:
            for name in (found.partition("=")[0] for found in PARAMETER.findall(text)):
                if name not in known:
                    raise UnfitFunctionError(f'the phrase "{text}" names no parameter: {name}')
    plain = {language: list(texts) for language, texts in table.items()}
    return {**schema, "x-examples": plain if isinstance(phrases, Mapping) else plain["*"]}


def add_slots(schema: dict[str, Any], slots: Slots) -> dict[str, Any]:
    """Return a tool's schema with what is said of its parameters. Raises `UnfitFunctionError`."""
    properties = dict(schema.get("properties", {}))
    for name, words in slots.items():
        if name not in properties:
            raise UnfitFunctionError(f"slots names no parameter: {name}")
        if unknown := sorted(words.keys() - KEYWORDS.keys()):
            raise UnfitFunctionError(f"slots.{name} has an unknown key: {unknown[0]}")
        said = {KEYWORDS[key]: _plain(value) for key, value in words.items()}
        properties[name] = {**properties[name], **said}
    return {**schema, "properties": properties}


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return tables and lists as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return list(value) if isinstance(value, list | tuple) else value
