"""Check the arguments of a tool call against the tool's JSON Schema, before the tool runs.

A model reads what is wrong with which argument, and calls again. A number or a boolean in quotes is
what it says: small models and slots write `"2"`. The words do not depend on the
library, and quote no more than a few characters of a value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry

PROBLEMS = 5  # in one text
QUOTED = 60  # characters of a value
NO_SCHEMAS: Registry[Any] = Registry()  # a schema cannot have the server fetch another one


def problems(schema: dict[str, Any], arguments: Any) -> list[str]:  # noqa: ANN401
    """Return what is wrong with the arguments, each with its path. Empty: nothing.

    Values in quotes are replaced in `arguments`. Raises `ValueError` if the schema itself is not
    valid.
    """
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
        validator = kind(schema, registry=NO_SCHEMAS)
        found = list(validator.iter_errors(arguments))
        unquoted = [_unquote(error, arguments) for error in found]
        if any(unquoted):
            found = list(validator.iter_errors(arguments))
        told = list(dict.fromkeys(line for error in found for line in _told(error)))
    except SchemaError as error:
        raise ValueError(f"the parameters are not a JSON Schema: {error.json_path}") from None
    except Exception as error:  # patterns and references of any author: `re.error`, no such schema
        raise ValueError(f"the parameters cannot be checked: {type(error).__name__}") from None
    more = len(told) - PROBLEMS
    return told if more <= 0 else [*told[:PROBLEMS], f"and {more} more"]


def _unquote(error: ValidationError, arguments: Any) -> bool:  # noqa: ANN401
    """Replace a text by the number or the boolean in it. Return False if that is not the error."""
    path, text = list(error.absolute_path), error.instance
    if error.validator != "type" or not path or not isinstance(text, str):
        return False
    try:
        value = json.loads(text[:QUOTED])
    except ValueError:
        return False
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        return False
    for step in path[:-1]:
        arguments = arguments[step]
    arguments[path[-1]] = value
    return True


def _told(error: ValidationError) -> Iterator[str]:
    path = _path(error.absolute_path)
    value: Any = error.validator_value
    instance: Any = error.instance
    schema = error.schema
    match error.validator:
        case "required":
            missing = (name for name in value if name not in instance)
            yield from (f"{_path([*error.absolute_path, name])}: is missing" for name in missing)
        case "additionalProperties" if isinstance(schema, dict):
            known = schema.get("properties", {})
            extra = (name for name in instance if name not in known)
            yield from (f"{_path([*error.absolute_path, _cut(name)])}: unknown" for name in extra)
        case "type":
            kinds = [value] if isinstance(value, str) else value
            yield f"{path}: must be {' or '.join(map(str, kinds))}, not {_cut(error.instance)}"
        case "enum":
            yield f"{path}: must be one of {_cut(value, 300)}, not {_cut(error.instance)}"
        case "anyOf" | "oneOf" if error.context:
            inner = min(error.context, key=lambda each: (-len(each.absolute_path), each.message))
            yield from _told(inner)
        case name:
            yield f"{path}: {_cut(error.instance)} does not keep {name} {_cut(value)}"


def _path(parts: Iterable[object]) -> str:
    """Return `seats`, `days[0].hour`, or `arguments` for the object itself."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "arguments"


def _cut(value: object, most: int = QUOTED) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else f"{text[:most]}…"
