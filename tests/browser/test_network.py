"""A call outlives a cut network, its server and its secret: nothing is lost or comes twice."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from ..support.cable import Cable, laid_to
from ..support.served import TAKES_ALL, Served, serve
from .page import chromium, says
from .test_client_package import saw, serve_site

if TYPE_CHECKING:
    from playwright.sync_api import Page, Playwright, Route

pytestmark = [pytest.mark.browser, pytest.mark.long]

BOTH = pytest.mark.parametrize("transport", ["websocket", "webrtc"])


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serve_site() as origin:
        yield origin


@dataclass
class Talk:
    """A call of the page with the client's package."""

    page: Page
    minted: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.page.evaluate("text => type(text)", text)

    def expect_answers(self, *texts: str) -> dict[str, Any]:
        """Wait until the transcript is these messages, each with its answer, and nothing else."""
        lines = [line for text in texts for line in (text, f"You said: {text}")]
        return saw(
            self.page,
            f"JSON.stringify(s.lines.map(l => l.text)) === {_js(lines)}"
            " && s.lines.every(l => l.status === 'done') && s.status === 'listening'",
        )


Call = Callable[..., Talk]


@pytest.fixture
def call(playwright: Playwright, site: str, tmp_path: Path) -> Iterator[Call]:
    with ExitStack() as closing:

        def called(
            served: Served, key: str, transport: str, cable: Cable | None = None, ttl_s: int = 600
        ) -> Talk:
            microphone = says(tmp_path / "mic.wav", 1.0)
            browser = closing.enter_context(chromium(playwright, microphone))
            talk = Talk(browser.new_page())

            def mint() -> str:
                talk.minted.append(mint_secret(served, key, ttl_s))
                return talk.minted[-1]

            talk.page.expose_function("mint", mint)
            if cable:
                lead_media_through(cable, talk.page)
            talk.page.goto(site)
            talk.page.wait_for_function("!!window.ready")
            url = cable.url if cable else served.url
            options = {"url": url, "transport": transport, "echoCancellation": False}
            talk.page.evaluate("begin", options)
            saw(talk.page, "s.status === 'listening'")
            return talk

        yield called


def mint_secret(served: Served, key: str, ttl_s: int) -> str:
    minted = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets",
        json={
            "vivavoce": {"assistant": "echo", "user": "ann"},
            "expires_after": {"anchor": "created_at", "seconds": ttl_s},
        },
        headers={"Authorization": f"Bearer {key}"},
    )
    secret: str = minted.json()["value"]
    return secret


def lead_media_through(cable: Cable, page: Page) -> None:
    """Hide the addresses of both peers from each other, so that all datagrams use the cable."""

    def through(route: Route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        lines = (route.request.post_data or "").splitlines(keepends=True)
        offer = "".join(line for line in lines if not line.startswith("a=candidate"))
        try:
            answer = route.fetch(post_data=offer)
        except Exception:
            return route.abort()
        if not answer.ok:
            return route.fulfill(response=answer)
        return route.fulfill(response=answer, body=cable.lead_media_through(answer.text()))

    page.route("**/v1/realtime/calls*", through)


@pytest.fixture(scope="module")
def house(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    data = tmp_path_factory.mktemp("data")
    with serve(data, **TAKES_ALL, VIVAVOCE_SERVER__ALLOWED_ORIGINS=site) as served:
        yield served, served.key()


@BOTH
def test_a_network_that_is_cut_for_five_seconds(
    call: Call, house: tuple[Served, str], transport: str
) -> None:
    with laid_to(house[0].url) as cable:
        talk = call(*house, transport, cable)
        talk.say("one")
        talk.expect_answers("one")
        cable.cut()
        talk.page.wait_for_timeout(1000)
        talk.say("two")
        talk.page.wait_for_timeout(4000)
        cable.mend()
        talk.expect_answers("one", "two")
        talk.say("three")
        seen = talk.expect_answers("one", "two", "three")
        assert "ended" not in seen["statuses"]


@BOTH
def test_a_server_that_is_started_again(
    call: Call, site: str, tmp_path: Path, transport: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    settings = TAKES_ALL | {"VIVAVOCE_SERVER__ALLOWED_ORIGINS": site}
    with serve(tmp_path, "--port", port, **settings) as served:
        key = served.key()
        talk = call(served, key, transport)
        talk.say("one")
        talk.expect_answers("one")
        served.stop()
    saw(talk.page, "s.status === 'reconnecting'")
    talk.say("two")
    with serve(tmp_path, "--port", port, **settings):
        talk.expect_answers("one", "two")
        talk.say("three")
        seen = talk.expect_answers("one", "two", "three")
        assert "ended" not in seen["statuses"]
        talk.page.evaluate("end()")


@BOTH
def test_a_secret_that_expires_during_a_call(
    call: Call, house: tuple[Served, str], transport: str
) -> None:
    with laid_to(house[0].url) as cable:
        talk = call(*house, transport, cable, ttl_s=10)
        talk.say("one")
        talk.expect_answers("one")
        talk.page.wait_for_timeout(10_000)  # until the secret has expired
        talk.say("two")
        talk.expect_answers("one", "two")
        assert len(talk.minted) == 1
        cable.cut()
        saw(talk.page, "s.status === 'reconnecting'")
        cable.mend()
        talk.say("three")
        seen = talk.expect_answers("one", "two", "three")
        assert len(talk.minted) > 1
        assert "ended" not in seen["statuses"]


def _js(lines: list[str]) -> str:
    quoted = ",".join(f'\\"{line}\\"' for line in lines)
    return f'"[{quoted}]"'
