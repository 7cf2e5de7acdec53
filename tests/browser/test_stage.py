"""The stage and what stands around it: questions to tap, conversations, voices, recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .conftest import Visiting
from .page import Visit, says

pytestmark = pytest.mark.browser

PATIENT_MS = 30_000  # the recogniser's first question makes its language model


def drawer(visit: Visit) -> Locator:
    visit.press("Conversations")
    return visit.page.get_by_role("dialog", name="Conversations")


def test_a_tapped_question_is_asked_and_the_stage_stands_aside(visiting: Visiting) -> None:
    visit = visiting().enter("Charlotte")
    visit.how("In writing")
    questions = visit.page.get_by_role("list", name="Questions to begin with")
    before = visit.page.get_by_role("heading", name="Charlotte").bounding_box()
    questions.get_by_role("button", name="When does the keynote start?").click()
    expect(visit.said_by("You")).to_have_text("When does the keynote start?")
    expect(visit.said_by("Charlotte").last).to_contain_text("9:30", timeout=PATIENT_MS)
    expect(questions).to_have_count(0)
    after = visit.page.get_by_role("heading", name="Charlotte").bounding_box()
    assert before
    assert after
    assert after["x"] < before["x"] - 200


def test_the_full_screen_shows_the_grille_and_the_last_words(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.write("hello")
    visit.expect_heard_out("Echo")
    visit.page.emulate_media(reduced_motion="reduce")
    visit.press("Full screen")
    expect(visit.page.get_by_role("textbox")).to_have_count(0)
    expect(visit.said_by("Echo")).to_be_in_viewport()
    grille = visit.microphone.bounding_box()
    assert grille
    assert grille["width"] > 300
    visit.press("Leave full screen")
    expect(visit.page.get_by_role("textbox")).to_be_visible()


def test_a_conversation_is_renamed_found_continued_and_deleted(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.write("the blue door")
    visit.expect_heard_out("Echo")
    sheet = drawer(visit)
    assert visit.barriers() == []
    sheet.get_by_role("button", name="What to do with the blue door").first.click()
    sheet.get_by_role("button", name="Rename").click()
    sheet.get_by_role("textbox", name="New name").fill("My door")
    sheet.get_by_role("button", name="Save").click()
    sheet.get_by_role("button", name="New conversation").click()
    expect(visit.said_by("Echo")).to_have_count(0)
    sheet = drawer(visit)
    sheet.get_by_role("searchbox").fill("nothing like it")
    expect(sheet.get_by_text("Nothing found.")).to_be_visible()
    sheet.get_by_role("searchbox").fill("MY door")
    sheet.get_by_role("button", name="My door Echo").click()
    expect(visit.said_by("Echo")).to_have_text("You said: the blue door")
    visit.write("still there?")
    expect(visit.said_by("Echo").last).to_have_text("You said: still there?")
    sheet = drawer(visit)
    sheet.get_by_role("button", name="What to do with My door").click()
    sheet.get_by_role("button", name="Delete").click()
    sheet.get_by_role("button", name="Delete for good").click()
    expect(sheet.get_by_role("button", name="What to do with My door")).to_have_count(0)
    visit.page.keyboard.press("Escape")
    expect(visit.said_by("Echo")).to_have_count(0)


def test_a_conversation_is_copied_and_exported(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.write("copy me")
    visit.expect_heard_out("Echo")
    sheet = drawer(visit)
    sheet.get_by_role("button", name="What to do with copy me").first.click()
    sheet.get_by_role("button", name="Copy", exact=True).click()
    expect(sheet.get_by_text("Copied")).to_be_visible()
    text = "You: copy me\n\nEcho: You said: copy me"
    assert visit.page.evaluate("navigator.clipboard.readText()") == text
    with visit.page.expect_download() as download:
        sheet.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "copy me.txt"
    assert Path(download.value.path()).read_text() == text


def test_sources_are_shown_after_a_reload(visiting: Visiting) -> None:
    visit = visiting().enter("Charlotte")
    visit.how("In writing")
    visit.write("Where is the registration desk?")
    sources = visit.page.get_by_role("log").get_by_role("list", name="Sources")
    expect(sources.get_by_role("listitem").first).to_contain_text(".md", timeout=PATIENT_MS)
    visit.page.reload()
    expect(sources.get_by_role("listitem").first).to_contain_text(".md")


def test_another_voice_needs_a_restart_which_keeps_the_conversation(visiting: Visiting) -> None:
    visit = visiting()
    connections = visit.record_connections()
    visit.enter("Charlotte")
    visit.write("When does the keynote start?")
    expect(visit.said_by("Charlotte").last).to_contain_text("9:30", timeout=PATIENT_MS)
    with visit.settings() as sheet:
        sheet.get_by_role("radio", name="Cedar").check()
        expect(sheet.get_by_text("The voice cannot change in a running session.")).to_be_visible()
        assert visit.barriers() == []
        with visit.page.expect_request("**/client_secrets") as minted:
            sheet.get_by_role("button", name="Restart with Cedar").click()
    body = json.loads(minted.value.post_data or "")
    assert body["session"]["audio"] == {"output": {"voice": "cedar"}}
    visit.expect_status("Microphone off")
    expect(visit.said_by("You")).to_have_text("When does the keynote start?")
    assert len(connections) == 2
    assert "conversation_id=conv_" in connections[-1].url


def test_a_voice_can_be_heard_before_it_is_chosen(visiting: Visiting) -> None:
    visit = visiting().enter("Charlotte")
    with (
        visit.settings() as sheet,
        visit.page.expect_response("**/voices/cedar/sample*", timeout=PATIENT_MS) as sample,
    ):
        sheet.get_by_role("button", name="Hear Cedar").click()
        assert sample.value.ok
        expect(sheet.get_by_text("cannot be heard")).to_have_count(0)


def test_what_one_said_can_be_played_and_downloaded(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 1.0, "keynote_rms", 6.0)).enter()
    visit.microphone.click()
    expect(visit.said_by("You")).to_have_text("hello")
    said = visit.page.get_by_role("article", name="You")
    with visit.page.expect_download() as download:
        said.get_by_role("button", name="Download what you said").click()
    assert Path(download.value.path()).stat().st_size > 24_000
    visit.expect_heard_out("Echo")
    said.get_by_role("button", name="Play what you said").click()
    expect(said.get_by_role("button", name="Pause")).to_be_visible()
    assert visit.barriers() == []


def test_the_level_of_a_chosen_microphone_is_tested(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", "keynote_rms", "keynote_rms", 30.0)).enter()
    with visit.settings() as sheet:
        sheet.get_by_role("button", name="Test the level").click()
        meter = sheet.get_by_role("meter", name="Level of the microphone")
        expect(meter).not_to_have_js_property("value", 0)
        visit.page.wait_for_function("document.querySelector('meter').value > 0.05")
        expect(
            sheet.get_by_role("combobox", name="Microphone").get_by_role("option")
        ).not_to_have_count(1)
        assert visit.barriers() == []
        sheet.get_by_role("button", name="End the test").click()
        expect(meter).to_have_count(0)


def test_the_page_shows_how_long_the_session_is_and_how_good_the_connection(
    visiting: Visiting,
) -> None:
    visit = visiting().enter()
    expect(visit.page.get_by_role("timer")).to_have_count(0)
    visit.write("hello")
    expect(visit.page.get_by_role("timer", name="Length of this session")).to_have_text("0:01")
    expect(visit.page.get_by_role("img", name="connection")).to_be_visible()
    visit.press("Hang up")
    expect(visit.page.get_by_role("timer")).to_have_count(0)


def test_the_page_can_be_installed(visiting: Visiting) -> None:
    visit = visiting().enter()
    address = visit.page.locator("link[rel=manifest]").get_attribute("href")
    manifest = visit.page.request.get(f"{visit.served.url}/{address}").json()
    for icon in manifest["icons"]:
        answer = visit.page.request.get(f"{visit.served.url}/{icon['src']}")
        assert answer.headers["content-type"].split(";")[0] == icon["type"]
