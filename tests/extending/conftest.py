from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGES = ("dtmf", "sums", "formants", "units", "phonetics", "audiosocket")

# Each package runs its own tests in a process of its own.
collect_ignore_glob = ["*/test_*.py"]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the packages by pip into a folder of its own, without a network."""
    folder = tmp_path_factory.mktemp("site")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", str(folder)]
        + [str(HERE / name) for name in PACKAGES],
        check=True, timeout=120,
    )  # fmt: skip
    return folder
