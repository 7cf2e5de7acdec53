"""The page over WebRTC, which it uses where it can."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from .conftest import Visiting
from .page import Visit, says

pytestmark = pytest.mark.browser

LONG = "and then there was another sentence, " * 6
PATIENT_MS = 30_000  # the recogniser's first question makes its language model


def sockets(visit: Visit) -> list[str]:
    """Return the list of the WebSockets that the page opens."""
    opened: list[str] = []
    visit.page.on("websocket", lambda socket: opened.append(socket.url))
    return opened


def test_asked_aloud_it_answers_aloud_and_engineers_see_the_connection(
    visiting: Visiting, tmp_path: Path
) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 1.0, "keynote_rms", 9.0), transport="auto")
    opened = sockets(visit)
    visit.enter()
    visit.microphone.click()
    visit.expect_status("Speaking")
    expect(visit.said_by("You")).to_have_text("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.expect_heard_out("Echo")
    visit.page.keyboard.press("?")
    pane = visit.page.get_by_role("dialog", name="For engineers")
    facts = pane.get_by_role("definition")
    expect(facts.first).to_have_text("WebRTC")
    expect(facts.nth(3)).to_have_text(re.compile(r"^\d+ ms$"))  # the round trip
    expect(pane.get_by_role("row").nth(1).get_by_role("cell").nth(1)).to_have_text(
        re.compile(r"^\d+ ms$")
    )
    assert opened == []


def test_speaking_over_it_silences_it(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 2.0, "keynote_rms", 9.0), transport="webrtc")
    visit.enter()
    with visit.settings() as sheet:
        sheet.get_by_role("checkbox", name="headphones").check()
    visit.write(LONG)
    visit.expect_status("Speaking")
    visit.microphone.click()
    expect(visit.said_by("Echo").first).to_contain_text("interrupted")
    expect(visit.said_by("Echo").last).to_have_text("You said: hello")
    assert len(visit.said_by("Echo").first.inner_text()) < len(LONG) / 2


def test_a_tool_runs_and_another_language_goes_on_with_the_conversation(visiting: Visiting) -> None:
    visit = visiting(transport="webrtc").enter("Charlotte")
    visit.choose("English", "Hands-free")
    visit.write("Where is the registration desk? Show me the map.")
    plan = visit.page.get_by_role("img", name="Registration desk, Ground floor")
    expect(plan).to_be_visible(timeout=PATIENT_MS)
    with visit.page.expect_request("**/realtime/calls?*") as again:
        visit.choose("Italiano", "Mani libere")
    assert "language=it" in again.value.url
    assert "conversation_id=conv_" in again.value.url
    expect(visit.said_by("Tu").first).to_contain_text("registration desk")


def test_without_webrtc_the_page_goes_on_over_a_websocket(visiting: Visiting) -> None:
    visit = visiting(transport="auto")
    opened = sockets(visit)
    asked = 0

    def refuse(route: Route) -> None:
        nonlocal asked
        asked += 1
        route.fulfill(status=404, json={"error": {"message": "No such route."}})

    visit.page.route("**/realtime/calls?*", refuse)
    visit.enter()
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    assert asked == 1
    assert len(opened) == 1
    expect(visit.trouble).to_have_count(0)


def test_the_setting_chooses_the_transport_and_keeps_the_conversation(visiting: Visiting) -> None:
    visit = visiting()
    opened = sockets(visit)
    visit.enter().write("hello")
    visit.expect_heard_out("Echo")
    visit.choose("WebRTC")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    with visit.page.expect_request("**/realtime/calls?*") as call:
        visit.write("still there?")
    expect(visit.said_by("Echo").last).to_have_text("You said: still there?")
    assert "conversation_id=conv_" in call.value.url
    assert len(opened) == 1
    stored = json.loads(visit.page.evaluate("sessionStorage.vivavoce"))
    assert stored["transport"] == "webrtc"
