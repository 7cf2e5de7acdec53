"""`vivavoce serve`: its output, the starts that it refuses, and the files that it leaves."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vivavoce.cli.main import app

from ..support.served import Served, serve

FAILED, USAGE, UNREACHABLE = 1, 2, 3


def refused(*arguments: str) -> tuple[int, str]:
    """Run a start that fails before it listens, in this process."""
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


def test_files_of_a_killed_server_do_not_prevent_a_start(tmp_path: Path) -> None:
    with serve(tmp_path / "data") as first:
        first.stop(9)
    with serve(tmp_path / "data") as second:
        assert second.cli("link").startswith(second.url)


@pytest.mark.parametrize("command", [["talk", "--text", "hi"], ["transcribe", "-"], ["link"]])
def test_X11_nothing_is_sent_to_another_program_on_the_port_of_a_killed_server(
    tmp_path: Path, command: list[str]
) -> None:
    with serve(tmp_path / "data") as server:
        port = server.url.rpartition(":")[2]
        server.stop(signal.SIGKILL)
    assert (server.data / "server.url").read_text() == server.url
    with socket.create_server(("127.0.0.1", int(port))) as stranger:
        asked = [*command, "--data-dir", str(server.data)]
        done = CliRunner().invoke(app, asked, env={"VIVAVOCE_API_KEY": "vv_secret"})
        stranger.settimeout(0)
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert "No server runs on" in done.stderr
    assert port not in done.stdout
    assert command == ["link"] or done.exit_code == UNREACHABLE


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGINT"])
def test_X11_the_end_of_a_terminal_ends_a_server_like_any_other_signal(
    tmp_path: Path, name: str
) -> None:
    with serve(tmp_path / "data") as server:
        assert server.stop(getattr(signal, name)) == 0
        assert not (server.data / "server.url").exists()
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
        stopping, stopped = (line for line in lines if line["event"].startswith("server_stop"))
        assert (stopping["event"], stopping["signal"]) == ("server_stopping", name)
        assert stopped["event"] == "server_stopped"


def test_X11_a_start_forgets_the_address_of_a_killed_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "server.url").write_text("http://localhost:1")
    (data / "vivavoce.db").write_text("no database, so that the server never listens")
    assert refused("--port", "0", "--data-dir", str(data))[0] == FAILED
    assert not (data / "server.url").exists()


def test_port_in_use_is_reported_and_creates_no_folder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, complaint = refused("--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert status == FAILED
    assert f"Port {port}" in complaint
    assert not (tmp_path / "data").exists()


def test_invalid_port_is_a_usage_error(tmp_path: Path) -> None:
    assert refused("--port", "99999", "--data-dir", str(tmp_path / "data"))[0] == USAGE


def test_foreign_host_address_is_reported_as_such(tmp_path: Path) -> None:
    for host in ("203.0.113.1", "no such host"):
        status, complaint = refused("--host", host, "--port", "0", "--data-dir", str(tmp_path))
        assert status == FAILED
        assert f"The host {host} cannot be used" in complaint


def test_invalid_tls_file_is_named(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    odd = tmp_path / "odd.pem"
    odd.write_text("no PEM")
    for given, told in (
        ((odd, key), "is not a PEM certificate chain"),
        ((cert, odd), "is not the PEM private key"),
    ):
        status, complaint = refused("--tls-cert", str(given[0]), "--tls-key", str(given[1]),
                                    "--data-dir", str(tmp_path / "data"))  # fmt: skip
        assert status == USAGE
        assert f"{odd} {told}" in complaint


def test_untrusted_certificate_is_reported_as_such(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = map(str, certificate)
    with serve(tmp_path / "data", "--tls-cert", cert, "--tls-key", key) as server:
        said = CliRunner().invoke(
            app, ["talk", "--text", "hi", "--data-dir", str(server.data), "--assistant", "echo"]
        )
        assert said.exit_code == 3
        assert "is not trusted" in said.stderr
        trusting = subprocess.run(
            [sys.executable, "-m", "vivavoce", "talk", "--text", "hi", "--assistant", "echo",
             "--data-dir", str(server.data)],
            env=server.environ | {"SSL_CERT_FILE": cert}, timeout=60, check=False,
        )  # fmt: skip
        assert trusting.returncode == 0


def test_missing_default_assistant_is_reported_at_the_start(tmp_path: Path) -> None:
    with serve(tmp_path / "data", VIVAVOCE_CALLS__DEFAULT_ASSISTANT="nobody") as server:
        server.stop()
        assert "there is no such assistant" in server.log.read_text()


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "is not set"), ("whsec_c2VjcmV0", "is a secret of 6 bytes: 24 to 64")],
)
def test_a_webhook_without_a_secret_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, told: str
) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    if value is not None:
        monkeypatch.setenv("HOOK", value)
    (tmp_path / "vivavoce.toml").write_text(
        '[[webhooks]]\nurl = "https://example.com/hook"\nsecret = { env = "HOOK" }\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "vivavoce", "serve", "--port", "0", "--data-dir", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == FAILED
    (line,) = [each for each in done.stderr.splitlines() if "webhooks.0.secret" in each]
    assert line.startswith("error: ")
    assert f"HOOK {told}" in line
    assert "Traceback" not in done.stderr
    assert "startup failed" not in done.stderr


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a self-signed certificate for localhost, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key
