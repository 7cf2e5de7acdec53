"""Load the functions of an assistant's `tools.py`, and report what is wrong with it by line.

The file is Python, and the server runs it: its author can do all that the server can. It is
loaded once, as a module of a name of its own, and again after it has changed. Its folder is never
on `sys.path`, so two assistants may have modules of the same name.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import traceback
from collections.abc import Iterator
from inspect import isfunction
from pathlib import Path
from types import ModuleType

from ..errors import AssistantError, Mistake
from ..file_reading import FolderFile, MissingFileError, UnreadableFileError, read_text
from .functions import DECLARATION, FunctionTool

FILE = "tools.py"
FILE_BYTES = 1024 * 1024
MODULES = "vivavoce_tools"  # begins the names of the modules
MESSAGE = 300  # characters of an exception

_loaded: dict[Path, tuple[str, tuple[FunctionTool, ...]]] = {}
_lock = threading.RLock()


def load(folder: Path) -> tuple[FunctionTool, ...]:
    """Return the functions that `tools.py` declares, in their order. Empty: there is no such file.

    Raises `AssistantError`, whatever is wrong with the file.
    """
    try:
        source = read_text(FolderFile(folder, FILE), FILE_BYTES)
    except MissingFileError:
        return ()
    except UnreadableFileError as error:
        raise _mistake(folder, error.reason, error.line) from None
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    with _lock:
        held = _loaded.get(folder)
        if held is None or held[0] != digest:
            held = _loaded[folder] = digest, tuple(_declared(folder, source))
        return held[1]


def _declared(folder: Path, source: str) -> Iterator[FunctionTool]:
    module = _run(folder, source)
    found = {id(each): each for each in vars(module).values() if isfunction(each)}
    names: set[str] = set()
    tools = [getattr(each, DECLARATION, None) for each in found.values()]
    for declared in sorted((each for each in tools if isinstance(each, FunctionTool)), key=_place):
        if declared.spec.name in names:
            line = _place(declared)
            raise _mistake(folder, f'two tools are named "{declared.spec.name}"', line)
        names.add(declared.spec.name)
        yield declared


def _place(declared: FunctionTool) -> int:
    """Return the line of the function."""
    return declared.function.__code__.co_firstlineno


def _run(folder: Path, source: str) -> ModuleType:
    """Run the file. Raises `AssistantError` with the line of the file, whatever it raises."""
    path = folder / FILE
    number = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"{MODULES}.{folder.name}_{number}"
    module = ModuleType(name)
    module.__file__ = str(path)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and annotations look for it there
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise _mistake(folder, _words(error), _line(error, str(path))) from None
    return module


def _words(error: BaseException) -> str:
    kind = "" if type(error).__name__ == "UnfitFunctionError" else f"{type(error).__name__}: "
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{kind}{text}"[:MESSAGE].rstrip(": ") or kind


def _line(error: BaseException, path: str) -> int | None:
    """Return the line of the file that raised, the innermost one if there are several."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == path), None)


def _mistake(folder: Path, message: str, line: int | None) -> AssistantError:
    return AssistantError([Mistake(f"{folder.name}/{FILE}", "", line, message)])
