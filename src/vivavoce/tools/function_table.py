"""The functions of an assistant, with what its `assistant.toml` says of them.

Each function that `tools.py` declares is a tool. A table `[[tools]]` of kind `function` with its
name replaces what the file says: an operator can ask for approval without touching the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pydantic import Field

from ..assistants import Assistant
from ..assistants.languages import ToolTexts
from ..assistants.load import FILE, FILE_BYTES
from ..assistants.server_tools import ServerToolTable
from ..assistants.variables import AssistantSection
from ..core.types import DataArguments, ToolApproval, ToolInterrupt, ToolRepeat
from ..errors import AssistantError, Mistake
from ..file_reading import FolderFile, UnreadableFileError
from ..toml import did_you_mean, line_of, read_toml, toml_lines
from . import tools_file
from .approval_questions import check_question
from .functions import FunctionTool, with_rules
from .phrasing import add_phrases
from .signatures import UnfitFunctionError

KIND = "function"


class FunctionTable(AssistantSection):
    """The keys of a `[[tools]]` table of kind `function`. None: as the function says."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    description: str | None = Field(None, min_length=1, max_length=1024)
    say: ToolTexts | None = None
    say_after: float | None = Field(None, gt=0, le=600)
    timeout: float | None = Field(None, gt=0, le=600)
    interrupt: ToolInterrupt | None = None
    repeat: ToolRepeat | None = None
    approve: ToolApproval | None = None
    ask: ToolTexts | None = None
    effects: bool | None = None
    data_arguments: DataArguments | None = None
    roles: list[str] | None = None
    phrases: list[str] | dict[str, list[str]] | None = None
    show: bool | None = None


def functions_of(assistant: Assistant) -> tuple[FunctionTool, ...]:
    """Return the functions of an assistant, by its file and its tables.

    Raises `AssistantError` with every mistake in them.
    """
    found = {each.spec.name: each for each in tools_file.load(assistant.folder)}
    mistakes = list(_mistakes(assistant, found))
    if mistakes:
        raise AssistantError(mistakes)
    for table in _tables(assistant).values():
        found[table.name] = _with_table(found[table.name], table)
    return tuple(found.values())


def _tables(assistant: Assistant) -> dict[int, FunctionTable]:
    """Return the tables of this kind, by their place in `assistant.toml`."""
    return {
        index: each.table
        for index, each in enumerate(assistant.declared)
        if isinstance(each, ServerToolTable) and isinstance(each.table, FunctionTable)
    }


def _mistakes(assistant: Assistant, found: dict[str, FunctionTool]) -> Iterator[Mistake]:
    names = set(found)
    seen = {spec.name for spec in assistant.tools()}
    for name in sorted(names & seen):
        message = f'the client has a tool named "{name}", too'
        yield Mistake(f"{assistant.folder.name}/{tools_file.FILE}", "", None, message)
    yield from _unknown_roles(assistant, found)
    for index, table in _tables(assistant).items():
        if table.name not in names:
            hint = did_you_mean(table.name, names)
            yield _mistake(assistant, index, f"{tools_file.FILE} has no such tool{hint}")
        elif table.name in seen:
            yield _mistake(assistant, index, f'there are two tables for "{table.name}"')
        seen.add(table.name)
        if table.name in found:
            try:
                _with_table(found[table.name], table)
            except UnfitFunctionError as error:
                yield _mistake(assistant, index, str(error))


def _unknown_roles(assistant: Assistant, found: dict[str, FunctionTool]) -> Iterator[Mistake]:
    """Name the roles that the assistant does not have: nobody could use these tools."""
    for name, tool in found.items():
        for message in _no_roles(assistant, tool.rules.roles):
            file = f"{assistant.folder.name}/{tools_file.FILE}"
            yield Mistake(file, "", None, f"{name}: {message}")
    for index, each in enumerate(assistant.declared):
        if isinstance(each, ServerToolTable):
            for message in _no_roles(assistant, getattr(each.table, "roles", None) or ()):
                yield _mistake(assistant, index, message, "roles")


def _no_roles(assistant: Assistant, roles: Iterable[str]) -> Iterator[str]:
    for role in roles:
        if role not in assistant.roles:
            hint = did_you_mean(role, assistant.roles)
            yield f'"{role}" is not among the roles{hint}'


def _mistake(assistant: Assistant, index: int, message: str, key: str = "name") -> Mistake:
    try:
        text = read_toml(FolderFile(assistant.folder, FILE), FILE_BYTES).text
        line = line_of(toml_lines(text), ("tools", index, key))
    except UnreadableFileError:
        line = None
    return Mistake(f"{assistant.folder.name}/{FILE}", f"tools.{index}.{key}", line, message)


def _with_table(found: FunctionTool, table: FunctionTable) -> FunctionTool:
    """Return a function with what its table says. Raises `UnfitFunctionError`."""
    if table.description is not None:
        described = replace(found.signature, description=table.description)
        found = replace(found, signature=described)
    if table.phrases is not None:
        schema = add_phrases(found.signature.parameters, table.phrases)
        found = replace(found, signature=replace(found.signature, parameters=schema))
    check_question(table.ask or {}, found.signature.parameters)
    return with_rules(
        found,
        say=table.say,
        say_after_s=table.say_after,
        timeout_s=table.timeout,
        interrupt=table.interrupt,
        repeat=table.repeat,
        approve=table.approve,
        ask=table.ask,
        effects=table.effects,
        data_arguments=table.data_arguments,
        roles=None if table.roles is None else tuple(table.roles),
        show=table.show,
    )
