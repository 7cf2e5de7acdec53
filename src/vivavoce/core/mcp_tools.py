"""The tools of a session's MCP servers, as a brain sees them: functions with names of their own.

A brain calls functions only. So each tool that a session allows becomes a function, and the items
of MCP become calls and outputs of functions in what the brain reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from ..protocol.config import (
    ChosenFunction,
    ChosenMcp,
    FunctionTool,
    McpApproval,
    McpTool,
    McpToolFilter,
    SessionConfig,
)
from ..protocol.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListedTool,
    McpListTools,
)

LONGEST_NAME = 64
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")
_Filter = McpToolFilter | UnsetType | None
_Place = tuple[str, str]  # label of the server, name of the tool

REJECTED = "The user did not approve this call, so it was not made."
WAITS = "This call waits for the approval of the user."


@dataclass(frozen=True, slots=True)
class ListedServer:
    """An MCP server that has listed its tools."""

    server: McpTool
    tools: tuple[McpListedTool, ...]


@dataclass(frozen=True, slots=True)
class McpFunction:
    """A tool of an MCP server that a response may call. `name`: of the function."""

    name: str
    server: McpTool
    tool: McpListedTool
    needs_approval: bool

    @property
    def place(self) -> _Place:
        return self.server.server_label, self.tool.name


NO_FUNCTIONS: Mapping[str, McpFunction] = {}


def functions_of(
    config: SessionConfig, listed: Mapping[str, ListedServer]
) -> dict[str, McpFunction]:
    """Return the MCP tools that a response with this configuration may call, by function name.

    Tools of a server that has not answered are not among them (protocol §4.10).
    """
    taken = {tool.name for tool in config.tools if isinstance(tool, FunctionTool)}
    found: dict[str, McpFunction] = {}
    for asked in config.tools:
        if not isinstance(asked, McpTool) or asked.server_label not in listed:
            continue
        known = listed[asked.server_label]
        server = asked if asked.server_url else known.server  # a response may name it by its label
        for tool in known.tools:
            if _is_allowed(server, tool):
                name = _name(server.server_label, tool.name, taken)
                taken.add(name)
                found[name] = McpFunction(name, server, tool, _needs_approval(server, tool))
    return found


def with_functions(config: SessionConfig, functions: Mapping[str, McpFunction]) -> SessionConfig:
    """Return the configuration for a brain: functions in the place of MCP servers."""
    if not any(isinstance(tool, McpTool) for tool in config.tools):
        return config
    plain = [tool for tool in config.tools if not isinstance(tool, McpTool)]
    choice = config.tool_choice
    if isinstance(choice, ChosenMcp):
        plain = []
        functions = {n: f for n, f in functions.items() if _is_chosen(f, choice)}
        one = next(iter(functions)) if len(functions) == 1 else None
        choice = ChosenFunction(name=one) if one else "required" if functions else "auto"
    made = [
        FunctionTool(
            name=each.name,
            description=each.tool.description or "",
            parameters=each.tool.input_schema,
        )
        for each in functions.values()
    ]
    return msgspec.structs.replace(config, tools=(*plain, *made), tool_choice=choice)


def as_functions(history: Sequence[Item], functions: Mapping[str, McpFunction]) -> tuple[Item, ...]:
    """Return the items for a brain: MCP calls as calls of functions, and their results."""
    names = {each.place: name for name, each in functions.items()}
    answers: dict[str, McpApprovalResponse] = {}
    for item in history:
        if isinstance(item, McpApprovalResponse):
            answers.setdefault(item.approval_request_id, item)  # the first one counts
    return tuple(each for item in history for each in _as_function(item, names, answers))


def _as_function(
    item: Item, names: Mapping[_Place, str], answers: Mapping[str, McpApprovalResponse]
) -> Iterator[Item]:
    match item:
        case McpListTools() | McpApprovalResponse():
            pass
        case McpCall(output=output, error=error):
            yield _call(item, names)
            if (text := output if error is None else error.message) is not None:
                yield _output(item, text)
        case McpApprovalRequest():
            answer = answers.get(item.id)
            if answer is None or not answer.approve:
                yield _call(item, names)
                yield _output(item, WAITS if answer is None else _rejected(answer))
        case _:
            yield item


def _call(item: McpCall | McpApprovalRequest, names: Mapping[_Place, str]) -> FunctionCall:
    name = names.get((item.server_label, item.name)) or _OTHER.sub("_", item.name)
    arguments = item.arguments or "{}"
    return FunctionCall(id=item.id, name=name[:LONGEST_NAME], call_id=item.id, arguments=arguments)


def _output(item: McpCall | McpApprovalRequest, text: str) -> FunctionOutput:
    return FunctionOutput(id=f"{item.id}_output", call_id=item.id, output=text)


def _rejected(answer: McpApprovalResponse) -> str:
    return f"{REJECTED} The reason: {answer.reason}" if answer.reason else REJECTED


def _is_chosen(function: McpFunction, choice: ChosenMcp) -> bool:
    label, name = function.place
    return label == choice.server_label and choice.name in (UNSET, None, name)


def _is_allowed(server: McpTool, tool: McpListedTool) -> bool:
    allowed = server.allowed_tools
    if isinstance(allowed, tuple):
        return tool.name in allowed
    return not isinstance(allowed, McpToolFilter) or _matches(allowed, tool, empty=True)


def _needs_approval(server: McpTool, tool: McpListedTool) -> bool:
    """Return True unless the session says that this tool never needs one (protocol §2.5)."""
    required = server.require_approval
    if isinstance(required, McpApproval):
        if _matches(required.always, tool):
            return True
        return not _matches(required.never, tool)
    return required != "never"


def _matches(filter: _Filter, tool: McpListedTool, *, empty: bool = False) -> bool:
    """Return whether a filter names this tool. `empty`: what a filter without conditions means."""
    if not isinstance(filter, McpToolFilter):
        return False
    conditions: list[bool] = []
    if isinstance(filter.tool_names, tuple):
        conditions.append(tool.name in filter.tool_names)
    if isinstance(filter.read_only, bool):
        conditions.append(_is_read_only(tool) == filter.read_only)
    return all(conditions) if conditions else empty


def _is_read_only(tool: McpListedTool) -> bool:
    return bool((tool.annotations or {}).get("readOnlyHint"))


def _name(label: str, name: str, taken: Iterable[str]) -> str:
    """Return a name for the function that no other one has."""
    plain = _OTHER.sub("_", name)[:LONGEST_NAME] or "tool"
    if plain not in taken:
        return plain
    long = _OTHER.sub("_", f"{label}_{name}")[: LONGEST_NAME - 4]
    numbered = (long if number == 1 else f"{long}_{number}" for number in range(1, 1000))
    return next(each for each in numbered if each not in taken)
