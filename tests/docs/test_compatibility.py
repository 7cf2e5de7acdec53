"""The page about clients shows what is tested: versions, lines of programs, and where those are."""

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
    """Without what formatters decide."""
    return re.sub(r"[\s,]", "", text)


def locked(folder: Path) -> dict[str, str]:
    """What was asked for, in the version that is installed."""
    if (folder / "package.json").exists():
        asked = json.loads((folder / "package.json").read_text())["dependencies"]
        found = json.loads((folder / "package-lock.json").read_text())["packages"]
        return {name: found[f"node_modules/{name}"]["version"] for name in asked}
    wanted = re.findall(r"^[\w-]+", (folder / "requirements.in").read_text(), re.MULTILINE)
    found = dict(re.findall(r"^([\w.-]+)==(\S+)", (folder / "requirements.txt").read_text(), re.M))
    return {name: found[name] for name in wanted}


def test_every_client_is_there() -> None:
    assert sorted(BLOCKS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_versions_are_the_tested_ones(name: str) -> None:
    versions = locked(ENVIRONMENTS / name)
    assert any(f"| {client} {version} |" in PAGE for client, version in versions.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_are_those_of_the_program(name: str) -> None:
    (program,) = (ENVIRONMENTS / name).glob("story.*")
    text = packed(program.read_text().replace("place.", ""))
    for line in BLOCKS[name].splitlines():
        for piece in line.split("…"):
            assert packed(piece) in text, line


@pytest.mark.parametrize("name", NAMES)
def test_each_section_leads_to_its_whole_program(name: str) -> None:
    section = PAGE.partition(f"<!-- client: {name} -->")[2].partition("\n## ")[0]
    (target,) = re.findall(r"The whole program: \[[^]]+\]\(([^)]+)\)", section)
    (program,) = (ENVIRONMENTS / name).glob("story.*")
    assert (ROOT / "docs" / target).resolve() == program


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
