"""Read the state of a call from its history. The brain itself has no memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Literal

import msgspec

from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message

TURNS = 24  # how far back anything can reach
TURN_CHARACTERS = 2000  # of one turn; the rest is not looked at
OUTPUTS = 8  # of tools in one reply: the newest ones
OUTPUT_CHARACTERS = 65_536  # of one output; of a longer one this much is read
PARTS = 64  # of one message, that are looked at


class DialogueTurn(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant"]
    text: str


class Dialogue(msgspec.Struct, frozen=True, kw_only=True):
    asked: str  # what the user said last, "" if the assistant is to speak first
    before: tuple[DialogueTurn, ...]  # the messages until then, oldest first
    outputs: tuple[str, ...]  # of tools, since the last message
    unheard: bool = False  # the user said something last, but no word of it is known
    pictured: bool = False  # the user's last message has an image
    silent: bool = False  # the user's last audio has an empty transcript: nobody spoke words

    @property
    def last_said(self) -> str:
        return next((turn.text for turn in reversed(self.before) if turn.role == "assistant"), "")

    def earlier_asked(self, most: int) -> list[str]:
        """Return the earlier messages of the user, oldest first."""
        return [turn.text for turn in self.before if turn.role == "user"][-most:]


class _Run:
    """The messages of one side in a row, read backwards, as far as there is room for them."""

    def __init__(self, role: Literal["user", "assistant"]) -> None:
        self.role = role
        self._texts: list[str] = []
        self._room = TURN_CHARACTERS

    def add(self, text: str) -> None:
        if self._room > 0:
            self._texts.append(text)
            self._room -= len(text)

    def turn(self) -> DialogueTurn:
        return DialogueTurn(self.role, _cut(" ".join(reversed(self._texts)), self.role))


def read(history: Sequence[Item]) -> Dialogue:
    """Read from the end, and no further than anything reaches: a history may be long.

    Several messages of one side in a row are one turn: people pause, and are interrupted.
    """
    runs: list[_Run] = []  # the newest first
    outputs: list[str] = []
    unheard = silent = pictured = False
    same = False  # may an earlier message belong to the run that was read last?
    for item in reversed(history):
        if isinstance(item, FunctionCall | FunctionOutput):
            same = False
            if isinstance(item, FunctionOutput) and not runs and len(outputs) < OUTPUTS:
                outputs.append(encodable(item.output[:OUTPUT_CHARACTERS]))
        elif isinstance(item, Message) and item.role != "system":
            text = text_of(item)
            if item.role == "user" and _is_last(runs, same=same):
                pictured = pictured or _has_image(item)
            if not text:
                if item.role == "user" and not runs:
                    silent = silent or (not unheard and _is_silent(item))
                    unheard = True
                continue
            if not (same and runs[-1].role == item.role):
                if len(runs) > TURNS:
                    break
                runs.append(_Run(item.role))
            runs[-1].add(text)
            same = True
    said = [run.turn() for run in reversed(runs)]
    asked = ""
    if said and said[-1].role == "user" and not unheard:
        asked = said.pop().text
    return Dialogue(
        asked=asked,
        before=tuple(said[-TURNS:]),
        outputs=tuple(reversed(outputs)),
        unheard=unheard,
        silent=silent,
        pictured=pictured,
    )


def _is_last(runs: Sequence[_Run], *, same: bool) -> bool:
    """Return whether a message that is read now belongs to the last turn of the history."""
    return not runs or (same and len(runs) == 1 and runs[0].role == "user")


def _has_image(message: Message) -> bool:
    return any(part.type == "input_image" for part in islice(message.content, PARTS))


def _is_silent(message: Message) -> bool:
    """Return True if its audio was transcribed, to no words: so the server makes a silence."""
    return any(part.transcript == "" for part in islice(message.content, PARTS))


def text_of(message: Message) -> str:
    """Return the words of a message; sounds and pictures are not words."""
    said: list[str] = []
    for part in islice(message.content, PARTS):
        text = getattr(part, "text", None) or getattr(part, "transcript", None)
        if isinstance(text, str) and (text := _cut(text, message.role).strip()):
            said.append(text)
    return _cut(" ".join(said), message.role)


def _cut(text: str, role: str) -> str:
    """Of what the user said the beginning counts; of what we said, the question at its end."""
    return encodable(text[-TURN_CHARACTERS:] if role == "assistant" else text[:TURN_CHARACTERS])


def encodable(text: str) -> str:
    """Replace halves of surrogate pairs, which UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode()
