"""Find the values in JSON that a model has chosen: texts, numbers and keys.

A schema may list the values of a parameter (`enum`, `const`). The author has chosen those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..core.types import JsonObject

Leaf = str | int | float

DEPTH = 32  # of JSON, of JSON within a text of JSON, and of references in a schema
BRANCHES = ("anyOf", "oneOf", "allOf")


def leaves(value: object, depth: int = DEPTH) -> Iterator[Leaf]:
    """Yield the texts, the numbers and the keys of a value, in order. A text that is JSON, too."""
    match value:
        case bool() | None:
            return
        case str():
            inner = _json(value) if depth else value
            yield from [value] if inner is value else leaves(inner, depth - 1)
        case int() | float():
            yield value
        case dict() if depth:
            for key, each in value.items():
                yield from (str(key), *leaves(each, depth - 1))
        case list() if depth:
            for each in value:
                yield from leaves(each, depth - 1)
        case _:  # deeper than any tool needs: one text, so that nothing is missed
            yield str(value)


def chosen(arguments: object, schema: JsonObject) -> Iterator[Leaf]:
    """Yield the leaves of arguments that the schema does not list.

    The name of a parameter is the author's. A key that the schema does not name was chosen.
    """
    return _chosen(arguments, [schema], schema, DEPTH)


def _chosen(
    value: object, schemas: list[Mapping[str, Any]], root: JsonObject, depth: int
) -> Iterator[Leaf]:
    """Yield from a value that these schemas describe."""
    found = [each for schema in schemas for each in _branches(schema, root, DEPTH)]
    if any(value in _listed(each) for each in found):
        return
    if not depth or not isinstance(value, dict | list):
        yield from leaves(value)
    elif isinstance(value, list):
        of_items = [each["items"] for each in found if isinstance(each.get("items"), dict)]
        for each in value:
            yield from _chosen(each, of_items, root, depth - 1)
    else:
        for key, each in value.items():
            named = [_properties(s)[key] for s in found if key in _properties(s)]
            if not named:
                yield key
            yield from _chosen(each, [s for s in named if isinstance(s, dict)], root, depth - 1)


def _branches(
    schema: Mapping[str, Any], root: JsonObject, depth: int
) -> Iterator[Mapping[str, Any]]:
    """Yield a schema, what it refers to and its alternatives. A circle of references ends."""
    yield schema
    if not depth:
        return
    if isinstance(named := _referred(schema.get("$ref"), root), dict):
        yield from _branches(named, root, depth - 1)
    for word in BRANCHES:
        alternatives = schema.get(word)
        for each in alternatives if isinstance(alternatives, list) else ():
            if isinstance(each, dict):
                yield from _branches(each, root, depth // 2)


def _referred(reference: object, root: JsonObject) -> object:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    place: object = root
    for part in reference.split("/")[1:]:
        if not isinstance(place, dict):
            return None
        place = place.get(part.replace("~1", "/").replace("~0", "~"))
    return place


def _listed(schema: Mapping[str, Any]) -> list[object]:
    values = schema.get("enum")
    listed = list(values) if isinstance(values, list) else []
    return [*listed, schema["const"]] if "const" in schema else listed


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _json(text: str) -> object:
    """Return what a text of JSON means, and otherwise the text itself."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text
