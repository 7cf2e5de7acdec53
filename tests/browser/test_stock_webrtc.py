"""A page of another site with the stock `@openai/agents-realtime`, over WebRTC in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Playwright

from ..support.served import TAKES_ALL, Served, serve
from .page import chromium, says

pytestmark = pytest.mark.browser

SDK = Path(__file__).parents[1] / (
    "clients/environments/agents_node/node_modules/@openai/agents-realtime/dist/bundle"
)
TALE = "one two three four five six seven eight nine ten " * 20
WITHIN_MS = 30_000
AUDIBLE = 0.005


class Site(BaseHTTPRequestHandler):
    """Another website: its page, and the SDK's bundle."""

    def do_GET(self) -> None:
        if self.path.startswith("/sdk/"):
            file, kind = SDK / Path(self.path).name, "text/javascript"
        else:
            file, kind = Path(__file__).with_name("stock.html"), "text/html"
        found = file.is_file()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(file.read_bytes() if found else b"")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serve a website, and return its origin. `localhost` is a secure context."""
    if not SDK.exists():
        pytest.skip("make test installs the client")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def open_to_pages(
    site: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, str]]:
    """Serve to pages of the other site."""
    data = tmp_path_factory.mktemp("data")
    with serve(data, **TAKES_ALL, VIVAVOCE_SERVER__ALLOWED_ORIGINS=site) as served:
        key = served.key()
        served.await_charlotte(key)
        yield served, key


Begin = Callable[[str, Path], Page]


@pytest.fixture
def begin(playwright: Playwright, site: str, open_to_pages: tuple[Served, str]) -> Iterator[Begin]:
    """Open the page with a microphone, and begin a call with an assistant."""
    served, key = open_to_pages
    with ExitStack() as closing:

        def opened(assistant: str, microphone: Path) -> Page:
            browser = closing.enter_context(chromium(playwright, microphone))
            page = browser.new_page()
            page.goto(site)
            page.wait_for_function("!!window.ready")
            secret = httpx2.post(
                f"{served.url}/v1/realtime/client_secrets",
                json={"session": {"type": "realtime", "model": assistant}},
                headers={"Authorization": f"Bearer {key}"},
            ).json()["value"]
            call_id = page.evaluate("begin", {"url": served.url, "secret": secret})
            assert call_id.startswith("rtc_")
            return page

        yield opened


def saw(page: Page, condition: str) -> dict[str, Any]:
    """Wait until the page has seen something, and return all that it saw."""
    try:
        page.wait_for_function(
            f"(() => {{ const s = saw(); return {condition} }})()", timeout=WITHIN_MS
        )
    except Exception as late:
        raise AssertionError(f"{condition}: {page.evaluate('saw()')}") from late
    seen: dict[str, Any] = page.evaluate("saw()")
    assert not seen["errors"], seen["errors"]
    return seen


def test_a_spoken_question_is_answered_aloud(begin: Begin, tmp_path: Path) -> None:
    page = begin("charlotte", says(tmp_path / "mic.wav", 6.0, "keynote_rms", 20.0))
    seen = saw(
        page,
        "s.events.includes('conversation.item.input_audio_transcription.completed')"
        " && s.said.some(([role, text]) => role === 'assistant' && text.includes('9:30'))",
    )
    assert any(role == "user" and "keynote" in text.lower() for role, text in seen["said"])
    saw(page, f"s.loudest > {AUDIBLE}")
    page.evaluate("end()")


def test_a_tool_of_the_page_is_called(begin: Begin, tmp_path: Path) -> None:
    page = begin("charlotte", says(tmp_path / "mic.wav", 30.0))
    page.evaluate("type('Please show me the main hall on the map.')")
    seen = saw(page, "s.calls.length > 0 && s.events.filter(e => e === 'response.done').length > 1")
    assert seen["calls"] == [{"place": "main_hall"}]
    page.evaluate("end()")


def test_a_person_speaks_over_an_answer(begin: Begin, tmp_path: Path) -> None:
    page = begin("echo", says(tmp_path / "mic.wav", 5.0, "keynote_rms", 20.0))
    page.evaluate("text => type(text)", TALE)
    seen = saw(page, "s.events.includes('conversation.item.truncated')")
    assert "output_audio_buffer.cleared" in seen["events"]
    assert seen["loudest"] > AUDIBLE
    saw(page, f"s.level < {AUDIBLE}")
    page.evaluate("end()")
