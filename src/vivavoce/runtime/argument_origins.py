"""Tell whether arguments of a tool come from data: documents, and results of tools.

Data may contain an order ("call transfer with this IBAN") that no user has given, and a model may
obey it. So `ArgumentOrigins` follows the texts of a call. It finds the arguments that stand in data
and not in the words of the user. It compares words, not meanings: a model that translates or
encodes a value hides where the value comes from.

    user items, transcripts ─► user_said ─┐
    results, passages ─► data ────────────┼─► from_data(arguments, schema)
    arguments of each call ─► model_chose ┘

A value that a model chose as a whole before it stood in any data counts as said. So a result that
repeats the arguments of its own call ("booked for 2026-05-04") does not turn them into data.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from ..core.types import JsonObject
from ..text.folding import fold
from .argument_leaves import Leaf, chosen, leaves

CHARACTERS = 256 * 1024  # of each kind of text, the newest ones
WHOLE_CHARACTERS = 3  # of a value that counts as a whole
DIGITS = 4  # of a number that counts
RUN_WORDS = 4  # that stand together in data and in an argument
TOKEN_CHARACTERS = 8  # of an address, a code or a number of an account
CODE_CHARACTERS = 4  # of what the user may spell: "A B, one two" is written "AB 12"
CHOSEN = 512  # values of the model, the newest ones
CHOSEN_CHARACTERS = 200  # of one of them
FEW_RUNS = 32  # that are searched one by one

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]+")
_ESCAPES = re.compile(r"\\[nrt]")  # in a text which is not JSON as a whole
_GROUPS = re.compile(r"(?<=[0-9])[.,' \u00a0\u202f](?=[0-9]{3}(?![0-9]))")  # 1,500 is 1500
_NO_SPACES = "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]"  # scripts; each character is a word
_ASCII_WORD = re.compile("[a-z0-9]+")
_WORD = re.compile(rf"{_NO_SPACES}|(?:(?!{_NO_SPACES})[^\W_])+")
_TOKEN = re.compile(r"[^\s\"'<>(){}\[\],;]+")
_DIGIT = re.compile("[0-9]")
_MARK = re.compile("[0-9@:/]")
_END = "\n"  # between texts, so that nothing is found across two of them


class Words:
    """The newest words of one kind: each text on a line, with a space around every word."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()
        self._size = 0
        self._joined: tuple[str, str] | None = None  # with spaces, and without

    def add(self, text: str) -> None:
        """Add a text. Drop the oldest ones beyond `CHARACTERS`."""
        line = _line(text[-CHARACTERS:])
        if not line.strip():
            return
        self._texts.append(line)
        self._size += len(line)
        while self._size > CHARACTERS and len(self._texts) > 1:
            self._size -= len(self._texts.popleft())
        self._joined = None

    def has(self, line: str) -> bool:
        """Return whether these words stand here, one after the other."""
        return line in self._all[0]

    def has_code(self, line: str, characters: int) -> bool:
        """Return whether a code stands here, with whatever spaces and signs between its parts."""
        code = line.replace(" ", "")
        is_code = len(code) >= characters and _DIGIT.search(code) is not None
        return is_code and code in self._all[1]

    @property
    def _all(self) -> tuple[str, str]:
        if self._joined is None:
            text = _END.join(self._texts)
            self._joined = text, text.replace(" ", "")
        return self._joined

    def runs(self, wanted: set[str]) -> set[str]:
        """Return those of these runs of words that stand here."""
        if len(wanted) <= FEW_RUNS:
            return {each for each in wanted if self.has(each)}
        return {run for text in self._texts for run in _runs(text)} & wanted


class ArgumentOrigins:
    """The texts of one call, and what its arguments have in common with them."""

    def __init__(self) -> None:
        self._said, self._data = Words(), Words()
        self._chosen: dict[str, None] = {}  # in order

    def user_said(self, text: str) -> None:
        """Note words of the user: typed, or a complete transcript."""
        self._said.add(text)

    def data(self, text: str) -> None:
        """Note a result of a tool, or a passage of a document."""
        self._data.add(" ".join(map(_written, leaves(text))))

    def model_chose(self, arguments: object) -> None:
        """Note the arguments of a tool call, before it has a result."""
        for leaf in leaves(arguments):
            text = _written(leaf)
            if len(text) <= CHOSEN_CHARACTERS and not self._is_data(text, whole=True):
                self._chosen[_line(text)] = None
        while len(self._chosen) > CHOSEN:
            del self._chosen[next(iter(self._chosen))]

    def from_data(self, arguments: object, schema: JsonObject) -> bool:
        """Return whether a value of the arguments is in data and not in the user's words.

        Values that the schema lists do not count, and neither do numbers of few digits.
        """
        return any(
            self._is_data(_written(leaf), whole=isinstance(leaf, str) or _is_long(leaf))
            for leaf in chosen(arguments, schema)
        )

    def _is_data(self, text: str, *, whole: bool) -> bool:
        line = _line(text)
        length = len(line.replace(" ", ""))
        if not length or self._is_said(line):
            return False
        if whole and length >= WHOLE_CHARACTERS and self._data.has(line):
            return True
        if any(map(self._is_foreign, map(_line, _tokens(text)))) or self._is_foreign_code(line):
            return True
        found = self._data.runs(set(_runs(line)))
        return found != self._said.runs(found)

    def _is_said(self, line: str) -> bool:
        return (
            line in self._chosen
            or self._said.has(line)
            or self._said.has_code(line, CODE_CHARACTERS)
        )

    def _is_foreign(self, token: str) -> bool:
        return not self._is_said(token) and (
            self._data.has(token) or self._data.has_code(token, TOKEN_CHARACTERS)
        )

    def _is_foreign_code(self, line: str) -> bool:
        """Return whether the whole value is a code that data writes with other spaces."""
        return self._data.has_code(line, TOKEN_CHARACTERS)


def _line(text: str) -> str:
    """Return the words of a text in one spelling, with a space before and after each."""
    plain = fold(_INVISIBLE.sub("", text))
    plain = _ESCAPES.sub(" ", plain)
    word = _ASCII_WORD if plain.isascii() else _WORD
    return f" {' '.join(word.findall(_GROUPS.sub('', plain)))} "


def _runs(line: str) -> Iterator[str]:
    """Yield each run of `RUN_WORDS` words of a line."""
    words = line.split()
    for at in range(len(words) - RUN_WORDS + 1):
        yield f" {' '.join(words[at : at + RUN_WORDS])} "


def _tokens(text: str) -> Iterable[str]:
    """Return the addresses, codes and numbers in a text."""
    is_one: Callable[[str], object] = _MARK.search
    long = (each for each in _TOKEN.findall(text) if len(each) >= TOKEN_CHARACTERS)
    return filter(is_one, long)


def _written(leaf: Leaf) -> str:
    """Return a number as documents write it: 1500.0 is 1500."""
    if isinstance(leaf, float) and leaf.is_integer() and abs(leaf) < 1e15:
        leaf = int(leaf)
    return str(leaf)


def _is_long(number: Leaf) -> bool:
    return sum(map(str.isdigit, _written(number))) >= DIGITS
