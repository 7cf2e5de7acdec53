"""Functions that the commands share: the data folder, output and exit codes.

The modules of all commands are loaded for each command. So a module that takes time to load is
imported inside the command that needs it.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from ..app import data_folder
from ..app.data_folder import DataFolder
from ..errors import MistakesError, StoreError
from . import running
from .printable import printable_json
from .terminal import confirm, err, escape_markup, out

if TYPE_CHECKING:
    from ..assistants import Assistant, Catalogue
    from ..config import Settings
    from ..store.base import Store

FAILED, USAGE, UNREACHABLE, REFUSED, MISSING = 1, 2, 3, 4, 5
RAW = (".pcm", ".raw")  # suffixes of audio files without a header
TAIL_MS = 1500  # of silence behind a file, so that the server detects the end of speech

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The data folder (default: VIVAVOCE_DATA_DIR, or your own)"),
]
ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--url", help="http(s):// or ws(s):// base URL (default: the server of the data folder)"
    ),
]
ServerKey = Annotated[
    str | None, typer.Option("--key", envvar="VIVAVOCE_API_KEY", help="API key of that server")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON")]

T = TypeVar("T")


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Print an error and exit."""
    complain(message)
    raise typer.Exit(code)


def complain(message: str) -> None:
    """Print an error."""
    err.print(f"[red]error:[/red] {escape_markup(message)}")


def warn(message: str) -> None:
    err.line(f"warning: {message}", style="yellow")


def mistaken(error: MistakesError, code: int) -> NoReturn:
    """Print all mistakes and exit."""
    for mistake in error.mistakes:
        complain(str(mistake))
    raise typer.Exit(code)


def run(
    work: Coroutine[Any, Any, T], loop: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> T:
    """Run a command's work, and turn expected errors into a message and an exit code."""
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
    """Load the settings, or print their mistakes and exit."""
    from .. import config
    from ..app import adapters

    try:
        chosen = config.load(path or data.settings)
        adapters.check_settings(chosen, str(path or data.settings or "settings"))
        return chosen
    except MistakesError as error:
        mistaken(error, USAGE)


def catalogue(data: DataFolder) -> Catalogue:
    """Load the shipped assistants and the folder's own, as they are on the disk now."""
    from ..app.catalogue import load_catalogue

    return load_catalogue(data)


def require_folder(data: DataFolder) -> None:
    """Exit if there is no data folder: a command that only reads makes none."""
    if not data.root.is_dir():
        _no_data(data)


def found_assistant(data: DataFolder, name: str) -> Assistant:
    """Return an assistant, or exit because there is none of this name."""
    found = catalogue(data).get(name)
    if found is None:
        fail(f"There is no assistant named {name} in {data.assistants}.", MISSING)
    return found


def mistakes_hint(data: DataFolder, name: str, error: MistakesError) -> str:
    """Return the number of an assistant's mistakes, and the command that lists them."""
    from ..app.catalogue import assistant_folder

    check = command(data, "assistants", "check", str(assistant_folder(data, name)))
    return f"{pluralise(len(error.mistakes), 'mistake')}: {check}"


@asynccontextmanager
async def opened_store(data: DataFolder, *, create: bool = False) -> AsyncIterator[Store]:
    """Open the folder's database. Only `create` makes the folder and the database.

    Commands that read or end something must not create a folder whose name was mistyped.
    """
    from ..app.storage import open_store

    try:
        exists = data.is_used()
        if create:
            data.create()
    except OSError as error:
        fail(f"The data folder {data.root} cannot be used: {error.strerror}.")
    if not create and not exists:
        _no_data(data)
    store = await open_store(data)
    if not exists:
        err.line(f"A new data folder: {data.root}")
        if running.folders():
            warn(f"No server runs on {data.root}, so that none knows what is in it. {elsewhere()}")
    try:
        yield store
    finally:
        await store.close()


def confirm_new_folder(data: DataFolder) -> None:
    """Ask before the platform's own folder is created, or exit: a server may run on another one.

    A user who names a folder means it.
    """
    if data != data_folder.default() or data.is_used():
        return
    if running.folders() or not is_interactive():
        fail(f"There is no Vivavoce data in {data.root}. {elsewhere()} To begin with a new "
             f"folder: --data-dir {shlex.quote(str(data.root))}", MISSING)  # fmt: skip
    confirm(f"There is no Vivavoce data in {data.root}. Create a new folder there?")


def is_interactive() -> bool:
    """Return whether a user at the terminal can answer a question."""
    return sys.stdin.isatty()


def _no_data(data: DataFolder) -> NoReturn:
    fail(f"There is no Vivavoce data in {data.root}. {elsewhere()}", MISSING)


def elsewhere() -> str:
    """Name the folders on which servers run."""
    folders = [shlex.quote(str(each.root)) for each in running.folders()]
    if not folders:
        return "Say which folder with --data-dir."
    runs = "A server runs" if len(folders) == 1 else "Servers run"
    return f"{runs} on {', '.join(folders)}: --data-dir {folders[0]}"


def command(data: DataFolder, *words: str) -> str:
    """Return the shell command that runs another command on the same data."""
    where = [] if data == data_folder.default() else ["--data-dir", str(data.root)]
    return shlex.join([*_program(), *words, *where])


def _program() -> list[str]:
    """Return the program as a user types it in the current folder."""
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
    """Print JSON, with times as RFC 3339."""
    out.json(as_json(value))


def as_json(value: object) -> str:
    return printable_json(json.dumps(value, default=_builtin, ensure_ascii=False, indent=2))


def _builtin(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")


def when(at: datetime | None) -> str:
    return "–" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M")


def pluralise(amount: int, what: str) -> str:
    return f"{amount} {what}" + ("" if amount == 1 else "s")


data_folder_of = data_folder.find
