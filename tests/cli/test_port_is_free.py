"""`make run` finds a port in use before its set-up."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/port_is_free.py"


def check(port: object, data: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", str(SCRIPT), str(port), str(data)],
        env=environ, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.fixture
def port() -> Iterator[int]:
    """Listen on a port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_N11_port_in_use_is_found_before_the_set_up(port: int, tmp_path: Path) -> None:
    found = check(port, tmp_path)
    assert found.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used: address already in use." in found.stderr
    assert "make run PORT=9000" in found.stderr


def test_N11_make_asks_for_the_port_first() -> None:
    (recipe,) = re.findall(
        r"^run:(.*)\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    prerequisites, steps = recipe[0].split(), recipe[1].splitlines()
    assert prerequisites == []
    assert "scripts/port_is_free.py" in steps[0]
    assert "setup web" in steps[1]


def test_N11_make_run_ends_before_its_set_up(port: int, tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "run", f"PORT={port}", f"DATA_DIR={tmp_path}", f"PYTHON={sys.executable}",
         f"BIN={tmp_path}/bin", f"DONE={tmp_path}/done"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"Port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_N11_host_of_the_settings_is_asked(port: int, tmp_path: Path) -> None:
    (tmp_path / "vivavoce.toml").write_text('[server]\nhost = "127.0.0.2"\n')
    assert check(port, tmp_path).returncode == 0
    assert check(port, tmp_path, VIVAVOCE_SERVER__HOST="127.0.0.1").returncode == 1
    (tmp_path / "vivavoce.toml").write_text("broken")  # the server says so
    assert check(port, tmp_path).returncode == 1
    assert check(0, tmp_path).returncode == 0
    assert check(70000, tmp_path).returncode == 1
    assert "is not a number" in check("many", tmp_path).stderr
