"""Check devices and network on the page `/check`, and rate a call after its end."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, expect

from ..support.served import Served
from .conftest import Visiting
from .page import Visit, says

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parents[2] / "test-results/check"
LOOKS = [("laptop", 1280, 800), ("phone", 390, 844)]


def finding(visit: Visit, name: str) -> Locator:
    return visit.page.get_by_role("status", name=name, exact=True)


def test_each_check_says_what_it_finds_and_the_report_has_no_address(
    visiting: Visiting, tmp_path: Path
) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 2.2, "keynote_rms", 20.0))
    visit.page.goto(f"{visit.served.url}/check")
    assert visit.page.url.endswith("/check/")
    for name in ("Browser", "Secure address", "WebSocket"):
        expect(finding(visit, name)).to_contain_text("Good.")
    visit.press("Test: Microphone")
    expect(finding(visit, "Microphone")).to_contain_text("Good. The microphone hears you")
    visit.press("Test: Echo")
    expect(finding(visit, "Echo")).to_contain_text("Good. The microphone does not hear")
    visit.press("Test: Loudspeaker")
    visit.press("No")
    expect(finding(visit, "Loudspeaker")).to_contain_text("Choose the device in the system")
    visit.press("Test: TURN server")
    expect(finding(visit, "TURN server")).to_contain_text("names no TURN server")
    visit.press("Test: WebRTC and UDP")
    expect(finding(visit, "WebRTC and UDP")).to_contain_text("Sound travels over UDP")
    report = visit.page.get_by_label("Report").locator("pre").inner_text()
    assert "microphone: good, microphone_heard (" in report
    assert "speaker: bad, speaker_silent" in report
    assert not re.search(r"127\.0\.0\.1|localhost|ek_|https?:", report)


def test_without_a_microphone_or_a_sign_in_the_checks_say_why(visiting: Visiting) -> None:
    visit = visiting(stranger=True, locale="it-IT")
    visit.page.goto(f"{visit.served.url}/check/")
    visit.press("Prova: Microfono")
    expect(finding(visit, "Microfono")).to_contain_text(
        re.compile("Non trovo un microfono|non concede il microfono")
    )
    visit.press("Prova: WebRTC e UDP")
    expect(finding(visit, "WebRTC e UDP")).to_contain_text("serve un accesso")
    assert visit.barriers() == []


@pytest.mark.long
@pytest.mark.parametrize(("name", "width", "height"), LOOKS)
@pytest.mark.parametrize("dark", [False, True])
def test_the_check_page_can_be_looked_at(
    visiting: Visiting, name: str, width: int, height: int, dark: bool
) -> None:
    visit = visiting(width=width, height=height, dark=dark)
    visit.page.goto(f"{visit.served.url}/check/")
    visit.press("Test: Microphone")
    expect(finding(visit, "Microphone")).to_contain_text("Does not work")
    visit.press("Test: Loudspeaker")
    expect(visit.page.get_by_role("group", name="Did you hear three tones?")).to_be_visible()
    FOLDER.mkdir(parents=True, exist_ok=True)
    theme = "dark" if dark else "light"
    visit.page.screenshot(path=FOLDER / f"{name}-{theme}.png", full_page=True)
    assert visit.barriers() == []
    assert visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_long_call_is_rated_after_its_end(visiting: Visiting, served: Served, key: str) -> None:
    visit = visiting()
    visit.page.clock.install()
    visit.enter()
    visit.how("In writing")
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.page.clock.fast_forward(21_000)
    visit.press("Hang up")
    question = visit.page.get_by_role("form", name="Was this call good?")
    question.get_by_role("button", name="Not good").click()
    question.get_by_role("textbox").fill("It spoke too fast.")
    assert visit.barriers() == []
    question.get_by_role("button", name="Send").click()
    expect(visit.page.get_by_text("Thank you.")).to_be_visible()
    headers = {"Authorization": f"Bearer {key}"}
    found = httpx2.get(f"{served.url}/api/calls?feedback=down", headers=headers).json()["data"]
    assert found[0]["feedback"]["text"] == "It spoke too fast."
    metrics = httpx2.get(f"{served.url}/metrics", headers=headers).text
    assert 'outcome="connected",transport="websocket"' in metrics


def test_a_short_call_is_not_asked_about(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.how("In writing")
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.press("Hang up")
    visit.expect_status("Write, and ask")
    expect(visit.page.get_by_role("form", name="Was this call good?")).to_have_count(0)


def test_an_error_leads_to_the_check_page(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.microphone.click()
    link = visit.trouble.get_by_role("link", name="Check this device")
    expect(link).to_have_attribute("href", "./check/")
