"""`vivavoce doctor` tries what this server uses, and its advice follows from the cause."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vivavoce import config
from vivavoce.app import checks
from vivavoce.app.checks import CheckResult
from vivavoce.app.checks.storage import fix_for, fixes_for_store
from vivavoce.app.data_folder import DataFolder
from vivavoce.cli.main import app
from vivavoce.net import egress
from vivavoce.store.sql import migrations

from ..support.endpoints import KEY, Served, serving


def doctor(data: Path, *names: str, spend: bool = False) -> dict[str, CheckResult]:
    """Run the checks whose names begin so, and return their results."""

    async def run() -> dict[str, CheckResult]:
        folder = DataFolder(data)
        async with checks.opened(folder, config.load(folder.settings), spend=spend) as context:
            return {
                name: await checks.run_check(name, check, context)
                for name, check in checks.all_checks(context).items()
                if name.startswith(names)
            }

    found = asyncio.run(run())
    assert found
    assert all(each.fix for each in found.values() if not each.ok)
    return found


def assistant(data: Path, name: str, toml: str) -> None:
    folder = data / "assistants" / name
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(
        f'name = "{name}"\nlanguages = ["en"]\n{toml}\n[instructions]\ndefault = "Be brief."\n'
    )
    data.chmod(0o700)


def openai(data: Path, url: str, **settings: str) -> None:
    """Let an assistant use `[openai]` for everything."""
    assistant(data, "ada", '[cascade]\nstt = "openai"\nbrain = "openai"\ntts = "openai"')
    lines = [f'{key} = "{value}"' for key, value in {"base_url": url, **settings}.items()]
    (data / "vivavoce.toml").write_text("\n".join(["[openai]", *lines]))


PARTS = ("recogniser openai", "brain openai", "voice openai")


@contextmanager
def models() -> Iterator[Served]:
    """Run a server of models, which has one model for everything: `scripted`."""
    with asyncio.Runner() as runner:
        opened = serving()
        served = runner.run(opened.__aenter__())
        try:
            yield served
        finally:
            runner.run(opened.__aexit__(None, None, None))


# What the assistants use


def test_O3_server_of_models_is_used_once_with_its_key(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with models() as served:
        names = ("chat_model", "transcription_model", "speech_model")
        openai(data, served.base_url, **dict.fromkeys(names, "scripted"))
        monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
        found = doctor(data, *PARTS)
        for name in PARTS:
            assert found[name].ok, found[name]
            assert "has the model scripted" in found[name].message
        assert "decoded a second of silence" in found[PARTS[0]].message
        assert "answered in" in found[PARTS[1]].message
        assert "spoke" in found[PARTS[2]].message
        assert served.app.state.asked == 6  # one list of models and one use, for each part


@pytest.mark.parametrize("key", ["", "sk-wrong"])
def test_O3_key_that_is_missing_or_wrong_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    with models() as served:
        openai(data, served.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", key)
        found = doctor(data, *PARTS)
        for name in PARTS:
            assert not found[name].ok
            assert "401" in found[name].message
            assert "OPENAI_API_KEY" in found[name].fix
            assert "sk-wrong" not in str(found)


def test_O3_model_that_the_server_does_not_have_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with models() as served:
        openai(data, served.base_url, chat_model="lama3")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        found = doctor(data, *PARTS)
        assert "has no model lama3: it has" in found["brain openai"].message
        assert "Choose one of them" in found["brain openai"].fix


def test_O3_dead_address_is_named_with_its_port(data: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        openai(data, f"http://127.0.0.1:{port}/v1")
        found = doctor(data, *PARTS)
    for name in PARTS:
        assert f"127.0.0.1:{port} cannot be reached (ada uses it)" in found[name].message
        assert "[openai] base_url" in found[name].fix


def test_O3_provider_that_may_cost_money_is_not_used(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server at a public address is asked for its models only."""
    with models() as served:
        openai(data, served.base_url, chat_model="scripted")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)

        async def is_public(url: str) -> bool:
            return False

        monkeypatch.setattr(egress, "is_private", is_public)  # no test reaches the internet
        found = doctor(data, "brain openai")["brain openai"]
        assert found.message.endswith("not used, because that may cost money (--spend uses it)")
        assert served.app.state.asked == 1
        found = doctor(data, "brain openai", spend=True)["brain openai"]
        assert "answered in" in found.message
        assert served.app.state.asked == 3


def test_O3_embedded_parts_are_used_once(data: Path) -> None:
    found = doctor(data, "recogniser", "brain", "voice espeak")
    assert "decoded a second of silence" in found["recogniser pocketsphinx"].message
    assert "answered in" in found["brain extractive"].message
    assert "spoke" in found["voice espeak"].message


def test_a_language_that_an_adapter_does_not_serve_is_named(data: Path) -> None:
    assistant(data, "ada", "")
    path = data / "assistants/ada/assistant.toml"
    path.write_text(path.read_text().replace('["en"]', '["en", "it", "fr"]'))
    found = doctor(data, "recogniser", "voice espeak")
    message = found["recogniser pocketsphinx"].message
    assert (
        "warning: does not serve Italian, French of ada; Italian, Spanish of charlotte" in message
    )
    assert "warning" not in found["voice espeak"].message


def test_the_tools_of_all_roles_are_counted(data: Path) -> None:
    assistant(data, "ada", 'roles = ["guest", "staff"]\nengine = "scripted"')
    (data / "assistants/ada/tools.py").write_text(
        "from vivavoce import tool\n"
        "@tool\ndef look() -> str:\n    'Look.'\n    return ''\n"
        "@tool(roles=['staff'])\ndef refund() -> str:\n    'Refund.'\n    return ''\n"
    )
    assert doctor(data, "tools of ada")["tools of ada"].message == "2 tools are ready"


def test_what_reads_images_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert doctor(data, "images")["images"].message.startswith("not read: ")
    program = tmp_path / "bin/tesseract"
    for listed, message in (("eng\nosd", "read by tesseract: eng"), ("osd", "has no language")):
        program.write_text(f"#!/bin/sh\necho '{listed}'\n")
        program.chmod(0o700)
        assert message in doctor(data, "images")["images"].message


@pytest.mark.parametrize(
    ("key", "content", "told"),
    [
        ('{ env = "EVES_KEY" }', None, "EVES_KEY is not set"),
        ('{ env = "EMPTY" }', None, "EMPTY is empty"),
        ('{ env = "ODD" }', None, "ODD is not a key: no header can carry it"),
        ('{ file = "key" }', None, "key there is no such file"),
        ('{ file = "key" }', "\n", "key is empty"),
    ],
)
def test_O3_key_of_a_provider_is_judged_by_its_cause(
    data: Path, monkeypatch: pytest.MonkeyPatch, key: str, content: str | None, told: str
) -> None:
    monkeypatch.delenv("EVES_KEY", raising=False)
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("ODD", "sk-é")
    assistant(data, "eve", f'engine = "upstream"\n[upstream]\nkey = {key}')
    if content is not None:
        (data / "assistants/eve/key").write_text(content)
    found = doctor(data, "provider")["provider of eve"]
    assert not found.ok
    assert found.message.endswith(told)
    assert "[upstream] key" in found.fix


def test_O3_provider_that_does_not_run_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVES_KEY", "sk-1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        upstream = (
            f'engine = "upstream"\n[upstream]\nbase_url = "{url}"\nkey = {{ env = "EVES_KEY" }}'
        )
        for name in ("eve", "mia"):
            assistant(data, name, upstream)
        found = doctor(data, "provider")["provider of eve, mia"]
    assert found.message.startswith(f"{url}: The model cannot be reached")
    assert "[upstream] base_url" in found.fix


def test_O3_port_of_the_settings_that_another_program_uses_is_named(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (data / "vivavoce.toml").write_text(f"[server]\nport = {port}\n")
        found = doctor(data, "server")["server"]
    assert f"Another program uses port {port} of 127.0.0.1" in found.message


# Storage


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 1 MiB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(mounted)]
    try:
        done = subprocess.run(options, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no program that mounts a disk")
    if done.returncode:
        pytest.skip("this user may not mount a disk")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_O2_full_disk_is_advised_to_be_freed(small_disk: Path) -> None:
    CliRunner().invoke(app, ["keys", "create", "--data-dir", str(small_disk)])
    with (small_disk / "film").open("wb", buffering=0) as film, suppress(OSError):
        while True:
            film.write(bytes(4096))
    assert shutil.disk_usage(small_disk).free == 0
    found = doctor(small_disk, "data")
    for name in ("data folder", "database"):
        assert not found[name].ok
        assert "Free space" in found[name].fix, found[name]
    assert (small_disk / "vivavoce.db").exists()


def test_O2_read_only_disk_is_advised_to_be_mounted_for_writing(small_disk: Path) -> None:
    CliRunner().invoke(app, ["keys", "create", "--data-dir", str(small_disk)])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    found = doctor(small_disk, "data")
    assert "Read-only file system" in found["data folder"].message
    assert "mount it for writing" in found["data folder"].fix
    assert not found["database"].ok
    assert "writable" in found["database"].fix


def database(data: Path) -> sqlite3.Connection:
    CliRunner().invoke(app, ["keys", "create", "--data-dir", str(data)])
    return sqlite3.connect(data / "vivavoce.db")


def test_O2_newer_schema_is_advised_to_be_updated(data: Path) -> None:
    with closing(database(data)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    found = doctor(data, "database")["database"]
    assert "used by a newer version" in found.message
    assert found.fix.startswith("Update Vivavoce")


def test_O2_older_schema_stays_until_the_server_starts(data: Path) -> None:
    with closing(database(data)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
    found = doctor(data, "database")["database"]
    assert found.ok
    assert found.message.startswith(f"its schema is 0001, and this version's is {migrations.HEAD}")
    with closing(sqlite3.connect(data / "vivavoce.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            ("0001",)
        ]


def test_O2_damage_is_advised_to_be_restored(data: Path) -> None:
    database(data).close()
    file = data / "vivavoce.db"
    damaged = file.read_bytes()[:4096] + os.urandom(4096) + file.read_bytes()[8192:]
    file.write_bytes(damaged)
    found = doctor(data, "database")["database"]
    assert not found.ok
    assert "restore vivavoce.db from a backup" in found.fix
    assert file.read_bytes() == damaged


def test_O2_no_advice_moves_or_deletes_data(data: Path) -> None:
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.EIO, 0)
    advice = [fix_for(OSError(code, ""), data) for code in codes]
    advice += fixes_for_store(DataFolder(data)).values()
    assert len(set(advice)) >= 9
    for fix in advice:
        assert not {"move", "delete", "remove", "rm"} & set(fix.lower().split()), fix


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="for users whom modes bind")
def test_O2_folder_of_another_user_names_its_owner(data: Path) -> None:
    data.chmod(0o500)
    found = doctor(data, "data folder")["data folder"]
    data.chmod(0o700)
    assert f"Run as its owner ({data.owner()})" in found.fix


def test_O3_settings_of_another_file_are_used(data: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        file = tmp_path / "elsewhere.toml"
        file.write_text(f"[server]\nport = {port}\n")
        options = ["doctor", "--json", "--data-dir", str(data), "--config", str(file)]
        done = CliRunner().invoke(app, options)
    (found,) = (each for each in json.loads(done.stdout) if each["check"] == "server")
    assert done.exit_code == 5
    assert f"Another program uses port {port} of 127.0.0.1" in found["message"]
