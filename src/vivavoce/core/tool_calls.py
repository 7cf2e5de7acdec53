"""Function calls: who answers them, and when their outputs are all there.

A call of one of the server's own tools is made here, and its output is answered by another
response without anybody asking. All others are the client's: it adds the outputs and asks for the
response itself (protocol §4.6).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET

from ..protocol.config import FunctionTool, Tool
from ..protocol.items import FunctionCall
from .types import ToolSpec


class PendingToolCalls:
    def __init__(self, server_tools: frozenset[str]) -> None:
        self._server_tools = server_tools
        self._effects: set[str] = set()  # calls whose outputs are still to come
        self._unanswered = False  # outputs came in that no response has seen yet

    def __bool__(self) -> bool:
        """Is somebody still working?"""
        return bool(self._effects)

    @property
    def to_be_answered(self) -> bool:
        """Is everything there, and nobody has said anything about it?"""
        return self._unanswered and not self._effects

    def begin(self, calls: Iterable[FunctionCall]) -> list[FunctionCall]:
        """A response made these calls. Returns those the server makes."""
        ours = [call for call in calls if call.name in self._server_tools]
        self._effects.update(call.call_id for call in ours)
        return ours

    def end(self, call_id: str) -> bool:
        """An output came. False if nobody waits for it."""
        if call_id not in self._effects:
            return False
        self._effects.discard(call_id)
        self._unanswered = True
        return True

    def answered(self) -> None:
        """A response begins that sees all outputs there are."""
        self._unanswered = False


def tool_specs(tools: Iterable[Tool]) -> tuple[ToolSpec, ...]:
    """A session's tools as a brain takes them. What an MCP server offers is not known here."""
    return tuple(_spec(tool) for tool in tools if isinstance(tool, FunctionTool))


def _spec(tool: FunctionTool) -> ToolSpec:
    spec = ToolSpec(name=tool.name, description=tool.description or "")
    if tool.parameters is UNSET or tool.parameters is None:
        return spec
    return ToolSpec(name=spec.name, description=spec.description, parameters=tool.parameters)
