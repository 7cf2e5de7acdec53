"""What the README shows is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ..support.served import Served

ROOT = Path(__file__).parents[2]
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


def test_the_porter_is_a_whole_assistant(served: Served, tmp_path: Path) -> None:
    found = re.search(r"```toml\n(# data/assistants/porter.*?)```", README, re.DOTALL)
    assert found
    folder = tmp_path / "porter"
    (folder / "knowledge").mkdir(parents=True)
    (folder / "assistant.toml").write_text(found[1])
    (folder / "knowledge/hotel.md").write_text("## Breakfast\nBreakfast is served at seven.\n")
    assert "porter is right" in served.cli("assistants", "check", str(folder))


def test_every_link_leads_somewhere() -> None:
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text()):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("https://") or (ROOT / target).exists(), target


def test_every_make_verb_that_is_named_exists() -> None:
    verbs = set(re.findall(r"make ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert verbs <= rules
