"""What a brain without a memory needs to know of the call so far: all of it is in the history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from ....protocol.items import FunctionCall, FunctionOutput, Item, Message

TURNS = 24  # how far back anything can reach


class Turn(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant"]
    text: str


class Dialogue(msgspec.Struct, frozen=True, kw_only=True):
    asked: str  # what the user said last, "" if the assistant is to speak first
    before: tuple[Turn, ...]  # what was said until then, oldest first
    outputs: tuple[tuple[str, str], ...]  # (tool, output) that nobody has told the user yet
    unheard: bool = False  # the user said something last, but no word of it is known

    @property
    def last_said(self) -> str:
        return next((turn.text for turn in reversed(self.before) if turn.role == "assistant"), "")

    def earlier_asked(self, most: int) -> list[str]:
        """The last things the user said before, oldest first."""
        return [turn.text for turn in self.before if turn.role == "user"][-most:]


def read(history: Iterable[Item]) -> Dialogue:
    """Several messages of one side in a row are one turn: people pause, and are interrupted."""
    turns: list[Turn] = []
    calls: dict[str, str] = {}
    outputs: list[tuple[str, str]] = []
    unheard = False
    same = False  # may the next message belong to the last turn?
    for item in history:
        if isinstance(item, FunctionCall):
            calls[item.call_id] = item.name
            same = False
        elif isinstance(item, FunctionOutput):
            same = False
            outputs.append((calls.get(item.call_id, ""), item.output))
        elif isinstance(item, Message) and item.role == "user" and not text_of(item):
            unheard = True
        elif isinstance(item, Message) and item.role != "system" and (text := text_of(item)):
            outputs.clear()
            if same and turns and turns[-1].role == item.role:
                text = f"{turns.pop().text} {text}"
            same, unheard = True, False
            turns.append(Turn(item.role, text))
    asked = ""
    if turns and turns[-1].role == "user" and not unheard:
        asked = turns.pop().text
    before = tuple(turns[-TURNS:])
    return Dialogue(asked=asked, before=before, outputs=tuple(outputs), unheard=unheard)


def text_of(message: Message) -> str:
    """All that was said or written in a message; sounds and pictures are not words."""
    said = []
    for part in message.content:
        text = getattr(part, "text", None) or getattr(part, "transcript", None)
        if isinstance(text, str) and text.strip():
            said.append(text.strip())
    return " ".join(said)
