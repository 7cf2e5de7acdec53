"""`vivavoce doctor`: tries every part, and says how to mend what does not work."""

from __future__ import annotations

import typer

from .common import MISSING, DataDir, Json, find, out, run, settings, told


def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    """Check every part of this installation."""
    from . import checks

    data = find(data_dir)
    findings = run(checks.examine(data, settings(data), quiet=json))
    if json:
        told([{"part": f.part, "good": f.good, "said": f.said, "mend": f.mend} for f in findings])
    ill = sum(not finding.good for finding in findings)
    if not json:
        out.print("\nEverything works." if not ill else f"\n{ill} of {len(findings)} need mending.")
    if ill:
        raise typer.Exit(MISSING)
