"""`vivavoce assistants`: list the assistants, check one folder, or set variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..access import audit
from ..assistants import Assistant
from ..clock import now
from ..errors import InvalidRequest, MistakesError
from .common import (
    FAILED,
    USAGE,
    DataDir,
    JsonOption,
    catalogue,
    data_folder_of,
    fail,
    found_assistant,
    mistakes_hint,
    opened_store,
    pluralise,
    print_json,
    run,
    settings,
    warn,
)
from .operator import operator
from .terminal import err, out

app = typer.Typer(help="Assistants: list, check, variables", no_args_is_help=True)


@app.command("list")
def listed(data_dir: DataDir = None, json: JsonOption = False) -> None:
    """List the assistants that ship with the server and your own."""
    data = data_folder_of(data_dir)
    there = catalogue(data)
    if json:
        print_json([
            {"name": a.name, "title": a.title(), "engine": a.engine,
             "languages": a.languages, "folder": str(a.folder)}
            for a in there
        ])  # fmt: skip
        return
    for assistant in there:
        spoken = ", ".join(assistant.languages)
        out.line(f"{assistant.name:20}  {assistant.engine:9}  {spoken:12}  {assistant.folder}")
    for name, error in there.broken.items():
        err.line(f"{name} has {mistakes_hint(data, name, error)}")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="An assistant's folder, or its assistant.toml")],
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Find every mistake in a folder, with file, line and key."""
    from ..app.catalogue import check_assistant

    if path.name == "assistant.toml":
        path = path.parent
    mistakes = []
    try:
        checked = check_assistant(path)
    except MistakesError as error:
        mistakes = error.mistakes
    if json:
        for warning in checked.warnings if not mistakes else ():
            warn(str(warning))
        print_json([{"file": m.file, "line": m.line, "key": m.key, "message": m.message}
              for m in mistakes])  # fmt: skip
    elif mistakes:
        for mistake in mistakes:
            out.line(str(mistake))
    else:
        assistant = checked.assistant
        tables = [table for table in assistant.server_tools() if table.kind != "function"]
        tools = len(assistant.tools()) + len(tables) + checked.functions
        kinds = sorted(
            {table.kind for table in tables} | ({"function"} if checked.functions else set())
        )
        run_here = f" (server: {', '.join(kinds)})" if kinds else ""
        for warning in checked.warnings:
            warn(str(warning))
        for problem in [*_unreachable(assistant, data_dir), *_not_embedded(assistant, data_dir)]:
            warn(problem)
        for pattern in assistant.unmatched():
            warn(f"[knowledge] paths: nothing matches {pattern!r} in {assistant.folder}")
        out.line(f"{assistant.name} has no mistakes: {', '.join(assistant.languages)}; "
                 f"{pluralise(checked.chunks, 'piece')} of knowledge, "
                 f"{pluralise(tools, 'tool')}{run_here}.")  # fmt: skip
    if mistakes:
        if not json:
            fail(f"{path} has {pluralise(len(mistakes), 'mistake')}.")
        raise typer.Exit(FAILED)


def _unreachable(assistant: Assistant, data_dir: Path | None) -> list[str]:
    """Connect to the servers of its tools. Return why some of them cannot be used."""
    if not any(table.kind == "mcp" for table in assistant.server_tools()):
        return []
    from ..app.tool_servers import unreachable

    data = data_folder_of(data_dir)
    return run(unreachable(settings(data), data, assistant))


def _not_embedded(assistant: Assistant, data_dir: Path | None) -> list[str]:
    """Ask its embedding model, as far as that costs nothing. Return why it cannot be used."""
    if assistant.knowledge.embedding is None:
        return []
    from ..app.checks.embedding import problems

    data = data_folder_of(data_dir)
    found = run(problems(settings(data), data, assistant))
    return [f"[knowledge] embedding: {problem.removeprefix('warning: ')}" for problem in found]


@app.command()
def variables(
    name: Annotated[str, typer.Argument(help="The assistant")],
    values: Annotated[list[str] | None, typer.Argument(help="Values to set, as KEY=VALUE")] = None,
    default: Annotated[
        list[str] | None, typer.Option(help="A variable that gets its default again")
    ] = None,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Show an assistant's variables, or set their values for new calls, also of a running server.

    Running calls keep their values: PATCH /api/assistants/NAME/variables changes those too.
    """
    from ..store.variables import set_values

    data = data_folder_of(data_dir)
    assistant = found_assistant(data, name)
    given: dict[str, object] = dict(_pair(each) for each in values or ())
    given |= dict.fromkeys(default or ())

    async def work() -> dict[str, str]:
        async with opened_store(data, create=bool(given)) as store:
            if given:
                act = audit.act_on_variables(operator(), name, given, now())
                await set_values(store, assistant, given, now(), act)
            return await store.prompts.variables(name)

    try:
        stored = run(work())
    except InvalidRequest as error:
        fail(str(error), USAGE)
    _show_variables(assistant, stored, json=json)


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE")
    return name, value


def _show_variables(assistant: Assistant, stored: dict[str, str], *, json: bool) -> None:
    shown = assistant.values(assistant.fitting(stored))
    if json:
        print_json([
            {"name": name, "type": variable.type, "value": shown[name],
             "default": variable.fallback, "description": variable.description}
            for name, variable in assistant.variables.items()
        ])  # fmt: skip
        return
    for name, variable in assistant.variables.items():
        value = "" if shown[name] is None else str(shown[name])
        out.line(f"{name:20}  {variable.type:6}  {value:20}  {variable.description}".rstrip())
