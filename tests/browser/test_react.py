"""The React app of its how-to, built by Vite and served from another origin."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, Playwright, expect

from ..support.served import TAKES_ALL, Served, serve
from .page import AXE, PATIENCE_MS, chromium, says

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"


def shown(kind: str) -> str:
    text = (ROOT / "docs/how-to/react.md").read_text()
    (found,) = re.findall(rf"<!-- run: .*? -->\n```{kind}\n(.*?)```", text, re.DOTALL)
    block: str = found
    return block


class Site(SimpleHTTPRequestHandler):
    """Serves the app, and mints client secrets as the back end of the how-to does."""

    voice: Served
    key: str

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        minted = httpx2.post(
            f"{self.voice.url}/v1/realtime/client_secrets",
            json={"vivavoce": {"assistant": "echo"}},
            headers={"api-key": self.key},
        )
        body = json.dumps({"secret": minted.json()["value"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@dataclass
class App:
    url: str


def build(folder: Path, voice: Served) -> Path:
    """Build the app of the how-to, with the packages of this repository."""
    for name, kind in {"index.html": "html", "app.tsx": "tsx", "vite.config.js": "js"}.items():
        (folder / name).write_text(shown(kind))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(WEB / "node_modules")
    path = f"{ROOT / '.setup/node'}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "VITE_VOICE_URL": voice.ws}
    vite = str(WEB / "node_modules/.bin/vite")
    subprocess.run([vite, "build", "--logLevel", "warn"], cwd=folder, env=environ, check=True)
    return folder / "dist"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("app")
    handler = partial(Site, directory=str(folder / "dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        url = f"http://localhost:{http.server_port}"
        allowed = {"VIVAVOCE_SERVER__ALLOWED_ORIGINS": url}
        with serve(data, **TAKES_ALL, **allowed) as voice:
            Site.voice, Site.key = voice, voice.key()
            build(folder, voice)
            thread = threading.Thread(target=http.serve_forever)
            thread.start()
            try:
                yield App(url)
            finally:
                http.shutdown()
                thread.join()


def visit(page: Page, app: App) -> list[str]:
    """Open the app, and return the list of what it complains of later."""
    complaints: list[str] = []
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(app.url)
    return complaints


def test_the_app_connects_talks_and_ends(app: App, playwright: Playwright, tmp_path: Path) -> None:
    with chromium(playwright, says(tmp_path / "mic.wav", 1.0, "keynote_rms", 6.0)) as browser:
        page = browser.new_context(locale="en-GB").new_page()
        complaints = visit(page, app)
        page.get_by_role("button", name="Connect", exact=True).click()
        log = page.get_by_role("log")
        expect(log.get_by_role("article", name="You")).to_contain_text("hello")
        expect(log.get_by_role("article", name="Assistant")).to_contain_text("You said: hello")
        expect(page.get_by_text("You have heard 15 characters")).to_be_visible()
        page.get_by_role("textbox").fill("Thanks")
        page.keyboard.press("Enter")
        answer = log.get_by_role("article", name="Assistant").last
        expect(answer).to_contain_text("You said: Thanks")
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run(document.querySelector('.vivavoce-chat'))")
        assert [one["id"] for one in found["violations"]] == []
        page.get_by_role("button", name="Disconnect").click()
        expect(page.get_by_role("status")).to_have_text("The call has ended")
        assert complaints == []
