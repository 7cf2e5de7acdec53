"""Calls of the page that something happens to: another language, another tab, a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, StorageState, expect

from ..support.served import Served
from .conftest import Visiting
from .page import CHROMIUM, QUIET, Visit, says

pytestmark = pytest.mark.browser

PATIENT_MS = 30_000  # the recogniser's first question makes its language model


@pytest.mark.long
def test_another_language_during_a_call_keeps_the_conversation(visiting: Visiting) -> None:
    visit = visiting()
    connections = visit.record_connections()
    visit.enter("Charlotte")
    visit.how("In writing")
    visit.write("When does the keynote start?")
    expect(visit.said_by("Charlotte").last).to_contain_text("9:30", timeout=PATIENT_MS)
    visit.choose("Italiano")
    visit.write("Dove si trova il guardaroba?")
    expect(visit.said_by("Charlotte").last).to_contain_text("guardaroba", timeout=PATIENT_MS)
    questions = ["When does the keynote start?", "Dove si trova il guardaroba?"]
    expect(visit.said_by("Tu")).to_have_text(questions)
    expect(visit.trouble).to_have_count(0)
    assert len(connections) == 2
    assert "language=it" in connections[-1].url
    assert "conversation_id=conv_" in connections[-1].url


def test_two_tabs_take_a_conversation_from_each_other(visiting: Visiting, served: Served) -> None:
    first = visiting().enter()
    first.write("from the first tab")
    first.expect_heard_out("Echo")
    second = Visit(served, first.page.context.new_page()).enter()
    second.press("Conversations")
    second.page.get_by_role("button", name="from the first tab Echo").first.click()
    expect(second.said_by("Echo")).to_have_text("You said: from the first tab")
    second.write("from the second tab")
    both = ["You said: from the first tab", "You said: from the second tab"]
    expect(second.said_by("Echo")).to_have_text(both)
    second.expect_heard_out("Echo")
    expect(first.trouble).to_contain_text("goes on in another window")
    first.press("Continue here")
    expect(second.trouble).to_contain_text("goes on in another window")
    first.write("back again")
    expect(first.said_by("Echo").last).to_have_text("You said: back again")
    assert not second.complaints


@pytest.fixture
def refusing(playwright: Playwright) -> Iterator[Browser]:
    """Open a browser with a microphone, whose user refuses it to every page."""
    flags = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *flags])
    yield browser
    browser.close()


def test_a_refused_microphone_is_explained_and_one_may_write(
    refusing: Browser, served: Served, signed_in: StorageState
) -> None:
    context = refusing.new_context(storage_state=signed_in, locale="en-GB")
    visit = Visit(served, context.new_page()).enter()
    visit.microphone.click()
    expect(visit.trouble).to_contain_text("does not let this page")
    visit.press("Write instead")
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    expect(visit.trouble).to_have_count(0)
    context.close()


@pytest.mark.long
def test_on_a_phone_one_taps_and_talks(visiting: Visiting, tmp_path: Path) -> None:
    microphone = says(tmp_path / "mic.wav", 1.0, "keynote_rms", 6.0)
    visit = visiting(microphone, width=390, height=844).enter()
    visit.microphone.click()
    expect(visit.said_by("You")).to_have_text("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.expect_heard_out("Echo")
    expect(visit.microphone).to_be_in_viewport(ratio=1)
    expect(visit.page.get_by_role("textbox")).to_be_in_viewport(ratio=1)
    assert visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
