from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.toml import KeyPath, json_lines, line_of, toml_lines

from ..support.toml import DOCUMENTS, VALUES, Document, Writer


def keys(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every path of a parsed document."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from keys(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from keys(inner, (*path, index))


TRICKY = '''\
# a comment with = and [brackets] and "quotes
first = 1

"quoted key" . plain.'literal = key' = 2   # dotted, with quotes
text = """
not = a key
[not.a.table]
a quote at the end: """"
literal = \'\'\'
also = 'not'
\'\'\'
empty = ""
escaped = "a \\" quote and a \\\\"
when = 1979-05-27 07:32:00
list = [
  1, # with ] in a comment
  "two ]",
  [3, [4,
       5]],
  { six = 6, seven.eight = [
     7 ] },
]
inline = { a = 1, "b c" = { d = "}" }, e.f = [] }

[table . "with.dot"]
x = 1
[table."with.dot".below]
y = 2

[[many]]
name = "one"
[[many.inner]]
z = 1
[[many.inner]]
z = 2
[many.settings]
deep = true
[[many]]
name = "two"
[[many.inner]]
z = 3
"\\u00e9" = "é"
'''

WHERE: dict[KeyPath, int] = {
    ("first",): 2,
    ("quoted key", "plain", "literal = key"): 4,
    ("text",): 5,
    ("literal",): 9,
    ("empty",): 12,
    ("escaped",): 13,
    ("when",): 14,
    ("list",): 15,
    ("list", 0): 16,
    ("list", 1): 17,
    ("list", 2): 18,
    ("list", 2, 1, 1): 19,
    ("list", 3, "six"): 20,
    ("list", 3, "seven", "eight", 0): 21,
    ("inline", "b c", "d"): 23,
    ("inline", "e", "f"): 23,
    ("table", "with.dot"): 25,
    ("table", "with.dot", "x"): 26,
    ("table", "with.dot", "below", "y"): 28,
    ("many", 0, "name"): 31,
    ("many", 0, "inner", 0, "z"): 33,
    ("many", 0, "inner", 1): 34,
    ("many", 0, "inner", 1, "z"): 35,
    ("many", 0, "settings", "deep"): 37,
    ("many", 1, "name"): 39,
    ("many", 1, "inner", 0, "z"): 41,
    ("many", 1, "inner", 0, "é"): 42,
}


def test_every_way_to_write_a_key_has_its_line() -> None:
    lines = toml_lines(TRICKY)
    assert {key: lines.get(key) for key in WHERE} == WHERE
    assert set(lines) == set(keys(tomllib.loads(TRICKY)))


def test_windows_line_ends_count_once() -> None:
    assert toml_lines("a = 1\r\n\r\nb = [\r\n 2]\r\n")[("b", 0)] == 4


def test_what_is_not_there_is_where_it_would_be() -> None:
    lines = toml_lines("[voice]\nname = 'marin'\n")
    assert line_of(lines, ("voice", "speed")) == 1
    assert line_of(lines, ("turns",)) is None


@settings(deadline=None)  # a busy machine is not a fault
@given(DOCUMENTS, st.integers(0, 999))
def test_lines_agree_with_the_parser_on_any_document(document: Document, seed: int) -> None:
    writer = Writer(Random(seed))
    meant = writer.document(*document)
    parsed = tomllib.loads(writer.text)
    assert parsed == meant, "the writer writes what it means"
    assert toml_lines(writer.text) == writer.lines
    assert set(writer.lines) == set(keys(parsed))


@settings(deadline=None)  # a busy machine is not a fault
@given(VALUES, st.sampled_from([None, 0, 2]))
def test_lines_agree_with_json_too(value: object, indent: int | None) -> None:
    text = json.dumps({"top": value}, indent=indent)
    lines = json_lines(text)
    assert set(lines) == set(keys({"top": value}))
    for key, line in lines.items():
        if isinstance(key[-1], str):
            assert json.dumps(key[-1]) in text.splitlines()[line - 1]
