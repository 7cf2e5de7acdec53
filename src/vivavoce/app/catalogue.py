"""Load the assistants of a data folder, or check one folder of an author."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..assistants import SHIPPED, Assistant, Catalogue, load
from ..engines.scripted import script
from ..knowledge import ingest
from .adapters import known
from .data_folder import DataFolder


@dataclass(frozen=True, slots=True)
class CheckedAssistant:
    """An assistant without mistakes, and the number of chunks that its knowledge files gave."""

    assistant: Assistant
    chunks: int


def load_catalogue(data: DataFolder) -> Catalogue:
    """Load the shipped assistants and the folder's own, as they are on the disk now."""
    return Catalogue([SHIPPED, data.assistants], known())


def load_shipped(name: str) -> Assistant:
    """Load one of the assistants that ship with the server. Raises `AssistantError`."""
    return load(SHIPPED / name, known())


def assistant_folder(data: DataFolder, name: str) -> Path:
    """Return where an assistant's files are: the user's own folder hides a shipped one."""
    own = data.assistants / name
    return own if own.exists() else SHIPPED / name


def check_assistant(folder: Path) -> CheckedAssistant:
    """Load an assistant, its knowledge and its script. Raises `MistakesError`: every mistake."""
    assistant = load(folder, known())
    chunks = ingest.load(assistant.knowledge_files(), assistant.languages)
    if (file := assistant.script()) is not None:
        script.load(file)
    return CheckedAssistant(assistant, len(chunks))
