"""`vivavoce tools`: list and run the tools that the server runs for an assistant."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import EngineError, InvalidRequest
from .common import (
    FAILED,
    MISSING,
    USAGE,
    DataDir,
    JsonOption,
    data_folder_of,
    fail,
    found_assistant,
    is_interactive,
    opened_store,
    print_json,
    require_folder,
    run,
    settings,
)
from .terminal import confirmed, err, out

if TYPE_CHECKING:
    from ..store.tool_runs import ToolRunRow

app = typer.Typer(help="Tools that the server runs: list, run", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option(help="A settings file, vivavoce.toml")]
Role = Annotated[str | None, typer.Option(help="One of the assistant's roles; default: the first")]


@app.command("list")
def listed(
    assistant: str,
    role: Role = None,
    config: Config = None,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """List the tools that the server runs for an assistant, with their rules."""
    from ..app.tool_commands import list_tools

    data = data_folder_of(data_dir)
    require_folder(data)
    found = found_assistant(data, assistant)
    try:
        tools = run(list_tools(data, settings(data, config), found, role))
    except InvalidRequest as error:
        fail(str(error), USAGE)
    except EngineError as error:
        fail(str(error))
    if json:
        print_json(
            [
                {
                    "name": tool.spec.name,
                    "description": tool.spec.description,
                    "parameters": tool.spec.parameters,
                    "effects": tool.rules.effects,
                    "approve": tool.rules.approve,
                }
                for tool in tools
            ]
        )
        return
    if not tools:
        out.line(f"The server runs no tool for {assistant}.")
    for tool in tools:
        effects = "effects" if tool.rules.effects else ""
        approve = "" if tool.rules.approve == "never" else f"approve: {tool.rules.approve}"
        first = tool.spec.description.partition("\n")[0]
        out.line(f"{tool.spec.name:24}  {effects:8}  {approve:14}  {first}".rstrip())


@app.command("run")
def run_one(
    assistant: str,
    name: str,
    arguments: Annotated[str, typer.Argument(help="A JSON object")] = "{}",
    yes: Annotated[bool, typer.Option("--yes", help="Approve it without asking")] = False,
    role: Role = None,
    config: Config = None,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Run one tool with the checks of a model's call, and record the run."""
    from ..app.tool_commands import run_tool

    data = data_folder_of(data_dir)
    found, chosen = found_assistant(data, assistant), settings(data, config)

    asked: list[str] = []  # for an approval that nobody at a terminal could give

    def approve(row: ToolRunRow) -> bool:
        if yes:
            return True
        if not is_interactive():
            asked.append(row.tool)
            return False
        return confirmed(f"{row.tool} needs the approval of {row.approve}. Run it?")

    async def work() -> ToolRunRow:
        async with opened_store(data, create=True) as store:
            return await run_tool(
                data, chosen, store, found, name, arguments, role=role, approve=approve
            )

    try:
        row = run(work())
    except InvalidRequest as error:
        fail(str(error), USAGE)
    except EngineError as error:
        fail(str(error), MISSING if error.code == "tool_not_found" else FAILED)
    if json:
        print_json({"run_id": row.id, "state": row.state, "result": _value(row.result)})
    else:
        out.line(row.result or row.state)
    if row.state != "done":
        if asked:
            err.line(f"{name} needs an approval: --yes approves it.")
        raise typer.Exit(FAILED)


def _value(result: str | None) -> Any:  # noqa: ANN401
    """Return the result as JSON if it is JSON, otherwise as text."""
    try:
        return json_module.loads(result or "null")
    except ValueError:
        return result
