"""`vivavoce knowledge`: add, list and remove the files of an assistant, and search in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import MistakesError
from ..file_reading import UnreadableFileError
from .common import (
    FAILED,
    MISSING,
    DataDir,
    JsonOption,
    complain,
    data_folder_of,
    fail,
    found_assistant,
    mistaken,
    opened_store,
    pluralise,
    print_json,
    run,
    settings,
    warn,
)
from .terminal import out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..app.knowledge import Added, Gap, Knowledge

app = typer.Typer(
    help="Knowledge of an assistant: add, list, remove, search, gaps", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="The assistant's name")]


@app.command()
def add(
    assistant: Name,
    files: Annotated[list[Path], typer.Argument(help="Files, or folders of files")],
    data_dir: DataDir = None,
) -> None:
    """Copy files into the assistant's folder. A running server uses them within a second."""
    knowledge = _knowledge(data_dir, assistant)
    failures: list[int] = []
    for added in _added(knowledge, files):
        if added.reason:
            complain(f"{added.path}: {added.reason}")
            failures.append(MISSING if added.missing else FAILED)
        elif not added.changed:
            out.line(f"{added.path}: unchanged")
        else:
            out.line(f"{added.path}: {pluralise(added.pieces, 'piece')}")
        for mistake in added.mistakes:
            warn(str(mistake))
    if failures:
        raise typer.Exit(min(failures))  # `FAILED` if any file is there and cannot be added


@app.command("list")
def listed(assistant: Name, data_dir: DataDir = None, json: JsonOption = False) -> None:
    """List the files in the assistant's folder `knowledge`."""
    try:
        files = _knowledge(data_dir, assistant).files()
    except MistakesError as error:
        mistaken(error, FAILED)
    if json:
        print_json([{"path": each.path, "bytes": each.size} for each in files])
        return
    for each in files:
        out.line(f"{each.size:10}  {each.path}")


@app.command()
def remove(
    assistant: Name,
    paths: Annotated[list[str], typer.Argument(help="As `list` prints them")],
    data_dir: DataDir = None,
) -> None:
    """Remove files from the assistant's folder."""
    knowledge = _knowledge(data_dir, assistant)
    for path in paths:
        try:
            knowledge.remove(path)
        except UnreadableFileError as error:
            fail(f"{path}: {error.reason}", MISSING)
        out.line(f"{path}: removed")


@app.command()
def search(
    assistant: Name,
    question: Annotated[str, typer.Argument(help="As a user would ask it")],
    language: Annotated[str, typer.Option(help="The user's language")] = "",
    passages: Annotated[int, typer.Option(min=1, max=20, help="How many at most")] = 4,
    config: Annotated[Path | None, typer.Option(help="A settings file, vivavoce.toml")] = None,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Print the passages that an answer to a question would get."""
    knowledge = _knowledge(data_dir, assistant)
    chosen = settings(data_folder_of(data_dir), config)
    found, problem = run(knowledge.search(question, language, passages, chosen))
    if problem:
        warn(f"searched by words only: {problem}")
    if json:
        print_json([
            {"source": p.source, "place": p.place, "title": p.title, "score": round(p.score, 3),
             "text": p.text}
            for p in found
        ])  # fmt: skip
        return
    for each in found:
        place = f", {each.place}" if each.place else ""
        out.line(f"{each.score:.2f}  {each.source}{place}: {each.title}")
        out.line(f"      {each.text}")
    if not found:
        fail("Nothing in the knowledge answers this.")


@app.command("gaps")
def list_gaps(
    assistant: Name,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many questions at most")
    ] = 1000,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Print the questions that the knowledge could not answer, by the words that they share."""
    from ..app.knowledge import find_gaps

    _knowledge(data_dir, assistant)

    async def work() -> list[Gap]:
        async with opened_store(data_folder_of(data_dir)) as store:
            return await find_gaps(store, assistant, limit)

    found = run(work())
    if json:
        print_json([
            {"language": gap.language, "words": gap.words, "questions": gap.questions}
            for gap in found
        ])  # fmt: skip
        return
    if not found:
        out.print("Nobody asked what the knowledge could not answer.")
    for gap in found:
        out.line(f"{len(gap.questions):4}  {' '.join(gap.words)} ({gap.language})")
        for question in dict.fromkeys(gap.questions):
            out.line(f"      {question}")


def _added(knowledge: Knowledge, files: list[Path]) -> Iterator[Added]:
    """Add files. Exit if the assistant's own cannot be listed."""
    try:
        yield from knowledge.add(files)
    except MistakesError as error:
        mistaken(error, FAILED)


def _knowledge(data_dir: Path | None, assistant: str) -> Knowledge:
    """Return the knowledge of an assistant, or exit."""
    from ..app.knowledge import Knowledge

    data = data_folder_of(data_dir)
    return Knowledge(found_assistant(data, assistant), data)
