from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, StorageState, sync_playwright

from ..support.served import Served
from .page import Visit, chromium, fresh_link


@pytest.fixture(scope="module")  # not longer: it keeps an event loop running in this thread
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One without a microphone."""
    with chromium(playwright) as launched:
        yield launched


@pytest.fixture(scope="module")
def signed_in(browser: Browser, served: Served) -> StorageState:
    """Return the cookies of a user who opened the sign-in link."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(fresh_link(served))
    page.get_by_role("textbox").wait_for()
    state = context.storage_state()
    context.close()
    return state


Visiting = Callable[..., Visit]

CHOOSE = """
try {
  sessionStorage.vivavoce ??= JSON.stringify({ transport: "TRANSPORT" });
} catch {} // a page without an origin
"""


@pytest.fixture
def visiting(
    playwright: Playwright, browser: Browser, served: Served, signed_in: StorageState
) -> Iterator[Visiting]:
    """Make visits. None may write to the browser's console, or ask anything of another server."""
    with ExitStack() as closing:
        visits: list[Visit] = []

        def visit(
            microphone: Path | None = None,
            *,
            stranger: bool = False,
            locale: str = "en-GB",
            dark: bool = False,
            width: int = 1280,
            height: int = 800,
            transport: str = "websocket",  # it is faster, and these tests play its server
        ) -> Visit:
            used = browser
            if microphone:
                used = closing.enter_context(chromium(playwright, microphone))
            opened = used.new_context(
                storage_state=None if stranger else signed_in,
                locale=locale,
                color_scheme="dark" if dark else "light",
                viewport={"width": width, "height": height},
            )
            closing.callback(opened.close)
            opened.add_init_script(CHOOSE.replace("TRANSPORT", transport))
            visits.append(Visit(served, opened.new_page()))
            return visits[-1]

        yield visit
        for made in visits:
            assert not made.complaints
            assert not made.elsewhere
