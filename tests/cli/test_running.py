"""Commands in a folder without data name the folders on which servers run."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vivavoce.app import data_folder
from vivavoce.app.data_folder import DataFolder
from vivavoce.cli import lock, running
from vivavoce.cli.main import app

from ..support.served import serve

UNREACHABLE, MISSING = 3, 5


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a user's folders of their own."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("VIVAVOCE_DATA_DIR", raising=False)
    return tmp_path


def run(*arguments: str, answer: str = "") -> Result:
    done = CliRunner().invoke(app, arguments, input=answer)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize("command", [["keys", "create"], ["keys", "list"], ["link"]])
def test_N10_command_without_a_folder_names_the_one_with_a_server(
    home: Path, command: list[str]
) -> None:
    data = DataFolder(home / "my data")
    data.create()
    with lock.held(data), running.noted(data):
        done = run(*command)
        assert done.exit_code == MISSING
        assert f"A server runs on '{data.root}': --data-dir '{data.root}'" in done.stderr
    assert not data_folder.default().root.exists()
    assert running.folders() == []
    assert "A server runs" not in run(*command).stderr


def test_a_client_without_a_server_in_its_folder_names_the_folder_with_one(home: Path) -> None:
    data = DataFolder(home / "other")
    data.create()
    with lock.held(data), running.noted(data):
        done = run("talk", "--text", "hello")
    assert done.exit_code == UNREACHABLE
    told = " ".join(done.stderr.split())
    assert f"A server runs on {data.root}: --data-dir {data.root}" in told
    assert "Name the folder of one" in " ".join(run("talk", "--text", "hello").stderr.split())


def test_N10_new_folder_needs_a_yes_or_its_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = data_folder.default().root
    refused = run("keys", "create")
    assert refused.exit_code == MISSING
    assert f"To begin with a new folder: --data-dir {root}" in refused.stderr.replace("\n", " ")
    assert not root.exists()

    monkeypatch.setattr("vivavoce.cli.common.is_interactive", lambda: True)
    assert run("keys", "create", answer="n\n").exit_code != 0
    assert not root.exists()
    assert "\nvv_" in run("keys", "create", answer="y\n").stdout
    assert run("keys", "create").stdout.startswith("vv_")  # the folder is not new any more


def test_N10_key_in_a_named_new_folder_warns_of_servers_elsewhere(home: Path) -> None:
    data = DataFolder(home / "data")
    data.create()
    with lock.held(data), running.noted(data):
        done = run("keys", "create", "--data-dir", str(home / "dta"))
    assert done.exit_code == 0
    assert f"A new data folder: {home / 'dta'}" in done.stderr
    assert f"A server runs on {data.root}" in done.stderr


def test_N10_folder_of_a_killed_server_is_not_named(home: Path) -> None:
    with serve(home / "data", XDG_STATE_HOME=str(home / "xdg_state_home")) as server:
        assert [each.root for each in running.folders()] == [home / "data"]
        server.stop(9)
        assert running.folders() == []
        assert list((home / "xdg_state_home/vivavoce/running").iterdir())


def test_N10_server_runs_where_the_home_cannot_be_written(home: Path) -> None:
    (home / "xdg_state_home").write_text("no folder")
    with running.noted(DataFolder(home)):
        assert running.folders() == []
