"""The files in `deploy/` and the examples of the how-to pages run as they are shown."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import sync_playwright
from typer.testing import CliRunner
from websockets.sync.client import connect

from vivavoce.cli.main import app
from vivavoce.config import Settings, load
from vivavoce.engines.tts.espeak import Espeak

from ..browser.page import chromium
from ..support import programs
from ..support.model_server import model_server
from ..support.served import TAKES_ALL, Served, serve

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HOW_TO = ROOT / "docs/how-to"
NAME = "voice.example.com"
NGINX, CADDY = programs.find("nginx"), programs.find("caddy")


def shown(page: str, kind: str, number: int = 0) -> str:
    """Return a block of a page that says it is run."""
    found: list[str] = re.findall(
        rf"<!-- run: .*? -->\n```{kind}\n(.*?)```", (HOW_TO / page).read_text(), re.DOTALL
    )
    return found[number]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for another program, which has no other way to say that it is ready."""
    deadline = time.monotonic() + 30
    while not true():
        assert process.poll() is None, "the program ended"
        assert time.monotonic() < deadline, "the program is not ready"
        time.sleep(0.05)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(command: list[str], ready: Callable[[], bool], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until(ready, process)
        yield
    finally:
        process.terminate()
        process.wait(20)


# Proxies


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "fullchain.pem", folder / "privkey.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
def behind_proxy(tmp_path: Path) -> Iterator[tuple[Served, int]]:
    """Serve with the public address of the pages; return the port that it listens on."""
    port = free_port()
    public = {"VIVAVOCE_SERVER__PUBLIC_URL": f"https://{NAME}"}
    with serve(tmp_path / "data", "--port", str(port), **TAKES_ALL, **public) as server:
        yield server, port


def a_proxy_serves(server: Served, port: int, trust: ssl.SSLContext) -> None:
    """Hold a call, and sign in."""
    key = server.key()
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        connect(f"wss://{NAME}/v1/realtime?model=echo", sock=raw, ssl=trust,
                additional_headers={"api-key": key}) as call,
    ):  # fmt: skip
        assert json.loads(call.recv(10))["type"] == "session.created"
        part = {"type": "input_text", "text": "good evening"}
        item = {"type": "message", "role": "user", "content": [part]}
        call.send(json.dumps({"type": "conversation.item.create", "item": item}))
        call.send(json.dumps({"type": "response.create", "response": {
            "output_modalities": ["text"]}}))  # fmt: skip
        while (event := json.loads(call.recv(10)))["type"] != "response.output_text.done":
            assert event["type"] != "error", event
        assert event["text"] == "You said: good evening"

    code = server.link.partition("#code=")[2]
    body = json.dumps({"code": code})
    answer = exchange(port, trust,
        f"POST /api/sign-in HTTP/1.1\r\nHost: {NAME}\r\nOrigin: https://{NAME}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}")  # fmt: skip
    assert answer.startswith(b"HTTP/1.1 204"), answer[:200]
    assert b"__Host-vivavoce=" in answer


def exchange(port: int, trust: ssl.SSLContext, request: str) -> bytes:
    """Send a request over TLS, and return the answer up to its end."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=30)
    with trust.wrap_socket(raw, server_hostname=NAME) as tls:
        tls.sendall(request.encode())
        return b"".join(iter(lambda: tls.recv(4096), b""))


@pytest.mark.long
@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_a_call_and_a_sign_in_pass_through_nginx(
    behind_proxy: tuple[Served, int], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    server, listens = behind_proxy
    port = free_port()
    site = (DEPLOY / "nginx.conf").read_text()
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "127.0.0.1:8080": f"127.0.0.1:{listens}",
        "/etc/ssl/voice/fullchain.pem": str(certificate[0]),
        "/etc/ssl/voice/privkey.pem": str(certificate[1]),
        "/var/log/nginx/vivavoce.log": str(tmp_path / "access.log"),
    }.items():
        assert old in site
        site = site.replace(old, new)
    (tmp_path / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off;\n{temporary} include {tmp_path}/site.conf; }}\n"
    )
    command = [str(NGINX), "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "nginx.conf")]
    with running(command, lambda: accepts(port), tmp_path / "nginx.log"):
        trust = ssl.create_default_context(cafile=certificate[0])
        a_proxy_serves(server, port, trust)
        foreign = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        assert b"host_not_allowed" in exchange(port, trust, foreign)
    log = (tmp_path / "access.log").read_text()
    assert '"GET /v1/realtime" 101' in log
    assert "model=echo" not in log


@pytest.mark.long
@pytest.mark.skipif(not CADDY, reason="Caddy is not installed")
def test_a_call_and_a_sign_in_pass_through_caddy(
    behind_proxy: tuple[Served, int], tmp_path: Path
) -> None:
    server, listens = behind_proxy
    port = free_port()
    site = (DEPLOY / "Caddyfile").read_text()
    assert f"\n{NAME} {{\n" in site
    site = site.replace(f"\n{NAME} {{\n", f"\n{NAME}:{port} {{\n\ttls internal\n")
    site = site.replace("127.0.0.1:8080", f"127.0.0.1:{listens}")
    options = (f"{{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n"
               f"\tstorage file_system {tmp_path}/store\n}}\n")  # fmt: skip
    (tmp_path / "Caddyfile").write_text(options + site)
    root = tmp_path / "store/pki/authorities/local/root.crt"
    command = [str(CADDY), "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    made = tmp_path / f"store/certificates/local/{NAME}/{NAME}.crt"
    ready = lambda: accepts(port) and root.exists() and made.exists()  # noqa: E731
    with running(command, ready, tmp_path / "caddy.log"):
        a_proxy_serves(server, port, ssl.create_default_context(cafile=root))


# systemd and containers


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_the_unit_is_valid_and_confined(tmp_path: Path) -> None:
    text = (DEPLOY / "vivavoce.service").read_text()
    assert "ExecStart=/opt/vivavoce/bin/vivavoce serve --data-dir /var/lib/vivavoce\n" in text
    unit = tmp_path / "vivavoce.service"
    there = text.replace("/opt/vivavoce/bin/vivavoce", "/bin/true")
    unit.write_text(there.replace("#LoadCredential", "LoadCredential").replace("#Env", "Env"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr
    assert "vivavoce.service" not in verified.stderr, verified.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout


def test_the_container_has_files_and_settings_that_exist(tmp_path: Path) -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (\S+)", text, re.MULTILINE)
    assert [source for source in copied if not (ROOT / source).exists()] == ["dist/*.whl"]
    pages = text + (HOW_TO / "containers.md").read_text()
    names = set(re.findall(r"VIVAVOCE_[A-Z]+__[A-Z_]+", pages))
    secret = tmp_path / "secret"
    secret.write_text("sk-1\n")
    values = {n: str(secret) if n.endswith("_FILE") else f"https://{NAME}" for n in names}
    assert load(None, values).server.public_url == f"https://{NAME}"


def test_the_container_runs_commands_that_exist() -> None:
    """Compare what nothing else checks before somebody builds the image."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
    lines = dict(re.findall(r"^([A-Z]+) (.*)$", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (program,) = json.loads(lines["ENTRYPOINT"])
    assert program in project["scripts"]
    command, *options = json.loads(lines["CMD"])
    done = CliRunner().invoke(app, [command, *options, "--help"])
    assert done.exit_code == 0, done.output
    python, switch, probe = json.loads(lines["HEALTHCHECK"].partition("CMD")[2])
    assert (python, switch) == ("python", "-c")
    compile(probe, "HEALTHCHECK", "exec")
    port = load(None, {}).server.port
    assert lines["EXPOSE"] == str(port)
    assert f":{port}/readyz" in probe
    (version,) = re.findall(r"^FROM python:(3\.\d+)-", text, re.MULTILINE)
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]
    assert lines["USER"] != "root"


def test_the_wheels_of_the_container_are_built_by_commands_of_the_readme() -> None:
    wheel = ".venv/bin/pip wheel --no-deps --no-build-isolation -w dist . packages/*"
    for page in (ROOT / "README.md", DEPLOY / "Dockerfile", HOW_TO / "containers.md"):
        assert wheel in page.read_text(), page


# Data


def script(folder: Path, page: str, name: str) -> Path:
    path = folder / name
    path.write_text(shown(page, "python"))
    return path


def conversations(server: Served) -> list[str]:
    listed = json.loads(server.cli("conversations", "list", "--json"))
    return [each["id"] for each in listed]


def test_a_backup_of_a_running_server_can_be_restored(tmp_path: Path) -> None:
    backup = script(tmp_path, "backup.md", "backup.py")
    copy = tmp_path / "copy.db"
    with serve(tmp_path / "data", **TAKES_ALL) as server:
        server.cli("talk", "--text", "before the backup", "--assistant", "echo")
        kept = conversations(server)
        command = [sys.executable, str(backup), str(server.data / "vivavoce.db"), str(copy)]
        subprocess.run(command, check=True)
        assert subprocess.run(command, check=False, capture_output=True).returncode == 1
        server.cli("talk", "--text", "after the backup", "--assistant", "echo")
        assert len(conversations(server)) == 2
        server.stop()
    assert copy.stat().st_mode & 0o777 == 0o600
    shutil.copy(copy, tmp_path / "data/vivavoce.db")
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"data/vivavoce.db{suffix}").unlink(missing_ok=True)
    with serve(tmp_path / "data", **TAKES_ALL) as server:
        assert conversations(server) == kept
        assert "before the backup" in server.cli("conversations", "show", kept[0])


def test_old_conversations_are_deleted_over_http(tmp_path: Path) -> None:
    retention = script(tmp_path, "retention.md", "retention.py")
    with serve(tmp_path / "data", **TAKES_ALL) as server:
        for text in ("old", "new"):
            server.cli("talk", "--text", text, "--assistant", "echo")
        new, old = conversations(server)
        with closing(sqlite3.connect(server.data / "vivavoce.db")) as database, database:
            past = (datetime.now(UTC) - timedelta(days=31)).replace(tzinfo=None)
            database.execute("UPDATE conversations SET updated_at = ? WHERE id = ?",
                             (past.isoformat(" "), old))  # fmt: skip
        environ = os.environ | {"VIVAVOCE_URL": server.url, "VIVAVOCE_API_KEY": server.key()}
        done = subprocess.run(
            [sys.executable, str(retention), "30"],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout == "1 conversations deleted\n", done.stderr
        assert conversations(server) == [new]


# Back ends and pages


@contextmanager
def back_end(folder: Path, port: int, **environ: str) -> Iterator[None]:
    """Serve the back end and the page of client-secrets.md."""
    script(folder, "client-secrets.md", "backend.py")
    (folder / "page.html").write_text(shown("client-secrets.md", "html"))
    command = [sys.executable, "-m", "uvicorn", "backend:app", "--port", str(port),
               "--app-dir", str(folder)]  # fmt: skip
    with (folder / "backend.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | environ, stdout=log, stderr=log)
    try:
        until(lambda: accepts(port), process)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.browser
def test_a_page_of_another_origin_asks_with_a_client_secret(tmp_path: Path) -> None:
    port = free_port()
    origin = f"http://localhost:{port}"
    allowed = {"VIVAVOCE_SERVER__ALLOWED_ORIGINS": origin}
    with ExitStack() as open_ones:
        server = open_ones.enter_context(serve(tmp_path / "data", **TAKES_ALL, **allowed))
        given = {"VIVAVOCE_URL": server.url, "VIVAVOCE_API_KEY": server.key(),
                 "VIVAVOCE_ASSISTANT": "echo"}  # fmt: skip
        open_ones.enter_context(back_end(tmp_path, port, **given))
        browser = open_ones.enter_context(chromium(open_ones.enter_context(sync_playwright())))
        page = browser.new_page()
        page.goto(origin)
        page.get_by_label("Question").fill("is it <b>open</b>?")
        page.get_by_role("button").click()
        page.get_by_text("You said: is it <b>open</b>?").wait_for()
        calls = httpx2.get(
            f"{server.url}/api/calls", headers={"api-key": given["VIVAVOCE_API_KEY"]}
        ).json()["data"]
        assert [(call["user"], call["assistant"]) for call in calls] == [("guest", "echo")]


def test_a_back_end_answers_a_tool_over_a_sideband(tmp_path: Path) -> None:
    answer = script(tmp_path, "sideband.md", "answer.py")
    (declared,) = re.findall(r"```toml\n(.*?)```", (HOW_TO / "sideband.md").read_text(), re.DOTALL)
    folder = tmp_path / "data/assistants/shop"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(
        f'name = "shop"\nengine = "scripted"\nscripted.script = "script.toml"\n\n{declared}'
    )
    (folder / "script.toml").write_text(
        '[[rules]]\nwhen = "4711"\ncalls = [{ name = "order_status", '
        'arguments = { number = 4711 } }]\n[[rules]]\nwhen = "way"\nsay = "It is on its way."\n'
    )
    with serve(tmp_path / "data", **TAKES_ALL) as server:
        key = server.key()
        minted = httpx2.post(
            f"{server.url}/v1/realtime/client_secrets",
            json={"vivavoce": {"assistant": "shop", "user": "ann"}},
            headers={"api-key": key},
        ).json()["value"]
        environ = os.environ | {"VIVAVOCE_URL": server.url, "VIVAVOCE_API_KEY": key}
        with connect(server.ws, additional_headers={"api-key": minted}) as call:
            process = subprocess.Popen(
                [sys.executable, str(answer), "ann"], env=environ, stdout=subprocess.PIPE, text=True
            )
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "joined\n"
                part = {"type": "input_text", "text": "where is order 4711"}
                item = {"type": "message", "role": "user", "content": [part]}
                call.send(json.dumps({"type": "conversation.item.create", "item": item}))
                call.send(json.dumps({"type": "response.create", "response": {
                    "output_modalities": ["text"]}}))  # fmt: skip
                said: list[str] = []
                while "It is on its way." not in said:
                    event = json.loads(call.recv(20))
                    assert event["type"] != "error", event
                    said += [event[name] for name in ("text", "transcript") if name in event]
                call.close()
                assert process.wait(20) == 0  # the sideband ends with its call
            finally:
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()


# Models


MODELS = (HOW_TO / "models.md").read_text()
SERVERS = re.findall(r"```toml\n(\[openai\].*?)```", MODELS, re.DOTALL)


@pytest.mark.parametrize("chosen", SERVERS, ids=["Ollama", "vLLM", "LiteLLM"])
def test_the_settings_for_model_servers_hold_a_conversation(chosen: str, tmp_path: Path) -> None:
    (assistant,) = re.findall(r"```toml\n(# data/assistants/porter.*?)```", MODELS, re.DOTALL)
    data = tmp_path / "data"
    (data / "assistants/porter").mkdir(parents=True)
    (data / "assistants/porter/assistant.toml").write_text(assistant)
    (name,) = re.findall(r'chat_model = "(.*)"', chosen)
    with model_server() as model:
        there = re.sub(r'base_url = "[^"]+"', f'base_url = "{model.url}"', chosen)
        (data / "vivavoce.toml").write_text(there)
        with serve(data, **TAKES_ALL) as server:
            said = server.cli("talk", "--text", "good evening", "--assistant", "porter")
            limited_turn(server)
        assert "You said: good evening" in said
        request, short = model.asked("/chat/completions")
    assert request["model"] == name
    assert "porter of a small hotel" in json.dumps(request["messages"])
    # Ollama ignores the newer name of the limit.
    limits = {key: value for key, value in short.items() if key.startswith("max_")}
    assert limits == {"max_tokens" if "11434" in chosen else "max_completion_tokens": 50}


def limited_turn(server: Served) -> None:
    """Type a turn whose answer may have 50 tokens."""
    url = f"{server.ws}?assistant=porter"
    with connect(url, additional_headers={"api-key": server.key()}) as call:
        part = {"type": "input_text", "text": "and the key"}
        item = {"type": "message", "role": "user", "content": [part]}
        call.send(json.dumps({"type": "conversation.item.create", "item": item}))
        call.send(json.dumps({"type": "response.create", "response": {
            "output_modalities": ["text"], "max_output_tokens": 50}}))  # fmt: skip
        while json.loads(call.recv(10))["type"] != "response.done":
            pass


# Names


def test_the_page_of_voices_lists_those_of_espeak() -> None:
    page = (HOW_TO / "voices.md").read_text()
    (cell,) = re.findall(r'^\| `tts = "espeak"` \| (.*) \|$', page, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", cell)) == set(Espeak.voices)


def test_each_setting_that_the_pages_name_exists() -> None:
    pages = "".join(path.read_text() for path in HOW_TO.glob("*.md"))
    named = set(re.findall(r"`(calls|speech|server|net)\.(\w+)`", pages))
    assert named
    sections = Settings.model_fields
    unknown = {
        f"{section}.{key}"
        for section, key in named
        if key not in sections[section].annotation.model_fields  # type: ignore[union-attr]
    }
    assert unknown == set()
