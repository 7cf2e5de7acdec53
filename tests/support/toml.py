"""TOML in all the ways it can be written, with the line of every key known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st

from vivavoce.toml import KeyPath

Table = dict[str, object]
Document = tuple[Table, dict[str, Table], dict[str, list[Table]]]

BARE = st.text("abcdefgh_-0123456789", min_size=1, max_size=6)
QUOTED = st.text("ab.= \"'\\#[]{}é\N{PARROT}", max_size=6)
TEXT = st.text("ab,\"'\\#=[]{}\n\r\té\N{PARROT}", max_size=12)
SCALARS = st.one_of(st.integers(-(10**6), 10**6), st.booleans(), TEXT)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(BARE, QUOTED), inner, max_size=3)
    ),
    max_leaves=8,
)
TABLES = st.dictionaries(BARE, VALUES, max_size=4)
DOCUMENTS = st.tuples(
    TABLES,
    st.dictionaries(BARE.map("t{}".format), TABLES, max_size=3),
    st.dictionaries(BARE.map("m{}".format), st.lists(TABLES, min_size=1, max_size=3), max_size=2),
)


@dataclass
class Writer:
    """Writes TOML by hand and remembers in which line it wrote every key."""

    dice: Random
    text: str = ""
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self) -> int:
        return self.text.count("\n") + 1

    def put(self, *choices: str) -> None:
        self.text += self.dice.choice(choices)

    def key(self, name: str) -> None:
        bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
        self.put(_quoted(name), *([name] if bare else []))

    def pair(self, path: KeyPath, value: object) -> None:
        self.lines[path] = self.line()
        self.key(str(path[-1]))
        self.put(" = ", "=", " \t=  ")
        self.value(path, value)

    def value(self, path: KeyPath, value: object) -> None:
        match value:
            case list():
                self.put("[", "[ # ]\n", "[\n\n")
                for index, inner in enumerate(value):
                    self.lines[*path, index] = self.line()
                    self.value((*path, index), inner)
                    last = index == len(value) - 1
                    self.put(",\n", ", ", "\n# ,\n,", *(["\n", ""] if last else []))
                self.put("]")
            case dict():
                self.put("{ ")
                for index, (name, inner) in enumerate(value.items()):
                    self.put(", " if index else "")
                    self.pair((*path, name), inner)
                self.put(" }")
            case str():
                quoted = _quoted(value)
                self.put(quoted, f'"""\n{quoted[1:-1]}"""')
            case _:
                self.put(json.dumps(value))

    def table(self, path: KeyPath, header: str, table: dict[str, object]) -> None:
        if header:
            self.lines[path] = self.line()
            self.put(header)
            self.put("\n", " # [x]\n")
        for name, value in table.items():
            self.pair((*path, name), value)
            self.put("\n", "\n\n# y = 1\n")

    def document(
        self, top: Table, tables: dict[str, Table], arrays: dict[str, list[Table]]
    ) -> Table:
        """Write the tables, and return the value that a parser reads."""
        meant: Table = {name: value for name, value in top.items() if name not in tables | arrays}
        self.table((), "", meant)
        for name, table in tables.items():
            self.table((name,), f"[{name}]", table)
        for name, many in arrays.items():
            self.lines[(name,)] = self.line()
            for index, table in enumerate(many):
                self.table((name, index), f"[[{name}]]", table)
        return {**meant, **tables, **arrays}


def _quoted(text: str) -> str:
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    plain = character.isprintable() and character not in '"\\'
    return character if plain else f"\\U{ord(character):08x}"
