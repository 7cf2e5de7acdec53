"""Links and paths in the pages lead to files that exist."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from . import prose
from .language import ROOT

PAGES = [path for path in prose.files(ROOT) if path.suffix == ".md"]
KINDS = (".py", ".ts", ".tsx", ".css")
FILES = frozenset(
    path.relative_to(ROOT).as_posix()
    for folder in ("src", "tests", "web", "packages", "benchmarks", "scripts")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in KINDS and "node_modules" not in path.parts
)
ENDINGS = frozenset(
    "/".join(PurePosixPath(file).parts[start:])
    for file in FILES
    for start in range(len(PurePosixPath(file).parts))
)


def broken_links(page: str, folder: Path) -> list[str]:
    """Return the relative links of a page that lead to no file or folder."""
    targets = re.findall(r"\]\(\s*([^)#\s]+)", page)
    return [t for t in targets if "://" not in t and not (folder / t).exists()]


def unknown_paths(page: str) -> list[str]:
    """Return the source files in code spans that no folder has; a path may omit its start."""
    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)+)(?:::\w+)?`", page)
    return [path for path in named if path.endswith(KINDS) and path not in ENDINGS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_link_and_path_of_a_page_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    assert broken_links(text, page.parent) == []
    assert unknown_paths(text) == []


def test_a_link_or_path_to_a_missing_file_is_found() -> None:
    page = "[one](docs/gone.md#part) `runtime/gone.py` `src/words.ts` `runtime/driver.py::Work`"
    assert broken_links(page, ROOT) == ["docs/gone.md"]
    assert unknown_paths(page) == ["runtime/gone.py", "src/words.ts"]
