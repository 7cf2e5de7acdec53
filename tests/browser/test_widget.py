"""The widget on the page of another website, as its how-to shows it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    expect,
)

from ..support.served import ECHO, TAKES_ALL, Served, serve
from .page import AXE, PATIENCE_MS, chromium, says

pytestmark = pytest.mark.browser

HOW_TO = Path(__file__).parents[2] / "docs/how-to/widget.md"


def shown(kind: str) -> str:
    text = HOW_TO.read_text()
    (found,) = re.findall(rf"<!-- run: .*? -->\n```{kind}\n(.*?)```", text, re.DOTALL)
    block: str = found
    return block


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@dataclass
class Website:
    """A website of another origin, and the server that answers there."""

    url: str
    folder: Path
    voice: Served

    def write(self, name: str, attributes: str = "") -> str:
        """Write a page with the widget, and return its address."""
        text = shown("html").replace("https://voice.example.com", self.voice.url)
        (self.folder / name).write_text(text.replace('"echo"', f'"echo" {attributes}'))
        return f"{self.url}/{name}"


@pytest.fixture(scope="module")
def website(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Website]:
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("site")
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        url = f"http://localhost:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        table = shown("toml").replace("https://shop.example.com", url)
        try:
            with serve(data, assistant=ECHO + table, **TAKES_ALL) as voice:
                yield Website(url, folder, voice)
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(locale="en-GB")
    yield opened
    opened.close()


def visit(context: BrowserContext, url: str, complaints: list[str] | None = None) -> Page:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    if complaints is not None:
        page.on("console", lambda message: complaints.extend(errors_of(message)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    return page


def errors_of(message: ConsoleMessage) -> list[str]:
    """Return what the page complains of, but not that the website has no icon."""
    icon = "Failed to load" in message.text
    return [message.text] if message.type == "error" and not icon else []


def widget(page: Page) -> Locator:
    return page.locator("vivavoce-widget")


def press(page: Page, name: str) -> None:
    widget(page).get_by_role("button", name=name, exact=True).click()


def line(page: Page, who: str) -> Locator:
    return widget(page).get_by_role("article", name=who).locator("p").last


def barriers(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document.querySelector('vivavoce-widget'))")
    return [f"{one['id']}: {node['html']}" for one in found["violations"] for node in one["nodes"]]


def test_a_visitor_writes_and_reads_the_answer(website: Website, context: BrowserContext) -> None:
    complaints: list[str] = []
    page = visit(context, website.write("text.html", 'mode="text"'), complaints)
    press(page, "Talk with us")
    press(page, "Write instead")
    widget(page).get_by_role("textbox").fill("When do you open?")
    page.keyboard.press("Enter")
    expect(line(page, "You")).to_have_text("When do you open?")
    expect(line(page, "Echo")).to_have_text("You said: When do you open?")
    assert barriers(page) == []
    assert not complaints


def test_one_who_writes_agrees_before_the_microphone_opens(
    website: Website, playwright: Playwright, tmp_path: Path
) -> None:
    microphone = says(tmp_path / "mic.wav", 1.0, "keynote_rms", 6.0)
    with chromium(playwright, microphone) as browser:
        page = visit(browser.new_context(locale="en-GB"), website.write("changed.html"))
        press(page, "Talk with us")
        press(page, "Write instead")
        press(page, "Open the microphone")
        expect(widget(page).get_by_text("We keep the words for 30 days")).to_be_visible()
        expect(widget(page).get_by_role("button", name="Open the microphone")).to_be_visible()
        press(page, "Allow the microphone and talk")
        expect(line(page, "Echo")).to_have_text("You said: hello")


def test_a_visitor_agrees_and_then_talks(
    website: Website, playwright: Playwright, tmp_path: Path
) -> None:
    microphone = says(tmp_path / "mic.wav", 1.0, "keynote_rms", 6.0)
    with chromium(playwright, microphone) as browser:
        page = visit(browser.new_context(locale="en-GB"), website.write("voice.html"))
        press(page, "Talk with us")
        press(page, "Talk")
        expect(widget(page).get_by_text("We keep the words for 30 days")).to_be_visible()
        assert barriers(page) == []
        press(page, "Allow the microphone and talk")
        expect(line(page, "You")).to_have_text("hello")
        expect(line(page, "Echo")).to_have_text("You said: hello")
        press(page, "Close the microphone")
        expect(widget(page).get_by_role("status")).to_have_text("Microphone off")


def test_without_a_microphone_it_says_what_to_do(website: Website, context: BrowserContext) -> None:
    page = visit(context, website.write("refused.html"))
    press(page, "Talk with us")
    press(page, "Talk")
    press(page, "Allow the microphone and talk")
    expect(widget(page).get_by_role("alert")).to_contain_text("You can write instead.")
    widget(page).get_by_role("textbox").fill("hello")
    page.keyboard.press("Enter")
    expect(line(page, "Echo")).to_have_text("You said: hello")


def test_the_keyboard_opens_and_closes_it(website: Website, context: BrowserContext) -> None:
    page = visit(context, website.write("keys.html"))
    launcher = widget(page).get_by_role("button", name="Talk with us")
    launcher.focus()
    page.keyboard.press("Enter")
    expect(widget(page).get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(widget(page).get_by_role("dialog")).to_be_hidden()
    expect(launcher).to_be_focused()


@pytest.mark.parametrize(
    ("language", "opening"), [("it", "Parla con noi"), ("es-MX", "Habla con nosotros")]
)
def test_it_speaks_the_language_of_the_page(
    website: Website, context: BrowserContext, language: str, opening: str
) -> None:
    page = visit(context, website.write("language.html", f'language="{language}"'))
    expect(widget(page).get_by_role("button", name=opening)).to_be_visible()


def test_inline_on_a_phone_in_the_dark(website: Website, browser: Browser) -> None:
    opened = browser.new_context(
        locale="it-IT", color_scheme="dark", viewport={"width": 360, "height": 640}
    )
    page = visit(opened, website.write("inline.html", "inline"))
    expect(widget(page).get_by_role("region", name="Echo")).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    assert barriers(page) == []
    opened.close()


def test_a_website_that_is_not_named_gets_no_assistant(
    website: Website, context: BrowserContext
) -> None:
    address = website.write("other.html").replace("localhost", "127.0.0.1")  # another origin
    complaints: list[str] = []
    page = visit(context, address, complaints)
    press(page, "Talk with us")
    expect(widget(page).get_by_role("alert")).to_have_text(
        "The assistant is not available on this website."
    )
    assert any("[widget] origins" in one for one in complaints)
