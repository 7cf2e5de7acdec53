"""Check that a tool's parameters are the JSON Schema of an object.

Keywords that start with `x-` are ours (`x-examples`, `x-synonyms`). Unknown keywords are ignored,
as JSON Schema requires. The checks cover the keywords that models and our own brain use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from ..core.types import JsonObject
from ..file_reading import UnreadableFileError
from ..toml import KeyPath, did_you_mean, json_lines, line_of, parse_json
from .validation import FieldProblem, ValidationContext, wrong

TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
DEPTH = 16
NOTHING: JsonObject = {"type": "object", "properties": {}}


def read(value: object, context: ValidationContext) -> JsonObject:
    """Return the schema that `parameters` holds or names. Raises `wrong` with every problem."""
    if not isinstance(value, dict):
        raise wrong('must be a table or { file = "…" }')
    if set(value) == {"file"} and isinstance(value["file"], str):
        return _from_file(value["file"], context)
    if not _is_json(value):
        raise wrong("must be what JSON can say: no dates, times, nan or inf")
    if problems := [FieldProblem(message, key) for key, message in _check(value, top=True)]:
        raise wrong(*problems)
    return value


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
        msgspec.json.encode(value)  # the wire cannot carry half a surrogate pair
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def _from_file(name: str, context: ValidationContext) -> JsonObject:
    text = context.read(name)
    try:
        schema = parse_json(text)
    except UnreadableFileError as error:
        raise wrong(FieldProblem(error.reason, file=name, line=error.line)) from None
    if not isinstance(schema, dict):
        raise wrong(FieldProblem("must hold a JSON object", file=name, line=1))
    if not _is_json(schema):
        raise wrong(FieldProblem("must not hold NaN, Infinity or half a surrogate pair", file=name))
    lines = json_lines(text)
    problems = [
        FieldProblem(f"{'.'.join(map(str, key))}: {message}" if key else message,
             file=name, line=line_of(lines, key) or 1)
        for key, message in _check(schema, top=True)
    ]  # fmt: skip
    if problems:
        raise wrong(*problems)
    return schema


def _check(
    schema: object, key: KeyPath = (), *, top: bool = False
) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(schema, bool) and not top:
        return
    if not isinstance(schema, dict):
        yield key, "must be a schema: a table, true or false"
        return
    if len(key) > 2 * DEPTH:
        yield key, f"is nested deeper than {DEPTH} schemas"
        return
    yield from _check_type(schema, key, top=top)
    yield from _check_properties(schema, key)
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        yield (*key, "enum"), "must be a list of at least one value"
    if "pattern" in schema:
        yield from _check_pattern(schema["pattern"], (*key, "pattern"))
    if "description" in schema and not isinstance(schema["description"], str):
        yield (*key, "description"), "must be text"
    for name in ("items", "additionalProperties", "not"):
        if name in schema:
            yield from _check(schema[name], (*key, name))
    for name in ("anyOf", "oneOf", "allOf"):
        inner = schema.get(name, [])
        if not isinstance(inner, list):
            yield (*key, name), "must be a list of schemas"
            continue
        for index, each in enumerate(inner):
            yield from _check(each, (*key, name, index))


def _check_type(schema: JsonObject, key: KeyPath, *, top: bool) -> Iterator[tuple[KeyPath, str]]:
    written = schema.get("type")
    if top and written != "object":
        yield (*key, "type"), 'must be "object": a tool takes named arguments'
        return
    types = written if isinstance(written, list) else [written] if "type" in schema else []
    for each in types:
        if each not in TYPES:
            hint = did_you_mean(each, TYPES) if isinstance(each, str) else ""
            yield (*key, "type"), f"must be one of {', '.join(TYPES)}{hint}"


def _check_properties(schema: JsonObject, key: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict):
        yield (*key, "properties"), "must be a table of schemas"
        properties = {}
    for name, inner in properties.items():
        yield from _check(inner, (*key, "properties", name))
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield (*key, "required"), "must be a list of names"
        return
    for index, name in enumerate(required):
        if name not in properties:
            hint = did_you_mean(name, properties)
            yield (*key, "required", index), f'"{name}" is not among the properties{hint}'


def _check_pattern(pattern: object, key: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    try:
        re.compile(pattern if isinstance(pattern, str) else "(")
    except re.error:
        yield key, "must be a regular expression"
