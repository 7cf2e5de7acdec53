"""Which of a folder's files an assistant answers from: `[knowledge]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .ground import Flaw, Ground, stays_inside, unreadable

FILE_BYTES = 2 * 1024 * 1024
BYTES = 32 * 1024 * 1024  # of all of them
FILES = 1000
KINDS = (".md", ".csv")


def found(patterns: Iterable[str], folder: Path) -> list[Path]:
    """What the patterns match now, in order of name, each once."""
    return sorted({path for pattern in patterns for path in _matches(pattern, folder)})


def _matches(pattern: str, folder: Path) -> Iterator[Path]:
    for path in folder.glob(pattern):
        if path.is_file() and not path.name.startswith("."):
            yield path


def judge(patterns: tuple[str, ...], ground: Ground) -> Iterator[Flaw]:
    """What is wrong with the patterns, and with every file that they match."""
    seen: set[Path] = set()
    home = ground.folder.resolve()
    for index, pattern in enumerate(patterns):
        if not stays_inside(pattern):
            yield Flaw(f'"{pattern}" must be a path inside the assistant\'s folder', (index,))
            continue
        if any("**" in part and part != "**" for part in pattern.split("/")):
            yield Flaw(f'"{pattern}": "**" must stand alone between slashes', (index,))
            continue
        matched = set(_matches(pattern, ground.folder))
        if not matched and not any(c in pattern for c in "*?["):
            yield Flaw(f'there is no file "{pattern}" in the assistant\'s folder', (index,))
        for path in sorted(matched - seen):
            yield from _judge_file(path, path.relative_to(ground.folder).as_posix(), home, index)
        seen |= matched
    if sum(path.stat().st_size for path in seen) > BYTES:
        yield Flaw(f"match more than {BYTES} bytes in all")
    if len(seen) > FILES:
        yield Flaw(f"match {len(seen)} files; at most {FILES} are read")


def _judge_file(path: Path, name: str, home: Path, index: int) -> Iterator[Flaw]:
    if not path.resolve().is_relative_to(home):
        yield Flaw(f'"{name}" leads out of the assistant\'s folder', (index,))
    elif path.suffix.lower() not in KINDS:
        yield Flaw(f'"{name}": only Markdown (.md) and CSV (.csv) are read', (index,))
    elif (why := unreadable(path, FILE_BYTES)) is not None:
        message, line = why
        yield Flaw(message, (index,), name, line)
