"""Find the line of every key of a valid TOML or JSON text.

The parsers of the standard library do not report positions. These scanners walk over the text
again and look only at keys, brackets and the ends of values. An element of an array has its index
in the path: `("tools", 0, "name")`.
"""

from __future__ import annotations

import json
import re
import tomllib

KeyPath = tuple[str | int, ...]
KeyLines = dict[KeyPath, int]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_GAP = re.compile(r"[ \t]*")
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}#\n]+")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def line_of(lines: KeyLines, key: KeyPath) -> int | None:
    """Return the line of a key, or of the nearest table around it that has one."""
    while key:
        if key in lines:
            return lines[key]
        key = key[:-1]
    return None


def toml_lines(text: str) -> KeyLines:
    """Return the line of each key, table and array element of a TOML text."""
    return _TomlScanner(text).lines


class _TomlScanner:
    """Walk over one TOML text. `lines` is complete when the constructor returns."""

    def __init__(self, text: str) -> None:
        self.lines: KeyLines = {}
        self._text = text
        self._at = 0
        self._last: dict[KeyPath, int] = {}  # the last index of each array of tables
        self._line, self._counted = 1, 0
        self._document()

    def _document(self) -> None:
        table: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2, is_array=True)
            elif self._text.startswith("[", self._at):
                table = self._header(1, is_array=False)
            else:
                self._pair(table)

    def _header(self, brackets: int, *, is_array: bool) -> KeyPath:
        self._at += brackets
        line = self._here()
        *outer, name = self._dotted()
        self._at += brackets
        path: KeyPath = ()
        for part in outer:
            path = self._last_element((*path, part))
            self.lines.setdefault(path, line)
        path = (*path, name)
        if is_array:
            self.lines.setdefault(path, line)
            self._last[path] = self._last.get(path, -1) + 1
        path = self._last_element(path)
        self.lines[path] = line
        return path

    def _last_element(self, path: KeyPath) -> KeyPath:
        return (*path, self._last[path]) if path in self._last else path

    def _pair(self, table: KeyPath) -> None:
        line = self._here()
        path = table
        for part in self._dotted():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self._at += 1  # =
        self._skip(_GAP)
        self._value(path)

    def _dotted(self) -> list[str]:
        parts = []
        while True:
            self._skip(_GAP)
            parts.append(self._key())
            self._skip(_GAP)
            if self._text[self._at : self._at + 1] != ".":
                return parts
            self._at += 1

    def _key(self) -> str:
        found = _KEY.match(self._text, self._at)
        assert found is not None, "the text is valid TOML"
        self._at = found.end()
        written = found[0]
        return str(tomllib.loads(f"k = {written}")["k"]) if written[0] in "\"'" else written

    def _value(self, path: KeyPath) -> None:
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._skip(_TEXT)
            case _:
                self._skip(_BARE)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip(_BLANK)] != "]":
            self.lines[*path, index] = self._here()
            self._value((*path, index))
            index += 1
            self._comma()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._text[self._skip(_BLANK)] != "}":
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        if self._text[self._skip(_BLANK)] == ",":
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        if (found := pattern.match(self._text, self._at)) is not None:
            self._at = found.end()
        return self._at

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line


def json_lines(text: str) -> KeyLines:
    """Return the line of each key and array element of a JSON text."""
    lines: KeyLines = {}
    path: list[str | int] = []
    open_brackets: list[str] = []
    line, counted, names_key = 1, 0, False
    for found in _JSON_TOKEN.finditer(text):
        line += text.count("\n", counted, found.start())
        counted, token = found.start(), found[0]
        if names_key and token != "}":
            path[-1] = json.loads(token)
            lines[tuple(path)] = line
            names_key = False
        elif token in "{[":
            if open_brackets and open_brackets[-1] == "[":
                lines[tuple(path)] = line
            open_brackets.append(token)
            path.append(0)
            names_key = token == "{"
        elif token in "}]":
            open_brackets.pop()
            path.pop()
            names_key = False
        elif token == ",":
            names_key = open_brackets[-1] == "{"
            if (last := path[-1]) is not None and isinstance(last, int):
                path[-1] = last + 1
        elif token != ":" and open_brackets and open_brackets[-1] == "[":
            lines[tuple(path)] = line
    return lines
