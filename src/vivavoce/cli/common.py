"""What the commands share: where the data is, how they print, how they end.

Every command's module is loaded for every command, so none of them imports at its top what takes
time to load: each command imports what it needs when it is called.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from ..app import data_folder
from ..app.data_folder import DataFolder
from ..errors import MistakesError, StoreError

if TYPE_CHECKING:
    from ..assistants import Catalogue
    from ..config import Settings
    from ..store.sql.store import SqlStore

FAILED, USAGE, UNREACHABLE, REFUSED, MISSING = 1, 2, 3, 4, 5
RAW = (".pcm", ".raw")  # suffixes of audio files without a header
TAIL_MS = 1500  # of silence behind a file, so that the server detects the end of speech

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The data folder (default: VIVAVOCE_DATA_DIR, or your own)"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

T = TypeVar("T")


def fail(message: str, code: int = FAILED) -> NoReturn:
    err.print(f"[red]error:[/red] {escape_markup(message)}")
    raise typer.Exit(code)


def warn(message: str) -> None:
    err.print(f"warning: {message}", style="yellow", markup=False)


def mistaken(error: MistakesError, code: int) -> NoReturn:
    for mistake in error.mistakes:
        err.print(f"[red]error:[/red] {escape_markup(str(mistake))}")
    raise typer.Exit(code)


def run(
    work: Coroutine[Any, Any, T], loop: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> T:
    """Run it; what can go wrong on purpose becomes a sentence and an exit code."""
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(work)
    except MistakesError as error:
        mistaken(error, FAILED)
    except StoreError as error:
        fail(f"The database cannot be used: {error}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def settings(data: DataFolder, path: Path | None = None) -> Settings:
    from .. import config

    try:
        return config.load(path or data.settings)
    except MistakesError as error:
        mistaken(error, USAGE)


def catalogue(data: DataFolder) -> Catalogue:
    """Those that ship with the server and the folder's own, as they are on the disk now."""
    from ..app.adapters import known
    from ..assistants import SHIPPED, Catalogue

    return Catalogue([SHIPPED, data.assistants], known())


def flaws(data: DataFolder, name: str, error: MistakesError) -> str:
    """How many an assistant has, and what lists them."""
    from ..assistants import SHIPPED

    own = data.assistants / name
    path = str(own if own.exists() else SHIPPED / name)
    return (
        f"{pluralise(len(error.mistakes), 'mistake')}: {command(data, 'assistants', 'check', path)}"
    )


async def store(data: DataFolder, *, make: bool = False) -> SqlStore:
    """The folder's database. Only who writes something new makes one where there is none."""
    from ..store.sql.store import SqlStore

    try:
        there = data.database.is_file()
        if make:
            data.create()
    except OSError as error:
        fail(f"The data folder {data.root} cannot be used: {error.strerror}.")
    if make and not there:
        err.print(f"A new data folder: {data.root}", markup=False)
    elif not there:
        fail(f"There is no Vivavoce data in {data.root}. Say which folder with --data-dir.",
             MISSING)  # fmt: skip
    return await SqlStore.open(data.database)


def command(data: DataFolder, *words: str) -> str:
    """What to type, here, to run another command on the same data."""
    where = [] if data == data_folder.default() else ["--data-dir", str(data.root)]
    return shlex.join([*_program(), *words, *where])


def _program() -> list[str]:
    """This program, as it would be typed from the folder we are in."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return [_typed(Path(sys.executable)), "-m", "vivavoce"]
    return [_typed(started) if started.stem == "vivavoce" else "vivavoce"]


def _typed(program: Path) -> str:
    path = program.absolute()
    if shutil.which(path.name) == str(path):
        return path.name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def print_json(value: object) -> None:
    """As JSON, times as RFC 3339."""
    print(as_json(value))


def as_json(value: object) -> str:
    return json.dumps(value, default=_builtin, ensure_ascii=False, indent=2)


def _builtin(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")


def now() -> datetime:
    return datetime.now(UTC)


def when(at: datetime | None) -> str:
    return "–" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M")


def pluralise(amount: int, what: str) -> str:
    return f"{amount} {what}" + ("" if amount == 1 else "s")


data_folder_of = data_folder.find
escape_markup = escape  # what others wrote is text, not our markup
