"""`vivavoce serve`: what it prints, what it refuses, what it leaves behind."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from vivavoce.cli.main import app

from ..support.served import Served, serve

FAILED, USAGE = 1, 2


def refused(*arguments: str) -> tuple[int, str]:
    """A start that fails before anything listens; so it may be tried in this process."""
    done = CliRunner().invoke(app, ["serve", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def test_a_second_server_on_the_same_folder_is_refused(served: Served) -> None:
    before = (served.data / "server.url").read_text()
    second = subprocess.run(
        [sys.executable, "-m", "vivavoce", "serve", "--port", "0", "--data-dir", str(served.data)],
        env=served.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode == FAILED
    assert "Another server runs on" in second.stderr
    assert (served.data / "server.url").read_text() == before == served.url
    assert stat.S_IMODE((served.data / "server.url").stat().st_mode) == 0o600
    assert "#code=" in served.cli("link")


def test_what_a_killed_server_left_is_no_obstacle(tmp_path: Path) -> None:
    with serve(tmp_path / "data") as first:
        first.stop(9)
    with serve(tmp_path / "data") as second:
        assert second.cli("link").startswith(second.url)


def test_a_port_in_use_is_said_and_leaves_no_folder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, complaint = refused("--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert status == FAILED
    assert f"Port {port}" in complaint
    assert not (tmp_path / "data").exists()
