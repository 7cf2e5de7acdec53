"""The shipped assistant with the embedded engine: it needs no key and no network."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import Visiting
from .page import says

pytestmark = pytest.mark.browser

PATIENT_MS = 30_000  # the recogniser's first question makes its language model


def test_asked_aloud_when_the_keynote_starts_she_tells(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 1.0, "keynote_rms", 8.0)).enter("Charlotte")
    expect(visit.page.get_by_label("Good to know")).to_contain_text("English only")
    visit.microphone.click()
    answer = visit.said_by("Charlotte").last
    expect(answer).to_contain_text("9:30", timeout=PATIENT_MS)
    expect(visit.said_by("You")).to_contain_text("keynote")
    visit.expect_heard_out("Charlotte")


def test_a_greeting_read_to_its_end_was_not_interrupted(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 1.0)).enter("Charlotte")
    visit.microphone.click()
    visit.expect_status("Speaking")
    visit.expect_heard_out("Charlotte")
    visit.expect_status("Listening")
    visit.press("Hang up")
    expect(visit.said_by("Charlotte")).to_have_count(1)
    expect(visit.said_by("Charlotte")).not_to_contain_text("interrupted")


def test_a_question_that_crosses_her_greeting_is_answered(visiting: Visiting) -> None:
    visit = visiting().enter("Charlotte")
    visit.write("When does the keynote start?")
    expect(visit.said_by("Charlotte").last).to_contain_text("9:30", timeout=PATIENT_MS)
    expect(visit.trouble).to_have_count(0)


def test_N1_she_shows_the_map_that_she_ships_with(visiting: Visiting) -> None:
    visit = visiting().enter("Charlotte")
    visit.how("In writing")
    visit.write("Show me the cloakroom on the map")
    shown = visit.page.get_by_role("img", name="Cloakroom, Ground floor")
    expect(shown).to_be_visible(timeout=PATIENT_MS)
    expect(visit.said_by("Charlotte").last).to_contain_text("Cloakroom", timeout=PATIENT_MS)
    expect(visit.said_by("Charlotte").last).not_to_contain_text("cannot")
    assert visit.barriers() == []
    visit.write("Show me the quiet room on the map")
    expect(visit.page.get_by_role("img", name="Quiet room, First floor")).to_be_visible()
    expect(shown).to_have_count(0)
    visit.press("Close the map")
    expect(visit.page.get_by_role("img", name="floor")).to_have_count(0)


def test_in_italian_she_is_written_to(visiting: Visiting) -> None:
    visit = visiting().enter("Charlotte")
    visit.choose("Italiano")
    visit.expect_chosen("Per iscritto")
    visit.write("Dove si trova il guardaroba?")
    expect(visit.said_by("Tu")).to_have_text("Dove si trova il guardaroba?")
    expect(visit.said_by("Charlotte").last).to_contain_text("guardaroba", timeout=PATIENT_MS)
