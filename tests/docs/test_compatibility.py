"""The page about clients matches the tests: versions, lines of programs, and links to them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "tests/clients/environments"
PAGE = (ROOT / "docs/compatibility.md").read_text()
BLOCKS = dict(re.findall(r"<!-- client: (\w+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
NAMES = sorted(folder.parent.name for folder in ENVIRONMENTS.glob("*/story.*"))


def packed(text: str) -> str:
    """Return the text without whitespace and commas, which formatters change."""
    return re.sub(r"[\s,]", "", text)


def locked(folder: Path) -> dict[str, str]:
    """Return the locked version of each direct dependency."""
    if (folder / "package.json").exists():
        direct = json.loads((folder / "package.json").read_text())["dependencies"]
        found = json.loads((folder / "package-lock.json").read_text())["packages"]
        return {name: found[f"node_modules/{name}"]["version"] for name in direct}
    direct = re.findall(r"^[\w-]+", (folder / "requirements.in").read_text(), re.MULTILINE)
    found = dict(re.findall(r"^([\w.-]+)==(\S+)", (folder / "requirements.txt").read_text(), re.M))
    return {name: found[name] for name in direct}


def test_every_client_has_a_block() -> None:
    assert sorted(BLOCKS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_row_shows_the_locked_version(name: str) -> None:
    versions = locked(ENVIRONMENTS / name)
    assert any(f"| {client} {version} |" in PAGE for client, version in versions.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_of_a_block_are_in_its_program(name: str) -> None:
    (program,) = (ENVIRONMENTS / name).glob("story.*")
    text = packed(program.read_text().replace("place.", ""))
    for line in BLOCKS[name].splitlines():
        for piece in line.split("…"):
            assert packed(piece) in text, line


@pytest.mark.parametrize("name", NAMES)
def test_each_section_links_to_its_whole_program(name: str) -> None:
    section = PAGE.partition(f"<!-- client: {name} -->")[2].partition("\n## ")[0]
    (target,) = re.findall(r"The whole program: \[[^]]+\]\(([^)]+)\)", section)
    (program,) = (ENVIRONMENTS / name).glob("story.*")
    assert (ROOT / "docs" / target).resolve() == program
