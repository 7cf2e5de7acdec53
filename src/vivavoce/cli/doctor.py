"""`vivavoce doctor`: tries every part, and says how to mend what does not work."""

from __future__ import annotations

import typer

from .common import MISSING, DataDir, JsonOption, data_folder_of, out, print_json, run, settings


def doctor(data_dir: DataDir = None, json: JsonOption = False) -> None:
    """Check every part of this installation."""
    from . import checks

    data = data_folder_of(data_dir)
    findings = run(checks.examine(data, settings(data), quiet=json))
    if json:
        print_json(
            [{"check": f.check, "ok": f.ok, "message": f.message, "fix": f.fix} for f in findings]
        )
    ill = sum(not finding.ok for finding in findings)
    if not json:
        out.print("\nEverything works." if not ill else f"\n{ill} of {len(findings)} need mending.")
    if ill:
        raise typer.Exit(MISSING)
