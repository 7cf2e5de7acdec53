"""The page as a person meets it: found by what is written on it, never by its markup."""

from __future__ import annotations

import json
import re
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Route,
    WebSocketRoute,
    expect,
)

from ..support.served import Served
from ..support.sounds import spoken

TRANSITIONS_END = """Promise.all(document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().iterations !== Infinity)
    .map((each) => each.finished.catch(() => undefined)))"""
AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
RATE = 48_000
SETTINGS = re.compile("Settings|Impostazioni|Ajustes")
PATIENCE_MS = 15_000


def says(file: Path, *parts: str | float) -> Path:
    """Write what a microphone hears: names of recordings, and seconds of silence between."""
    pcm = b"".join(
        bytes(2 * round(part * RATE)) if isinstance(part, float) else spoken(part, RATE)
        for part in parts
    )
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(pcm)
    return file


def fresh_link(served: Served) -> str:
    link: str = json.loads(served.cli("link", "--json"))["link"]
    return link


@contextmanager
def chromium(playwright: Playwright, microphone: Path | None = None) -> Iterator[Browser]:
    """Open a browser. Its microphone, if it has one, plays the file once when it is opened."""
    fake = (
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
    ) if microphone else ()  # fmt: skip
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*QUIET, *fake], ignore_default_args=["--mute-audio"]
    )
    try:
        yield browser
    finally:
        browser.close()


@dataclass
class Visit:
    """One person's visit to the page of one server."""

    served: Served
    page: Page
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._read)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._follow(request.url))
        self.page.on("websocket", lambda socket: self._follow(socket.url))

    def enter(self, assistant: str = "Echo") -> Visit:
        """Open the page, and choose whom to talk with."""
        self.page.goto(self.served.url)
        self.choose(assistant)
        return self

    @contextmanager
    def settings(self) -> Iterator[Locator]:
        """Open the settings, and close them at the end."""
        self.page.get_by_role("button", name=SETTINGS).click()
        sheet = self.page.get_by_role("dialog")
        yield sheet
        if sheet.is_visible():
            self.page.keyboard.press("Escape")
        expect(sheet).to_have_count(0)

    def choose(self, *names: str) -> None:
        """Check these choices of the settings."""
        with self.settings() as sheet:
            for name in names:
                sheet.get_by_role("radio", name=name, exact=True).first.check()

    def expect_chosen(self, name: str) -> None:
        with self.settings() as sheet:
            expect(sheet.get_by_role("radio", name=name, exact=True).first).to_be_checked()

    def record_connections(self) -> list[WebSocketRoute]:
        """Return the list of the page's connections, the newest last. They go to the server."""
        connections: list[WebSocketRoute] = []

        def through(connection: WebSocketRoute) -> None:
            connections.append(connection)
            connection.connect_to_server()

        self.page.route_web_socket(re.compile("/v1/realtime"), through)
        return connections

    def list_assistants(self, count: int) -> None:
        """Let the server's list have this number of entries from now on."""

        def many(route: Route) -> None:
            first = route.fetch().json()["data"]
            more = [
                first[0] | {"title": {"en": f"Guide {n}"}, "name": f"g{n}"} for n in range(count)
            ]
            route.fulfill(json={"data": [*first, *more][:count]})

        self.page.route("**/api/assistants", many)

    @property
    def microphone(self) -> Locator:
        return self.page.get_by_role("button", name="Microphone")

    @property
    def status(self) -> Locator:
        return self.page.get_by_role("status")

    @property
    def trouble(self) -> Locator:
        return self.page.get_by_role("alert")

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button).click()

    def how(self, manner: str) -> None:
        self.choose(manner)

    def write(self, text: str) -> None:
        self.page.get_by_role("textbox").fill(text)
        self.page.get_by_role("textbox").press("Enter")

    def said_by(self, who: str) -> Locator:
        """Their lines of the transcript."""
        return self.page.get_by_role("log").get_by_role("article", name=who).locator("p")

    def expect_status(self, *words: str) -> None:
        expect(self.status).to_have_text(words[0], timeout=PATIENCE_MS)

    def expect_heard_out(self, who: str) -> None:
        """Their last line has been played to its end: no words are still to be heard."""
        expect(self.said_by(who).last).to_have_text(re.compile(r"\S"))
        expect(self.said_by(who).last.locator("span")).to_have_count(0, timeout=2 * PATIENCE_MS)

    def barriers(self) -> list[str]:
        """Return the barriers that axe finds."""
        self.page.evaluate(AXE.read_text())
        self.page.evaluate(TRANSITIONS_END)  # half of a fade has too little contrast
        found: dict[str, Any] = self.page.evaluate("axe.run(document)")
        return [
            f"{violation['id']}: {node['html']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def _read(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load" not in message.text:
            self.complaints.append(message.text)

    def _follow(self, url: str) -> None:
        here = self.served.url.split("://")[1]
        if url.split("://")[1].split("/")[0] != here.strip("/"):
            self.elsewhere.append(url)
