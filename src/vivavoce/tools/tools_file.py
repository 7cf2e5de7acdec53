"""Load the functions of an assistant's `tools.py`, and report what is wrong with it by line.

The file is Python, and the server runs it: its author can do all that the server can. It is
loaded once, as a package of a name of its own, and again after it has changed, or a file that it
imports. `from . import prices` imports `prices.py` of its folder. The folder is never on
`sys.path`, so two assistants may have files of the same name.
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
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


@dataclass(slots=True)
class _Package:
    """The files of one folder that were run. `sources`: the text of each, by its name."""

    folder: Path
    sources: dict[str, str] = field(default_factory=dict)
    tools: tuple[FunctionTool, ...] = ()

    @property
    def name(self) -> str:
        number = hashlib.sha256(str(self.folder / FILE).encode()).hexdigest()[:8]
        return f"{MODULES}.{re.sub(r'[^A-Za-z0-9]', '_', self.folder.name)}_{number}"

    def is_current(self) -> bool:
        """Return whether no file that was run has changed since."""
        held = list(self.sources.items())  # a tool that runs in a thread may import one more
        try:
            return all(_read(self.folder, name) == text for name, text in held)
        except UnreadableFileError:
            return False


_loaded: dict[Path, _Package] = {}
_packages: dict[str, _Package] = {}  # by name: what modules that run now import from
_lock = threading.RLock()


def load(folder: Path) -> tuple[FunctionTool, ...]:
    """Return the functions that `tools.py` declares, in their order. Empty: there is no such file.

    Raises `AssistantError`, whatever is wrong with the file.
    """
    try:
        source = _read(folder, FILE)
    except MissingFileError:
        return ()
    except UnreadableFileError as error:
        raise _mistake(folder, error.reason, error.line) from None
    with _lock:
        held = _loaded.get(folder)
        if held is None or not held.is_current():
            held = _Package(folder, {FILE: source})
            held.tools = tuple(_declared(held, source))
            _loaded[folder] = held
        return held.tools


def _read(folder: Path, name: str) -> str:
    return read_text(FolderFile(folder, name), FILE_BYTES)


def _declared(package: _Package, source: str) -> Iterator[FunctionTool]:
    folder, module = package.folder, _run(package, source)
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


def _run(package: _Package, source: str) -> ModuleType:
    """Run the file. Raises `AssistantError` with file and line, whatever it raises."""
    folder, name, path = package.folder, package.name, package.folder / FILE
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__package__ = name
    module.__path__ = []  # it is a package: `_FolderFinder` finds what it imports
    before, modules = _packages.get(name), _taken_out(name)
    _packages[name] = package
    sys.modules[name] = module  # dataclasses and annotations look for it there
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        _taken_out(name)
        sys.modules.update(modules)
        del _packages[name]
        if before is not None:
            _packages[name] = before
        raise _mistake(folder, _words(error, folder), *_place_of(error, folder)) from None
    return module


def _taken_out(name: str) -> dict[str, ModuleType]:
    """Take the modules of a package out of `sys.modules`, so that its files are run again."""
    names = [each for each in sys.modules if each == name or each.startswith(f"{name}.")]
    return {each: sys.modules.pop(each) for each in names}


class _FolderFinder(MetaPathFinder):
    """Finds the files of an assistant's folder, for the modules of this folder alone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        package = _packages.get(parent)
        if package is None or (file := f"{name}.py") == FILE:
            return None
        try:
            source = _read(package.folder, file)
        except MissingFileError:
            return None
        except UnreadableFileError as error:
            raise ImportError(f"{file} {error.reason}") from None
        package.sources[file] = source
        return ModuleSpec(fullname, _SourceLoader(source, package.folder / file))


class _SourceLoader(Loader):
    """Runs the text of a file that was read."""

    def __init__(self, source: str, path: Path) -> None:
        self._source = source
        self._path = str(path)

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._path
        exec(compile(self._source, self._path, "exec"), vars(module))


_root = ModuleType(MODULES)  # the import of a package's module looks for the parents of both
_root.__path__ = []
sys.modules.setdefault(MODULES, _root)
sys.meta_path.append(_FolderFinder())


def _words(error: BaseException, folder: Path) -> str:
    if isinstance(error, ModuleNotFoundError) and (folder / f"{error.name}.py").is_file():
        return f"a file of this folder is imported by: from . import {error.name}"
    kind = "" if type(error).__name__ == "UnfitFunctionError" else f"{type(error).__name__}: "
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{kind}{text}"[:MESSAGE].rstrip(": ") or kind


def _place_of(error: BaseException, folder: Path) -> tuple[int | None, str]:
    """Return the line and the file of the folder that raised, the innermost of several."""
    if isinstance(error, SyntaxError) and Path(error.filename or "").parent == folder:
        return error.lineno, Path(error.filename or "").name
    frames = reversed(traceback.extract_tb(error.__traceback__))
    places = ((each.lineno, Path(each.filename)) for each in frames)
    return next(((line, path.name) for line, path in places if path.parent == folder), (None, FILE))


def _mistake(folder: Path, message: str, line: int | None, file: str = FILE) -> AssistantError:
    return AssistantError([Mistake(f"{folder.name}/{file}", "", line, message)])
