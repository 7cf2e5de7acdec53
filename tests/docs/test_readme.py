"""The examples of the README run unchanged."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.served import Served

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()


def test_the_first_conversation_from_python(served: Served, key: str, tmp_path: Path) -> None:
    found = re.search(r"<!-- run: .*? -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found
    script = tmp_path / "first.py"
    script.write_text(found[1].replace("http://localhost:8080", served.url))
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"VIVAVOCE_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "9:30" in done.stdout


def test_the_porter_is_a_complete_assistant(served: Served, tmp_path: Path) -> None:
    found = re.search(r"```toml\n(# data/assistants/porter.*?)```", README, re.DOTALL)
    assert found
    folder = tmp_path / "porter"
    (folder / "knowledge").mkdir(parents=True)
    (folder / "assistant.toml").write_text(found[1])
    (folder / "knowledge/hotel.md").write_text("## Breakfast\nBreakfast is served at seven.\n")
    assert "porter has no mistakes: en; " in served.cli("assistants", "check", str(folder))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_has_a_target(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_no_page_installs_another_package_into_the_locked_environment() -> None:
    for page in PAGES:
        installed = re.findall(r"\.venv/bin/pip install (.*)", page.read_text())
        for arguments in installed:
            assert not re.match(r'"?openai', arguments), page


def test_every_make_target_in_the_text_exists() -> None:
    verbs = set(re.findall(r"make ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert verbs <= rules
