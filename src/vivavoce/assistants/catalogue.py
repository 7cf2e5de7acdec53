"""All assistants of a server: those that ship with it and the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import AssistantError
from .assistant import Assistant
from .load import FILE, load, place
from .validation import KnownNames

SHIPPED = Path(__file__).parent.parent / "examples"


class Catalogue:
    """Folders of assistants' folders. A later one's assistant wins over an earlier one's.

    A broken assistant is reported and stops no other. One that was good keeps serving as it was
    until it is mended; a broken one never falls back on a shipped one of its name, which would
    be somebody else's.
    """

    def __init__(self, folders: Sequence[Path], known: KnownNames) -> None:
        self._folders = tuple(folders)
        self._known = known
        self._loaded: dict[str, Assistant] = {}
        self._broken: dict[str, AssistantError] = {}
        self.reload()

    @property
    def broken(self) -> Mapping[str, AssistantError]:
        """By the folder's name, as of the last load."""
        return self._broken

    def reload(self) -> None:
        """Read everything again. Blocks on the disk; calls under way keep what they have."""
        loaded: dict[str, Assistant] = {}
        broken: dict[str, AssistantError] = {}
        for name, folder in sorted(self._places().items()):
            try:
                loaded[name] = load(folder, self._known)
            except AssistantError as error:
                broken[name] = error
                before = self._loaded.get(name)
                if before is not None and before.folder == place(folder):
                    loaded[name] = before
        self._loaded, self._broken = loaded, broken

    def get(self, name: str) -> Assistant | None:
        return self._loaded.get(name)

    def __iter__(self) -> Iterator[Assistant]:
        """In order of name."""
        return iter([self._loaded[name] for name in sorted(self._loaded)])

    def __len__(self) -> int:
        return len(self._loaded)

    def _places(self) -> dict[str, Path]:
        return {
            path.parent.name: path.parent
            for folder in self._folders
            for path in sorted(folder.glob(f"*/{FILE}"))
        }
