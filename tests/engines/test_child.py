"""Processes of our own: what they are given."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from vivavoce.engines.child_process import environment

if TYPE_CHECKING:
    import pytest


def test_a_child_process_gets_no_key_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("OPENAI_API_KEY", "VIVAVOCE_API_KEY", "ANYTHING_ELSE")
    for name in secrets:
        monkeypatch.setenv(name, "sk-not-for-children")
    shown = subprocess.run(
        [sys.executable, "-c", "import os, vivavoce; print(*os.environ)"],
        env=environment("vivavoce_embedded"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "PATH" in shown.split(), "it finds programs, and it imported the package"
    assert not set(secrets) & set(shown.split())
