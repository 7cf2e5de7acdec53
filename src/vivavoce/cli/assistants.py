"""`vivavoce assistants`: what there is, and whether a folder of yours is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import AssistantError
from .common import FAILED, DataDir, Json, err, find, out, told

app = typer.Typer(help="Assistants: list, check", no_args_is_help=True)


@app.command("list")
def listed(data_dir: DataDir = None, json: Json = False) -> None:
    """Those that ship with the server and your own."""
    from ..app.parts import known
    from ..assistants import SHIPPED, Catalogue

    catalogue = Catalogue([SHIPPED, find(data_dir).assistants], known())
    if json:
        told([
            {"name": a.name, "title": a.title(), "engine": a.engine,
             "languages": a.languages, "folder": str(a.folder)}
            for a in catalogue
        ])  # fmt: skip
        return
    for assistant in catalogue:
        spoken = ", ".join(assistant.languages)
        out.print(
            f"{assistant.name:20}  {assistant.engine:9}  {spoken:12}  {assistant.folder}",
            markup=False,
        )
    for name, error in catalogue.broken.items():
        err.print(
            f"{name} has {len(error.mistakes)} mistakes: vivavoce assistants check {name}",
            markup=False,
        )


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="An assistant's folder")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Find every mistake in a folder, with file, line and key."""
    from ..app.parts import known
    from ..assistants import load
    from ..knowledge import ingest

    mistakes = []
    try:
        assistant = load(path, known())
        chunks = ingest.load(assistant.knowledge_files(), assistant.languages)
    except AssistantError as error:
        mistakes = error.mistakes
    if json:
        told([{"file": m.file, "line": m.line, "key": m.key, "message": m.message}
              for m in mistakes])  # fmt: skip
    elif mistakes:
        for mistake in mistakes:
            out.print(str(mistake), markup=False)
    else:
        tools = len(assistant.tools())
        out.print(f"{assistant.name} is right: {', '.join(assistant.languages)}; "
                  f"{len(chunks)} pieces of knowledge, {tools} tools.")  # fmt: skip
    if mistakes:
        raise typer.Exit(FAILED)
