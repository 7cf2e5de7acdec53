"""The tutorial works as it is written, step after step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ..support.served import TAKES_ALL, Served, serve

TUTORIAL = (Path(__file__).parents[2] / "docs/tutorial.md").read_text()


def answer(server: Served, question: str) -> str:
    """Ask again while the first call is being prepared, as the tutorial says."""
    for _ in range(12):
        said = server.cli("talk", "--text", question, "--assistant", "porter", check=False)
        if said:
            return said
    raise AssertionError("the porter never came")


def test_the_porter_of_the_tutorial_answers_and_calls_a_taxi(tmp_path: Path) -> None:
    files = re.findall(r"<!-- file: (.*?) -->\n```\w+\n(.*?)```", TUTORIAL, re.DOTALL)
    assert len(files) == 3
    for name, text in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with serve(tmp_path / "data", **TAKES_ALL) as server:
        folder = str(server.data / "assistants/porter")
        assert "porter has no mistakes" in server.cli("assistants", "check", folder)
        asked, room = re.findall(r'talk --text "(.*?)"', TUTORIAL)
        assert "from seven to ten" in answer(server, asked)
        assert "2 rooms are free" in answer(server, room)
        (spoken,) = re.findall(r"Ask “(.*?)”", TUTORIAL)
        assert "twelve euros" in answer(server, spoken)

        (program,) = re.findall(r"<!-- run: .*? -->\n```python\n(.*?)```", TUTORIAL, re.DOTALL)
        script = tmp_path / "porter.py"
        script.write_text(program.replace("http://localhost:8080", server.url))
        done = subprocess.run(
            [sys.executable, str(script)],
            env=os.environ | {"VIVAVOCE_API_KEY": server.key()},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "The taxi for room 12 comes in five minutes." in done.stdout
