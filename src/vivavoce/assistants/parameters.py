"""A tool's parameters: is this JSON Schema of an object, in the words that everybody has?

Keywords that start with `x-` are ours (`x-examples`, `x-synonyms`) and unknown ones are left
alone, as JSON Schema asks for. What is judged is what a model or our own brain would trip over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from ..core.types import JsonObject
from ..errors import TOO_MANY_DIGITS
from .key_lines import json_lines, line_of
from .validation import FieldProblem, KeyPath, ValidationContext, near, wrong

TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
DEPTH = 16
NOTHING: JsonObject = {"type": "object", "properties": {}}


def read(value: object, ground: ValidationContext) -> JsonObject:
    """`parameters` as written → a schema. Raises `wrong` with all that is wrong."""
    if not isinstance(value, dict):
        raise wrong('must be a table or { file = "…" }')
    if set(value) == {"file"} and isinstance(value["file"], str):
        return _from_file(value["file"], ground)
    if not _is_json(value):
        raise wrong("must be what JSON can say: no dates, times, nan or inf")
    if flaws := [FieldProblem(message, key) for key, message in _judge(value, top=True)]:
        raise wrong(*flaws)
    return value


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
        msgspec.json.encode(value)  # it goes onto the wire, which takes no half surrogate pair
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def _from_file(name: str, ground: ValidationContext) -> JsonObject:
    text = ground.read(name)
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        raise wrong(
            FieldProblem(f"is not JSON: {error.msg}", file=name, line=error.lineno)
        ) from None
    except RecursionError:
        raise wrong(FieldProblem("is nested too deeply", file=name)) from None
    except ValueError:
        raise wrong(FieldProblem(TOO_MANY_DIGITS, file=name)) from None
    if not isinstance(schema, dict):
        raise wrong(FieldProblem("must hold a JSON object", file=name, line=1))
    if not _is_json(schema):
        raise wrong(FieldProblem("must not hold NaN, Infinity or half a surrogate pair", file=name))
    lines = json_lines(text)
    flaws = [
        FieldProblem(f"{'.'.join(map(str, key))}: {message}" if key else message,
             file=name, line=line_of(lines, key) or 1)
        for key, message in _judge(schema, top=True)
    ]  # fmt: skip
    if flaws:
        raise wrong(*flaws)
    return schema


def _judge(
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
    yield from _judge_type(schema, key, top=top)
    yield from _judge_properties(schema, key)
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        yield (*key, "enum"), "must be a list of at least one value"
    if "pattern" in schema:
        yield from _judge_pattern(schema["pattern"], (*key, "pattern"))
    if "description" in schema and not isinstance(schema["description"], str):
        yield (*key, "description"), "must be text"
    for name in ("items", "additionalProperties", "not"):
        if name in schema:
            yield from _judge(schema[name], (*key, name))
    for name in ("anyOf", "oneOf", "allOf"):
        inner = schema.get(name, [])
        if not isinstance(inner, list):
            yield (*key, name), "must be a list of schemas"
            continue
        for index, each in enumerate(inner):
            yield from _judge(each, (*key, name, index))


def _judge_type(schema: JsonObject, key: KeyPath, *, top: bool) -> Iterator[tuple[KeyPath, str]]:
    written = schema.get("type")
    if top and written != "object":
        yield (*key, "type"), 'must be "object": a tool takes named arguments'
        return
    types = written if isinstance(written, list) else [written] if "type" in schema else []
    for each in types:
        if each not in TYPES:
            hint = near(each, TYPES) if isinstance(each, str) else ""
            yield (*key, "type"), f"must be one of {', '.join(TYPES)}{hint}"


def _judge_properties(schema: JsonObject, key: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict):
        yield (*key, "properties"), "must be a table of schemas"
        properties = {}
    for name, inner in properties.items():
        yield from _judge(inner, (*key, "properties", name))
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield (*key, "required"), "must be a list of names"
        return
    for index, name in enumerate(required):
        if name not in properties:
            hint = near(name, properties)
            yield (*key, "required", index), f'"{name}" is not among the properties{hint}'


def _judge_pattern(pattern: object, key: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    try:
        re.compile(pattern if isinstance(pattern, str) else "(")
    except re.error:
        yield key, "must be a regular expression"
