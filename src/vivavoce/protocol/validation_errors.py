"""The errors of invalid events, in the protocol's words (protocol §3.2).

msgspec checks; it says what it found in sentences. This table is the one place that reads them,
and `tests/protocol/test_validation_errors.py` holds one of each kind, so that an upgrade that
changes the wording fails there and not in front of a client.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import msgspec
from msgspec import inspect

from ..errors import InvalidRequest

_PLACE = re.compile(r"^(.*) - at (?:`key` in )?`\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_LONGEST = 100  # characters of what the client wrote that we say back to it
_READ = 1000  # characters of msgspec's sentence that are read: it quotes all that the client wrote

_NAMES = {
    "NoneType": "null",
    "dict": "object",
    "list": "array",
    "tuple": "array",
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "bytes": "base64 string",
}

_BASE64 = "base64"  # in place of a code: the message says what is wrong with the text
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=]|=(?!=?$)")

# msgspec's sentence → code and message. First match wins. What the groups caught: `what`, `other`.
_COMPLAINTS: tuple[tuple[str, str, str], ...] = (
    (r"missing required field `(.+)`$",
     "missing_required_parameter", "Missing required parameter: '{path}'."),
    (r"contains unknown field `(.+)`$",
     "unknown_parameter", "Unknown parameter: '{path}'."),
    (r"^Invalid (?:enum )?value (?:'(.*)'|(.+))$",
     "invalid_value", "{wrong_value}"),
    (r"^Invalid base64",
     _BASE64, "Invalid value for '{path}': not valid base64{base64}."),
    (r"^Expected `([^`]+)`, got `([^`]+)`$",
     "invalid_type", "Invalid type for '{path}': expected {what}, but got {other}."),
    (r"^Expected `([^`]+)`$",
     "invalid_type", "Invalid type for '{path}': expected {what}."),
    (r"^Expected `([^`]+)` (.+)$",
     "invalid_value", "Invalid value for '{path}': expected {what} {other}."),
    (r"^(?:Number|Integer value) out of range$",
     "invalid_value", "Invalid value for '{path}': out of range."),
)  # fmt: skip


class Unsupported(ValueError):
    """A value that its neighbours forbid, not its type. Raised while a struct is being built."""

    def __init__(self, where: str, value: str, supported: Sequence[object]) -> None:
        super().__init__(wrong_value(value, supported))
        self.where = where


def complaint(
    error: msgspec.ValidationError,
    root: str = "",
    event_id: str | None = None,
    of: object = None,
    value: Callable[[], object] = lambda: None,
) -> InvalidRequest:
    """Return the protocol's error for one of msgspec's.

    `root` is where in the event the value stood, `of` the type it was to be: that knows which
    values are supported. `value` returns what was to be of that type, for errors that name a key or
    a character of it.
    """
    sentence, place = _split(_clipped(str(error)))
    if (wrong_key := _wrong_key(str(error), sentence, place, value)) is not None:
        place = f"{place.removesuffix('[...]')}.{shorten(wrong_key)}"
    path = shorten((root + place).lstrip("."))
    if isinstance(error.__cause__, Unsupported):
        path = f"{path}.{error.__cause__.where}".lstrip(".")
        return InvalidRequest("invalid_value", sentence, path, event_id)
    if path in ("", "type") and not root and (message := _no_event(sentence, path)):
        return InvalidRequest("invalid_event", message, path or None, event_id)
    for pattern, code, message in _COMPLAINTS:
        if match := re.search(pattern, sentence, re.DOTALL):
            what, other = ([group for group in match.groups() if group is not None] + ["", ""])[:2]
            if code in ("missing_required_parameter", "unknown_parameter"):
                path = f"{path}.{shorten(what)}".lstrip(".")
            text = message.format(
                path=path,
                what=_names(what),
                other=_names(other),
                wrong_value=_wrong_or_twice(path, what, _supported(of, place)),
                base64=_wrong_base64(_at(value(), place)) if code == _BASE64 else "",
            )
            code = "invalid_value" if code == _BASE64 else code
            return InvalidRequest(code, text, path or None, event_id)
    return InvalidRequest("invalid_value", f"{shorten(sentence)}.", path or None, event_id)


def _wrong_key(text: str, sentence: str, place: str, value: Callable[[], object]) -> str | None:
    """Return the key of a free mapping that is wrong, or whose value is.

    msgspec names the mapping only. In the protocol, all these values are strings.
    """
    in_key = " - at `key` in `" in text[-_READ:]
    if not (in_key or place.endswith("[...]")):
        return None
    if "`str`" not in sentence:  # a number that no decoder reads
        return None
    mapping = _at(value(), place.removesuffix("[...]"))
    if not isinstance(mapping, dict):
        return None
    limit = re.search(r"of length <= (\d+)$", sentence)
    longest = int(limit[1]) if limit else None
    for key, inner in mapping.items():
        judged = key if in_key else inner
        if not isinstance(judged, str) or (longest is not None and len(judged) > longest):
            return str(key)
    return None


def _at(value: object, place: str) -> object:
    """Return the value at a path. None: there is nothing."""
    try:
        for step in steps(place):
            value = value[step]  # type: ignore[index]
    except (LookupError, TypeError):
        return None
    return value


def _wrong_base64(text: object) -> str:
    """Say where a text stops being base64."""
    if not isinstance(text, str):
        return ""
    if found := _NO_BASE64.search(text):
        return f": '{found[0]}' at character {found.start()}"
    return f": {len(text)} characters are not a multiple of 4" if len(text) % 4 else ""


def _wrong_or_twice(path: str, value: str, supported: Sequence[object]) -> str:
    """Name the wrong value. A supported one is wrong if the key occurred before, with another."""
    if value in supported:
        return f"The key '{path}' occurs twice, with different values."
    return wrong_value(value, supported)


def split(error: msgspec.ValidationError) -> tuple[str, str]:
    """Split an error into msgspec's sentence and the path of its value (`.item.content[0]`)."""
    return _split(str(error))


def _split(text: str) -> tuple[str, str]:
    match = _PLACE.match(text)
    return (match[1], match[2]) if match else (text, "")


def _clipped(text: str) -> str:
    """Cut out the middle of a long sentence.

    The patterns look for their end again from every place where they may begin. In 15 MiB of a
    client's words that look like a sentence of msgspec they would look for hours.
    """
    return text if len(text) <= 2 * _READ else f"{text[:_READ]}…{text[-_READ:]}"


def steps(place: str) -> Iterator[str | int]:
    """Return the steps of a path: keys, indices, and `...` for any value of a free mapping."""
    for name, index in _STEP.findall(place):
        yield name or (index if index == "..." else int(index))


def wrong_value(value: str, supported: Sequence[object]) -> str:
    """Return the message of `invalid_value`, with the client's value shortened."""
    sentence = f"Invalid value: '{shorten(value)}'."
    match [f"'{name}'" for name in supported]:
        case []:
            return sentence
        case [only]:
            return f"{sentence} Supported values are: {only}."
        case [one, other]:
            return f"{sentence} Supported values are: {one} and {other}."
        case [*several, last]:
            return f"{sentence} Supported values are: {', '.join(several)}, and {last}."
    raise AssertionError


def shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _no_event(sentence: str, path: str) -> str | None:
    """Return the message for a frame that is not an event: an object with a `type`."""
    if sentence == "Object missing required field `type`":
        return "The 'type' field is missing."
    if path == "type" and sentence.startswith("Expected"):
        return "The 'type' field must be a string."
    if path == "" and (sentence.startswith("Expected") or sentence.endswith("out of range")):
        return "The event must be a JSON object."
    return None


def _names(types: str) -> str:
    return " or ".join(_NAMES.get(name, name) for name in types.split(" | "))


def _supported(of: object, place: str) -> list[object]:
    """Return the values that a place in a type allows, if the type lists them."""
    if of is None:
        return []
    *way, last = list(steps(place)) or [""]
    found: list[inspect.Type] = [_type_info(of)]
    for step in way:
        found = [inner for node in _alternatives(found) for inner in _inside(node, step)]
    nodes = list(_alternatives(found))
    tags = [n.tag for n in nodes if isinstance(n, inspect.StructType) and n.tag_field == last]
    if tags:
        return list(tags)
    values = _alternatives([inner for node in nodes for inner in _inside(node, last)])
    return [value for n in values if isinstance(n, inspect.LiteralType) for value in n.values]


@cache
def _type_info(of: object) -> inspect.Type:
    return inspect.type_info(of)


def _alternatives(nodes: Iterable[inspect.Type]) -> Iterator[inspect.Type]:
    for node in nodes:
        if isinstance(node, inspect.Metadata):
            yield from _alternatives([node.type])
        elif isinstance(node, inspect.UnionType):
            yield from _alternatives(node.types)
        else:
            yield node


def _inside(node: inspect.Type, step: str | int) -> Sequence[inspect.Type]:
    match node:
        case inspect.StructType(fields=fields):
            return [field.type for field in fields if field.encode_name == step]
        case inspect.VarTupleType(item_type=item):
            return [item]
        case inspect.TupleType(item_types=items) if isinstance(step, int):
            return items[step : step + 1]
        case inspect.DictType(value_type=value):
            return [value]
        case _:
            return []
