"""All assistants of a server: the shipped ones and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import AssistantError
from .assistant import Assistant
from .load import FILE, load
from .validation import KnownNames

SHIPPED = Path(__file__).parent.parent / "examples"


def _accept(_: Assistant) -> None: ...


class Catalogue:
    """The assistants in several folders. A later folder wins over an earlier one.

    It reads the folders once, and blocks on the disk meanwhile. A broken assistant does not affect
    the others. It never falls back on a shipped one of the same name, because that is a different
    assistant.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        known: KnownNames,
        inspect: Callable[[Assistant], object] = _accept,
    ) -> None:
        """`inspect` raises `AssistantError` for what `load` cannot judge."""
        self._folders = tuple(folders)
        self._loaded: dict[str, Assistant] = {}
        self._broken: dict[str, AssistantError] = {}
        for name, folder in sorted(self._places().items()):
            try:
                assistant = load(folder, known)
                inspect(assistant)
                self._loaded[name] = assistant
            except AssistantError as error:
                self._broken[name] = error

    @property
    def broken(self) -> Mapping[str, AssistantError]:
        """The assistants with mistakes by the name of their folder."""
        return self._broken

    def get(self, name: str) -> Assistant | None:
        return self._loaded.get(name)

    def __iter__(self) -> Iterator[Assistant]:
        """Iterate in order of name."""
        return iter([self._loaded[name] for name in sorted(self._loaded)])

    def __len__(self) -> int:
        return len(self._loaded)

    def _places(self) -> dict[str, Path]:
        return {
            path.parent.name: path.parent
            for folder in self._folders
            for path in sorted(folder.glob(f"*/{FILE}"))
        }
