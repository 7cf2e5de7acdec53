"""A server that was installed without the embedded engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..support.served import serve

if TYPE_CHECKING:
    import pytest

# Make Python find what it finds where the package was left out.
LEFT_OUT = """
import importlib.metadata as metadata
import sys

sys.modules["vivavoce_embedded"] = None
every = metadata.entry_points
metadata.entry_points = lambda **group: metadata.EntryPoints(
    point for point in every(**group) if not point.value.startswith("vivavoce_embedded")
)
"""


def test_the_server_starts_and_names_the_package_that_its_assistants_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LEFT_OUT)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    data = tmp_path / "data"
    with serve(data) as served:
        listed = served.cli("assistants", "list")
        assert "echo" in listed
    log = (data / "server.log").read_text()
    assert log.count("install the package vivavoce-embedded: pip install vivavoce-embedded") >= 2
