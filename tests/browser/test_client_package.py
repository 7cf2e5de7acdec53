"""A page of another site with the client's package, over WebRTC and over a WebSocket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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

PACKAGE = Path(__file__).parents[2] / "web/client/dist"
TALE = "one two three four five six seven eight nine ten " * 20
WITHIN_MS = 30_000
AUDIBLE = 0.05


class Site(BaseHTTPRequestHandler):
    """Another website: its page, and the files of the package."""

    def do_GET(self) -> None:
        if self.path.startswith("/client/"):
            file, kind = PACKAGE / Path(self.path).name, "text/javascript"
        else:
            file, kind = Path(__file__).with_name("client.html"), "text/html"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(file.read_bytes())

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serve_site() -> Iterator[str]:
    """Serve a website, and return its origin. `localhost` is a secure context."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serve_site() as origin:
        yield origin


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


Begin = Callable[..., Page]


@pytest.fixture
def begin(playwright: Playwright, site: str, open_to_pages: tuple[Served, str]) -> Iterator[Begin]:
    """Open the page with a microphone, and begin a call with an assistant."""
    served, key = open_to_pages
    headers = {"Authorization": f"Bearer {key}"}

    def has_webrtc() -> bool:
        return httpx2.post(f"{served.url}/v1/realtime/calls", headers=headers).status_code != 501

    with ExitStack() as closing:

        def opened(
            assistant: str,
            microphone: Path,
            transport: str,
            watch: Callable[[Page], None] = lambda page: None,
            **more: object,
        ) -> Page:
            if transport == "webrtc" and not has_webrtc():
                pytest.skip("this server has no WebRTC")
            browser = closing.enter_context(chromium(playwright, microphone))
            page = browser.new_page()
            page.goto(site)
            page.wait_for_function("!!window.ready")
            secret = httpx2.post(
                f"{served.url}/v1/realtime/client_secrets",
                json={"session": {"type": "realtime", "model": assistant}},
                headers=headers,
            ).json()["value"]
            # The echo canceller of a headless browser removes speech that crosses a tone.
            options = {"transport": transport, "echoCancellation": False, **more}
            watch(page)
            page.evaluate("begin", {"url": served.url, "secret": secret, **options})
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
    assert "error" not in seen, seen["error"]
    return seen


ANSWERED = "s.lines.some(l => l.role === 'assistant' && l.text.includes('9:30'))"


@pytest.mark.parametrize(
    "transport",
    [
        "webrtc",
        pytest.param("websocket", marks=pytest.mark.long),
        pytest.param("auto", marks=pytest.mark.long),
    ],
)
def test_a_spoken_question_is_answered_aloud_and_kept(
    begin: Begin, tmp_path: Path, transport: str
) -> None:
    page = begin("charlotte", says(tmp_path / "mic.wav", 6.0, "keynote_rms", 20.0), transport)
    seen = saw(page, f"{ANSWERED} && s.loudest > {AUDIBLE}")
    question = next(line for line in seen["lines"] if line["role"] == "user")
    assert "keynote" in question["text"].lower()
    assert seen["transport"] == transport or transport == "auto"
    assert (seen["transport"] == "webrtc") == str(seen.get("id")).startswith("rtc_")
    kept = page.evaluate("recording", question["id"])
    assert 500 < kept["ms"] < 6000
    assert kept["bytes"] == 44 + kept["ms"] * 48
    assert kept["loudest"] > 0.05
    saw(page, "s.lines.every(l => l.status === 'done' && l.heard === l.text.length)")
    page.evaluate("end()")
    seen = saw(page, "s.status === 'ended'")
    assert seen["why"] == "closed"
    assert {"listening", "thinking", "speaking"} <= set(seen["statuses"])


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_an_answer_that_is_stopped_is_silent_and_cut(
    begin: Begin, tmp_path: Path, transport: str
) -> None:
    page = begin("echo", says(tmp_path / "mic.wav", 30.0), transport)
    page.evaluate("text => type(text)", TALE)
    saw(page, "s.status === 'speaking' && s.lines.some(l => l.heard > 30 && l.role !== 'user')")
    page.evaluate("stop()")
    seen = saw(page, f"s.lines.at(-1).status === 'interrupted' && s.level < {AUDIBLE}")
    assert 20 < len(seen["lines"][-1]["text"]) < len(TALE) / 2
    page.evaluate("end()")


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_a_person_speaks_over_an_answer(begin: Begin, tmp_path: Path, transport: str) -> None:
    page = begin("echo", says(tmp_path / "mic.wav", 5.0, "keynote_rms", 20.0), transport)
    page.evaluate("text => type(text)", TALE)
    saw(page, "s.lines.some(l => l.status === 'interrupted')")
    saw(page, "s.events.includes('conversation.item.truncated')")
    page.evaluate("end()")


@pytest.mark.long
def test_with_voice_activity_silence_is_not_sent_and_a_question_is_answered(
    begin: Begin, tmp_path: Path
) -> None:
    """The microphone hears 8 s of silence, a question of 2 s, and silence again."""
    sent: list[str] = []

    def watch(page: Page) -> None:
        page.on("websocket", lambda socket: socket.on("framesent", lambda f: sent.append(str(f))))

    microphone = says(tmp_path / "mic.wav", 8.0, "keynote_rms", 20.0)
    page = begin("charlotte", microphone, "websocket", watch, voiceActivity=True)
    saw(page, f"{ANSWERED} && s.lines.some(l => /keynote/i.test(l.text) && l.role === 'user')")
    appended_ms = 20 * sum("input_audio_buffer.append" in frame for frame in sent)
    assert 1000 < appended_ms < 6000
    page.evaluate("end()")
