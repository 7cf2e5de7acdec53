"""The part of a question that the rules read, cut to what they can ever need.

This is all that is done with a client's words and tools in the server's own process. The rest is
the work of another process.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from . import approvals, dialogue
from .approvals import WaitingRun

if TYPE_CHECKING:  # the process that reads excerpts has no other use for these
    from vivavoce.core.types import ToolSpec
    from vivavoce.engines.base import GenerateRequest

TOOLS = 64  # that are looked at; more are passed over
TOOL_BYTES = 128 * 1024  # of all of them as JSON; one that makes it more is passed over


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """`tools`: those that may be called, each as JSON. `forced`: one of them must be."""

    dialogue: dialogue.Dialogue
    tools: tuple[bytes, ...] = ()
    forced: bool = False
    language: str = ""
    waiting: tuple[WaitingRun, ...] = ()  # for the user's yes or no, the newest last


def excerpt(question: GenerateRequest) -> Excerpt:
    specs, forced = _choice(question)
    tools = _encoded(specs)
    names = {spec.name for spec in specs}
    runs = approvals.waiting(question.history, dt.datetime.now(dt.UTC))
    return Excerpt(
        dialogue=dialogue.read(question.history),
        tools=tools,
        forced=forced and bool(tools),
        language=dialogue.encodable(question.language or "").split("-")[0].lower(),
        waiting=() if forced else tuple(run for run in runs if run.name in names),
    )


def _choice(question: GenerateRequest) -> tuple[tuple[ToolSpec, ...], bool]:
    """Return the tools that may be called, and if one must be (`tool_choice` of the protocol)."""
    specs, choice = question.tools[:TOOLS], question.tool_choice
    if isinstance(choice, dict):
        inner = choice.get("function")
        name = choice.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
        named = tuple(spec for spec in specs if spec.name == name)
        return (named, True) if named else (specs, False)
    return ((), False) if choice == "none" else (specs, choice == "required")


def _encoded(specs: Iterable[ToolSpec]) -> tuple[bytes, ...]:
    """Pass over a tool that JSON cannot spell: no client could be asked to call it."""
    tools: list[bytes] = []
    room = TOOL_BYTES
    for spec in specs:
        try:
            tool = msgspec.json.encode(spec)
        except (ValueError, TypeError, OverflowError, RecursionError):
            continue
        if len(tool) <= room:
            tools.append(tool)
            room -= len(tool)
    return tuple(tools)
