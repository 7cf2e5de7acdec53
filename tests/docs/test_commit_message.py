"""Commit subjects: the hook that checks them, alone and in a real repository."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/commit_message.py"
problems = cast("Callable[[str], list[str]]", runpy.run_path(str(SCRIPT))["problems"])


@pytest.mark.parametrize(
    "message",
    [
        "playout: stop the audio of a reused item id",
        "core: rename hearing to input_audio\n\nThe protocol calls it the input audio buffer.\n",
        "cli, docs: print the exit code",
        "docs/decisions: add vocabulary",
        "http: HTTP 408 for a body that does not arrive",
        "tests: add a story\n\n# Please enter the commit message for your changes.\n",
        "\n# a comment first\nstore: add an index\n",
        'Revert "store: add an index"\n\nThis reverts commit 1f26791.\n',
        "fixup! store: add an index",
        "store: " + "x" * 65,
        "store: add an index\n# ------------------------ >8 ------------------------\nnot the body",
    ],
)
def test_a_subject_with_area_and_imperative_passes(message: str) -> None:
    assert problems(message) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("Calls are counted once", "area: imperative"),
        ("store:add an index", "area: imperative"),
        ("store: ", "area: imperative"),
        ("store: " + "x" * 66, "73 characters"),
        ("store: Add an index", "`add`"),
        ("store: added an index", "not an imperative"),
        ("store: uses an index", "not an imperative"),
        ("store: making an index", "not an imperative"),
        ("store: add an index.", "full stop"),
        ("store: add an index; refuse old files", "one change"),
        ("wip: store", "`wip`"),
        ("store: wip", "`wip`"),
        ("Merge branch 'main' into store", "Rebase"),
        ("store: add an index\nbecause reads are slow", "empty line"),
    ],
)
def test_a_subject_that_breaks_a_rule_is_refused_with_advice(message: str, problem: str) -> None:
    assert any(problem in one for one in problems(message)), problems(message)


def test_git_refuses_the_commit_and_prints_the_advice(tmp_path: Path) -> None:
    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        names = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com"}
        names |= {key.replace("AUTHOR", "COMMITTER"): value for key, value in names.items()}
        return subprocess.run(
            ["git", "-C", str(tmp_path), *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | names,
            capture_output=True,
            text=True,
            check=False,
        )

    assert git("init", "-q").returncode == 0
    hook = tmp_path / ".git/hooks/commit-msg"
    hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SCRIPT}" "$1"\n')
    hook.chmod(0o755)
    refused = git("commit", "--allow-empty", "-m", "Added an index; no story")
    assert refused.returncode != 0
    assert "area: imperative" in refused.stderr
    assert git("commit", "--allow-empty", "-m", "store: add an index").returncode == 0
    assert git("log", "--format=%s").stdout == "store: add an index\n"


def test_the_hook_is_configured_for_commit_messages() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    _, _, hook = hooks.partition("- id: commit-message")
    assert "entry: python3 scripts/commit_message.py" in hook
    assert "stages: [commit-msg]" in hook
    assert "default_install_hook_types: [pre-commit, commit-msg]" in hooks
