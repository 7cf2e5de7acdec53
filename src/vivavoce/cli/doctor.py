"""`vivavoce doctor`: check every part, and say how to repair what does not work."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import MISSING, DataDir, JsonOption, data_folder_of, print_json, run, settings
from .terminal import err, escape_markup, out

if TYPE_CHECKING:
    from ..app.checks import CheckResult
    from ..app.data_folder import DataFolder
    from ..config import Settings


def doctor(
    data_dir: DataDir = None,
    json: JsonOption = False,
    config: Annotated[Path | None, typer.Option(help="A settings file, vivavoce.toml")] = None,
    spend: Annotated[
        bool, typer.Option("--spend", help="Use providers that may cost money, once each")
    ] = False,
) -> None:
    """Check every part of this installation, and what its assistants use."""
    data = data_folder_of(data_dir)
    results = run(_check(data, settings(data, config), quiet=json, spend=spend))
    if json:
        print_json(
            [{"check": r.check, "ok": r.ok, "message": r.message, "fix": r.fix} for r in results]
        )
    failed = sum(not result.ok for result in results)
    if not json:
        out.print("\nEverything works." if not failed else f"\n{failed} of {len(results)} failed.")
    if failed:
        raise typer.Exit(MISSING)


async def _check(
    data: DataFolder, chosen: Settings, *, quiet: bool, spend: bool
) -> list[CheckResult]:
    from ..app import checks

    results = []
    async with checks.opened(data, chosen, spend=spend) as context:
        for name, check in checks.all_checks(context).items():
            with nullcontext() if quiet else err.console.status(f"{name} …"):
                result = await checks.run_check(name, check, context)
            results.append(result)
            if not quiet:
                _print(result)
    return results


def _print(result: CheckResult) -> None:
    mark = "[green]✓[/green]" if result.ok else "[red]✗[/red]"
    out.print(f"{mark} {result.check:24} {escape_markup(result.message)}")
    if result.fix:
        err.line(f"  → {result.fix}", style="yellow")
