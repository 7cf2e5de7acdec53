"""Assistants for tests: a folder on disk from a few lines, for a server that knows some names."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from vivavoce.assistants import KnownNames
from vivavoce.file_reading import FolderFile

_SUFFIX = re.compile(r"_(en|it|es|md|csv|json|pdf|toml)(?=_|$)")

KNOWN = KnownNames(
    engines=frozenset({"cascade", "upstream", "scripted"}),
    stt=frozenset({"pocketsphinx", "openai"}),
    brain=frozenset({"extractive", "openai"}),
    tts=frozenset({"espeak", "openai"}),
    embedding=frozenset({"openai"}),
    voices={"espeak": frozenset({"marin", "cedar", "alloy"})},
)


def files(folder: Path, pattern: str = "*") -> list[FolderFile]:
    """Its files, as an assistant names them."""
    return [
        FolderFile(folder, path.relative_to(folder).as_posix()) for path in folder.glob(pattern)
    ]


def write(parent: Path, toml: str, name: str = "ada", /, **files: str | bytes) -> Path:
    """Write a folder with this `assistant.toml`. In names, `__` is a slash and `_xx` is `.xx`."""
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "assistant.toml").write_text(dedent(toml), "utf-8")
    for written, text in files.items():
        path = folder / _SUFFIX.sub(r".\1", written.replace("__", "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    return folder
