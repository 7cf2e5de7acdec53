"""The page, with an assistant that repeats the words that it heard."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
from playwright.sync_api import Route, WebSocketRoute, expect

from .conftest import Visiting
from .page import fresh_link, says

pytestmark = pytest.mark.browser

LONG = "and then there was another sentence, " * 6


def test_asked_aloud_it_answers_aloud_with_both_transcripts(
    visiting: Visiting, tmp_path: Path
) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 1.0, "keynote_rms", 6.0)).enter()
    expect(visit.status).to_have_text("Press, and ask")
    visit.microphone.click()
    visit.expect_status("I hear you…")
    visit.expect_status("Speaking")
    expect(visit.said_by("You")).to_have_text("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.expect_heard_out("Echo")
    visit.expect_status("Listening")
    expect(visit.microphone).to_have_attribute("aria-pressed", "true")


def test_typed_instead_of_spoken(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.write("When does the keynote start?")
    expect(visit.said_by("You")).to_have_text("When does the keynote start?")
    expect(visit.said_by("Echo")).to_have_text("You said: When does the keynote start?")
    visit.expect_heard_out("Echo")


def test_the_stop_button_silences_it_and_what_was_not_heard_is_gone(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.write(LONG)
    visit.expect_status("Speaking")
    visit.page.wait_for_timeout(1500)  # of playback, in real time
    visit.press("Stop the answer")
    line = visit.said_by("Echo")
    expect(line).to_contain_text("interrupted")
    visit.expect_status("Microphone off")
    assert len(line.inner_text()) < len(LONG) / 2


def test_speaking_over_it_silences_it(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 1.0, "keynote_rms", 4.0)).enter()
    with visit.settings() as sheet:
        sheet.get_by_role("checkbox", name="headphones").check()
    visit.write(LONG)
    visit.expect_status("Speaking")
    visit.microphone.click()
    expect(visit.said_by("Echo").first).to_contain_text("interrupted")
    expect(visit.said_by("Echo").last).to_have_text("You said: hello")
    assert len(visit.said_by("Echo").first.inner_text()) < len(LONG) / 2


def test_push_to_talk_by_the_space_bar(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 0.2, "keynote_rms", 1.0)).enter()
    visit.how("Push to talk")
    visit.page.get_by_role("heading", name="Echo").click()
    visit.page.keyboard.down("Space")
    visit.expect_status("Listening")
    visit.page.wait_for_timeout(1500)  # the user speaks
    visit.page.keyboard.up("Space")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")


def test_a_tap_on_the_talk_button_is_explained(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 1.0)).enter()
    visit.how("Push to talk")
    visit.press("Hold to talk")
    expect(visit.page.get_by_text("That was too short.")).to_be_visible()


def test_in_writing_nothing_sounds(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.how("In writing")
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    expect(visit.microphone).to_have_count(0)
    visit.expect_status("Ready")


def test_without_a_microphone_there_is_a_sentence_and_a_way_on(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.microphone.click()
    expect(visit.trouble).to_contain_text(re.compile("No microphone was found|does not let this"))
    visit.press("Write instead")
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")


def test_a_lost_network_is_found_again_and_the_conversation_kept(visiting: Visiting) -> None:
    visit = visiting()
    lines = visit.record_connections()
    visit.enter().write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.expect_heard_out("Echo")
    lines[-1].close(code=1012)
    visit.expect_status("Microphone off")
    visit.write("still there?")
    expect(visit.said_by("Echo")).to_have_text(["You said: hello", "You said: still there?"])
    assert len(lines) == 2
    assert "conversation_id=conv_" in lines[-1].url


def test_a_server_that_is_away_is_tried_again(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.page.route("**/client_secrets", lambda route: route.abort())
    visit.write("hello")
    visit.expect_status("Reconnecting…")
    visit.page.unroute("**/client_secrets")
    visit.press("Try now")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")


def test_an_expired_secret_is_replaced_without_a_word(visiting: Visiting) -> None:
    visit = visiting().enter()
    asked = 0

    def stale_once(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            route.fulfill(json={"value": "ek_stale", "expires_at": 0, "session": {}})
        else:
            route.fallback()

    visit.page.route("**/client_secrets", stale_once)
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    expect(visit.trouble).to_have_count(0)
    assert asked == 2


def test_a_busy_server_says_so_and_can_be_tried_again(visiting: Visiting) -> None:
    visit = visiting().enter()
    error = {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Too many."}
    visit.page.route(
        "**/client_secrets", lambda route: route.fulfill(status=429, json={"error": error})
    )
    visit.write("hello")
    expect(visit.trouble).to_contain_text("The server is busy")
    visit.page.unroute("**/client_secrets")
    visit.press("Try again")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")


def test_when_all_lines_are_busy_one_may_wait_or_write(visiting: Visiting) -> None:
    visit = visiting().enter()
    error = {"type": "rate_limit_error", "code": "server_busy", "message": "All lines are busy."}

    def voices_wait(route: Route) -> None:
        if "output_modalities" in (route.request.post_data or ""):
            route.fallback()
        else:
            headers = {"Retry-After": "60"}
            route.fulfill(status=429, headers=headers, json={"error": error})

    visit.page.route("**/client_secrets", voices_wait)
    visit.write("hello")
    expect(visit.trouble).to_contain_text("All lines are busy.")
    visit.press("Write instead")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    expect(visit.trouble).to_have_count(0)


def test_a_model_out_of_reach_is_named_and_what_was_typed_is_kept(visiting: Visiting) -> None:
    visit = visiting()
    error = {"type": "server_error", "code": "upstream_unavailable", "message": "No model today."}
    tries = 0

    def unavailable(line: WebSocketRoute) -> None:
        nonlocal tries
        tries += 1
        line.send(json.dumps({"type": "error", "event_id": "event_1", "error": error}))
        line.close(code=1013)

    visit.page.route_web_socket(re.compile("/v1/realtime"), unavailable)
    visit.enter().write("hello")
    expect(visit.trouble).to_contain_text("cannot take this call", timeout=30_000)
    expect(visit.trouble).to_contain_text("No model today.")
    expect(visit.said_by("You")).to_contain_text("hello")
    expect(visit.said_by("You")).to_contain_text("not sent yet")
    assert tries == 6
    visit.page.unroute_all()
    visit.page.route_web_socket(re.compile("/v1/realtime"), lambda line: line.connect_to_server())
    visit.press("Try again")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    expect(visit.said_by("You")).to_have_text("hello")


def test_a_conversation_that_is_gone_begins_again(visiting: Visiting) -> None:
    visit = visiting()
    lines = visit.record_connections()
    visit.enter().write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.expect_heard_out("Echo")
    conversation = visit.page.request.get(f"{visit.served.url}/api/conversations").json()
    forgotten = conversation["data"][0]["id"]
    visit.press("Hang up")
    visit.page.request.delete(
        f"{visit.served.url}/api/conversations/{forgotten}", headers={"Origin": visit.served.url}
    )
    visit.write("still there?")
    expect(visit.said_by("Echo")).to_have_text(["You said: still there?"])
    expect(visit.trouble).to_contain_text("this is a new one")
    expect(visit.page.get_by_role("button", name="Try again")).to_have_count(0)
    assert "conversation_id" not in lines[-1].url


def test_the_page_reports_speech_in_an_unknown_language(visiting: Visiting) -> None:
    visit = visiting(locale="it-IT")
    item = {"type": "message", "id": "item_1", "role": "user", "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}]}  # fmt: skip
    events = [
        {"type": "session.created", "session": {}},
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": "conversation.item.input_audio_transcription.failed", "item_id": "item_1",
         "content_index": 0, "error": {"code": "transcription_failed", "message": "English only."}},
    ]  # fmt: skip

    def deaf(line: WebSocketRoute) -> None:
        for event in events:
            line.send(json.dumps(event))

    visit.page.route_web_socket(re.compile("/v1/realtime"), deaf)
    visit.enter("Charlotte").how("Mani libere")
    visit.write("ciao")
    expect(visit.trouble).to_contain_text("Puoi scriverlo")
    expect(visit.said_by("Tu").first).to_have_text("(non capito)")
    expect(visit.page.get_by_text("non capisce il parlato")).to_be_visible()
    visit.press("Scrivi invece")
    visit.expect_chosen("Per iscritto")


def test_many_assistants_are_a_list(visiting: Visiting) -> None:
    visit = visiting()
    visit.list_assistants(7)
    visit.page.goto(visit.served.url)
    with visit.settings() as sheet:
        chooser = sheet.get_by_role("combobox", name="Talk with")
        chooser.select_option("Charlotte")
        expect(sheet.get_by_role("radio", name="Italiano")).to_be_visible()
        chooser.select_option("Echo")
        assert visit.barriers() == []
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")


@pytest.mark.parametrize(("width", "height"), [(844, 390), (390, 844), (820, 1180), (1280, 800)])
def test_nothing_lies_over_anything(visiting: Visiting, width: int, height: int) -> None:
    visit = visiting(width=width, height=height).enter()
    for said in (0, 1):
        if said:
            visit.write("hello")
            expect(visit.said_by("Echo")).to_have_text("You said: hello")
            visit.expect_heard_out("Echo")
        parts = [
            visit.page.get_by_role("banner"),
            visit.page.get_by_role("region", name="Call"),
            visit.page.get_by_role("textbox"),
            *([visit.page.get_by_role("log")] if said else []),
        ]
        boxes = [box for part in parts if (box := part.bounding_box())]
        assert len(boxes) == len(parts)
        for one, other in combinations(boxes, 2):
            beside = min(one["x"] + one["width"], other["x"] + other["width"]) - max(
                one["x"], other["x"]
            )
            below = min(one["y"] + one["height"], other["y"] + other["height"]) - max(
                one["y"], other["y"]
            )
            assert beside <= 1 or below <= 1
        expect(visit.microphone).to_be_in_viewport(ratio=1)


def test_signing_out_leads_to_the_door(visiting: Visiting) -> None:
    visit = visiting(stranger=True)
    visit.page.goto(fresh_link(visit.served))
    with visit.settings():
        visit.press("Sign out")
    expect(visit.page.get_by_role("heading", name="A link opens this page")).to_be_visible()
    visit.page.reload()
    expect(visit.page.get_by_role("heading", name="A link opens this page")).to_be_visible()


def test_a_user_enters_only_with_a_link_and_no_link_works_twice(visiting: Visiting) -> None:
    visit = visiting(stranger=True)
    visit.page.goto(visit.served.url)
    expect(visit.page.get_by_role("heading", name="A link opens this page")).to_be_visible()
    expect(visit.page.get_by_text("vivavoce link")).to_be_visible()
    link = fresh_link(visit.served)
    visit.page.goto(link)  # in the same tab
    expect(visit.page.get_by_role("textbox")).to_be_visible()
    assert "#" not in visit.page.url
    assert not visit.page.evaluate("document.cookie")
    visit.page.reload()
    expect(visit.page.get_by_role("textbox")).to_be_visible()
    visit.page.context.clear_cookies()
    visit.page.goto(link)
    expect(visit.trouble).to_contain_text("used already")
    assert "code" not in visit.page.url


def test_the_page_speaks_the_language_of_the_browser(visiting: Visiting) -> None:
    visit = visiting(locale="it-IT").enter("Charlotte")
    visit.how("Mani libere")
    expect(visit.page.get_by_role("button", name="Microfono")).to_be_visible()
    expect(visit.page.get_by_text("Punto informazioni")).to_be_visible()
    expect(visit.page.get_by_label("Da sapere")).to_contain_text("solo l’inglese")
    visit.choose("Español", "Manos libres")
    expect(visit.page.get_by_role("button", name="Micrófono")).to_be_visible()
    assert visit.page.evaluate("document.documentElement.lang") == "es"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_barrier(visiting: Visiting, dark: bool, width: int) -> None:
    visit = visiting(dark=dark, width=width).enter()
    assert visit.barriers() == []
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.microphone.click()
    expect(visit.trouble).to_be_visible()
    assert visit.barriers() == []
    overflow = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0
