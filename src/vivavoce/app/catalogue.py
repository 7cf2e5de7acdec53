"""Load the assistants of a data folder, or check one folder of an author."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..assistants import SHIPPED, Assistant, Catalogue, load
from ..engines.registry import Registry, installed
from ..engines.scripted import script
from ..errors import AssistantError, Mistake
from ..file_reading import FolderFile, UnreadableFileError
from ..knowledge import ingest
from ..knowledge.folder import NOT_IN_PATHS
from ..toml import line_of, read_toml, toml_lines
from ..tools import migrations
from ..tools.function_table import functions_of
from .adapters import CascadeKind, known
from .data_folder import DataFolder

FILE = "assistant.toml"
FILE_BYTES = 256 * 1024
FEW = 10  # languages that a message lists


@dataclass(frozen=True, slots=True)
class CheckedAssistant:
    """An assistant without mistakes, and the number of chunks that its knowledge files gave.

    `functions`: the number of tools in its `tools.py`.

    `warnings` name what its author wrote and the assistant does not use.
    """

    assistant: Assistant
    chunks: int
    functions: int = 0
    warnings: list[Mistake] = field(default_factory=list)


def load_catalogue(data: DataFolder) -> Catalogue:
    """Load the shipped assistants and the folder's own, as they are on the disk now."""
    return Catalogue([SHIPPED, data.assistants], known(), functions_of)


def load_shipped(name: str) -> Assistant:
    """Load one of the assistants that ship with the server. Raises `AssistantError`."""
    return load(SHIPPED / name, known())


def assistant_folder(data: DataFolder, name: str) -> Path:
    """Return where an assistant's files are: the user's own folder hides a shipped one."""
    own = data.assistants / name
    return own if own.exists() else SHIPPED / name


def check_assistant(folder: Path, registry: Registry | None = None) -> CheckedAssistant:
    """Load an assistant, its knowledge and its script. Raises `MistakesError`: every mistake."""
    registry = registry or installed()
    assistant = load(folder, known(registry))
    found = ingest.read_files(assistant.knowledge_files(), assistant.languages)
    unserved = _unserved_languages(assistant, registry)
    mistakes = [*unserved.pop("brain", ()), *_broken_functions(assistant)]
    mistakes += [*migrations.check(assistant.folder), *found.mistakes]
    if mistakes:
        raise AssistantError(mistakes)
    warnings = [
        *found.warnings,
        *(Mistake(str(each), "", None, NOT_IN_PATHS) for each in assistant.unused_files()),
        *_unused_knowledge(assistant, registry, len(found.chunks)),
        *_undeclared_tools(assistant),
        *(warning for told in unserved.values() for warning in told),
    ]
    functions = len(functions_of(assistant))
    return CheckedAssistant(assistant, len(found.chunks), functions, warnings)


def _broken_functions(assistant: Assistant) -> list[Mistake]:
    """Name every mistake in the assistant's `tools.py`."""
    try:
        functions_of(assistant)
    except AssistantError as error:
        return error.mistakes
    return []


_UNSERVED: Mapping[CascadeKind, str] = {
    "brain": 'the brain "{name}" does not answer in "{language}"',
    "stt": 'the recogniser "{name}" does not understand "{language}", so people must type in it',
    "tts": 'the voice "{name}" does not speak "{language}"',
}


def _unserved_languages(
    assistant: Assistant, registry: Registry
) -> dict[CascadeKind, list[Mistake]]:
    """Name the languages of an assistant that one of its adapters does not serve, by its kind.

    A brain without the language gives no answer, which is a mistake. Without a recogniser people
    can type, and without a voice they can read.
    """
    found: dict[CascadeKind, list[Mistake]] = {}
    for language in assistant.languages if assistant.engine == "cascade" else ():
        for kind, message in _UNSERVED.items():
            name = assistant.adapter(kind, language)
            spec = registry.get(kind, name)
            if spec is None or spec.languages is None or spec.serves(language):
                continue
            text = message.format(name=name, language=language) + _only(spec.languages)
            found.setdefault(kind, []).append(_mistake(assistant, "languages", text))
    return found


def _only(languages: frozenset[str]) -> str:
    """Name the served languages, if there are at most `FEW`."""
    return f": only {', '.join(sorted(languages))}" if len(languages) <= FEW else ""


def _unused_knowledge(assistant: Assistant, registry: Registry, chunks: int) -> list[Mistake]:
    """Warn of knowledge that no brain of the assistant reads."""
    if not chunks:
        return []
    if assistant.engine == "scripted":
        message = f"the engine {assistant.engine!r} does not read knowledge"
        return [_mistake(assistant, "knowledge", message)]
    if assistant.engine == "upstream":
        return []
    brains = {assistant.adapter("brain", language) for language in assistant.languages}
    specs = (registry.get("brain", name) for name in sorted(brains))
    return [
        _mistake(assistant, "knowledge", f'the brain "{spec.name}" does not read knowledge')
        for spec in specs
        if spec is not None and spec.knowledge == "unused"
    ]


def _undeclared_tools(assistant: Assistant) -> list[Mistake]:
    """Warn of a script that calls a tool which the assistant does not declare.

    A client may still declare it in its session. Raises `ConfigError` if the script has mistakes.
    The tools of a server are known only when it runs, so their assistants get no warning.
    """
    if (file := assistant.script()) is None:
        return []
    called = {call.name: None for rule in script.load(file).rules for call in rule.calls}
    if assistant.server_tools():
        return []
    declared = {tool.name for tool in assistant.tools()}
    declared |= {function.spec.name for function in functions_of(assistant)}
    return [
        _mistake(assistant, "tools", f'the script calls the tool "{name}", which is not declared')
        for name in called
        if name not in declared
    ]


def _mistake(assistant: Assistant, key: str, message: str) -> Mistake:
    """Place a sentence at a key of the assistant's own file."""
    try:
        lines = toml_lines(read_toml(FolderFile(assistant.folder, FILE), FILE_BYTES).text)
        line = line_of(lines, (key,))
    except UnreadableFileError:
        line = None
    return Mistake(f"{assistant.folder.name}/{FILE}", key, line, message)
