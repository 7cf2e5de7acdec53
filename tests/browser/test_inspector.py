"""The pane for engineers, the devices, the camera, and the search in all words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import Visiting
from .page import SETTINGS, says

pytestmark = pytest.mark.browser


def test_engineers_see_times_and_no_words(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.write("a secret word, " * 20)
    visit.expect_status("Speaking")
    visit.page.wait_for_timeout(1000)  # of playback, in real time
    visit.press("Stop the answer")
    expect(visit.said_by("Echo")).to_contain_text("interrupted")
    visit.press("Settings")
    visit.press("For engineers")
    pane = visit.page.get_by_role("dialog", name="For engineers")
    expect(pane.get_by_text("heard").first).to_contain_text("ms of")
    expect(pane.get_by_role("list", name="Events")).to_contain_text("response.done")
    assert visit.barriers() == []
    pane.get_by_role("button", name="Copy as JSON").click()
    expect(pane.get_by_text("Copied")).to_be_visible()
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    found = json.loads(copied)
    assert "secret" not in copied
    assert found["transport"] == "websocket"
    (turn,) = found["turns"]
    assert {"stt_ms", "brain_ms", "tts_ms"} <= set(turn)
    (answer,) = found["answers"]
    assert 500 < answer["heard_ms"] <= answer["sent_ms"]
    folded = [event for event in found["events"] if event["type"] == "response.output_audio.delta"]
    assert sum(event["count"] for event in folded) > len(folded)


def test_all_words_of_a_conversation_are_found(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.write("first words")
    visit.expect_heard_out("Echo")
    visit.write("a purple elephant")
    expect(visit.said_by("Echo").last).to_have_text("You said: a purple elephant")
    visit.expect_heard_out("Echo")
    visit.press("Conversations")
    sheet = visit.page.get_by_role("dialog", name="Conversations")
    sheet.get_by_role("searchbox").fill("purple giraffe")
    expect(sheet.get_by_text("Nothing found.")).to_be_visible()
    sheet.get_by_role("searchbox").fill("Elephant purple")
    expect(sheet.get_by_role("button", name="first words Echo").first).to_be_visible()


def test_a_photo_is_taken_by_the_camera_of_a_laptop(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 1.0)).enter()
    visit.press("Take a photo")
    dialog = visit.page.get_by_role("dialog", name="Take a photo")
    take = dialog.get_by_role("button", name="Take the photo")
    expect(take).to_be_enabled()
    assert visit.barriers() == []
    take.click()
    expect(dialog).to_have_count(0)
    expect(visit.page.get_by_role("img", name="Photo")).to_be_visible()
    visit.page.get_by_role("textbox").press("Enter")
    expect(visit.page.get_by_role("img", name="Your picture")).to_be_visible()


def test_a_camera_that_does_not_open_is_explained(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.press("Take a photo")
    dialog = visit.page.get_by_role("dialog", name="Take a photo")
    expect(dialog.get_by_role("alert")).to_contain_text("cannot be opened")


def test_the_loudspeaker_can_be_chosen_during_a_call(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 60.0)).enter()
    visit.microphone.click()
    visit.expect_status("Listening")
    with visit.settings() as sheet:
        chooser = sheet.get_by_role("combobox", name="Loudspeaker")
        chooser.select_option(index=1)
        chosen = chooser.input_value()
    assert chosen
    visit.write("hello")
    visit.expect_heard_out("Echo")
    with visit.settings() as sheet:
        expect(sheet.get_by_role("combobox", name="Loudspeaker")).to_have_value(chosen)


@pytest.mark.parametrize(
    ("locale", "drawer", "pane"),
    [("it-IT", "Conversazioni", "Per tecnici"), ("es-ES", "Conversaciones", "Para técnicos")],
)
def test_axe_finds_no_barrier_in_other_languages(
    visiting: Visiting, locale: str, drawer: str, pane: str
) -> None:
    visit = visiting(locale=locale).enter("Charlotte")
    assert visit.barriers() == []
    visit.write("ciao")
    expect(visit.page.get_by_role("log").get_by_role("article")).to_have_count(2)
    assert visit.barriers() == []
    for button, sheet in ((SETTINGS, SETTINGS), (drawer, drawer)):
        visit.page.get_by_role("button", name=button).click()
        expect(visit.page.get_by_role("dialog", name=sheet)).to_be_visible()
        assert visit.barriers() == []
        visit.page.keyboard.press("Escape")
    visit.page.get_by_role("heading", name="Charlotte").click()
    visit.page.keyboard.press("?")
    expect(visit.page.get_by_role("dialog", name=pane)).to_be_visible()
    assert visit.barriers() == []


def test_a_screen_reader_hears_a_written_answer_sentence_by_sentence(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.how("In writing")
    visit.write("It starts at noon. It lasts one hour.")
    spoken = visit.page.locator("[aria-live=polite] > p")
    expect(spoken).to_have_text(["You said: It starts at noon.", "It lasts one hour."])
