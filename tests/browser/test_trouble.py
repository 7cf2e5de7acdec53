"""Break what is around the page, and read the sentences and buttons that it shows then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, WebSocketRoute, expect
from websockets.sync.client import connect

from ..support.proxy import proxied
from ..support.served import Served, serve
from .conftest import CHOOSE, Visiting
from .page import CHROMIUM, QUIET, Visit, fresh_link, says

pytestmark = pytest.mark.browser

LAN = "voice"  # a name of the local network

# Lets a test suspend what the page opened, as a system does.
CATCH_CONTEXTS = """
window.contexts = [];
window.AudioContext = class extends AudioContext {
  constructor(options) { super(options); window.contexts.push(this); }
};
"""


@contextmanager
def visit_by(browser: Browser, served: Served, url: str, locale: str = "en-GB") -> Iterator[Visit]:
    """Open a fresh sign-in link at another address of the server."""
    context = browser.new_context(locale=locale)
    context.add_init_script(CHOOSE.replace("TRANSPORT", "websocket"))
    visit = Visit(replace(served, url=url), context.new_page())
    visit.page.goto(fresh_link(served).replace(served.url, url))
    try:
        yield visit
    finally:
        context.close()


@pytest.fixture
def in_the_lan(playwright: Playwright, served: Served) -> Iterator[Visit]:
    """Visit by plain http and a name: such a page has no AudioWorklet and no microphone."""
    rules = f"--host-resolver-rules=MAP {LAN} 127.0.0.1"
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, rules])
    port = served.url.rpartition(":")[2].strip("/")
    with visit_by(browser, served, f"http://{LAN}:{port}") as visit:
        yield visit
    browser.close()


def test_W1_over_plain_http_every_question_is_sent_and_writing_is_offered(
    in_the_lan: Visit,
) -> None:
    visit = in_the_lan
    visit.choose("Echo")
    assert visit.page.evaluate("isSecureContext") is False
    for number in range(1, 5):
        visit.write(f"question {number}")
        expect(visit.said_by("Echo")).to_have_count(number)
        expect(visit.said_by("Echo").last).to_have_text(f"You said: question {number}")
        visit.expect_status("Microphone off")
    expect(visit.trouble).to_contain_text("only over https")
    expect(visit.page.get_by_role("button", name="Try again")).to_have_count(0)
    visit.press("Write instead")
    expect(visit.trouble).to_have_count(0)
    visit.write("question 5")
    expect(visit.said_by("Echo").last).to_have_text("You said: question 5")
    expect(visit.trouble).to_have_count(0)
    assert all("Cross-Origin-Opener-Policy" in one for one in visit.complaints)


def test_W1_over_plain_http_the_microphone_is_not_offered_again(in_the_lan: Visit) -> None:
    visit = in_the_lan
    visit.choose("Echo")
    visit.microphone.click()
    expect(visit.trouble).to_contain_text("over https or on localhost")
    expect(visit.page.get_by_role("button", name="Try again")).to_have_count(0)
    visit.press("Write instead")
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")


def test_W2_a_conversation_deleted_during_a_call_ends_it_and_the_next_one_is_new(
    visiting: Visiting,
) -> None:
    visit = visiting().enter()
    visit.write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.expect_heard_out("Echo")
    found = visit.page.request.get(f"{visit.served.url}/api/conversations").json()["data"]
    visit.served.cli("conversations", "delete", found[0]["id"], "--yes")
    expect(visit.trouble).to_contain_text("This conversation was deleted")
    expect(visit.said_by("Echo")).to_have_count(0)
    visit.write("still there?")
    expect(visit.said_by("Echo")).to_have_text(["You said: still there?"])
    expect(visit.trouble).to_have_count(0)


def test_W2_what_the_server_only_announced_is_kept(visiting: Visiting) -> None:
    """The server echoes the item, and the call ends before the receipt."""
    visit = visiting()
    lines: list[WebSocketRoute] = []

    def deleted(line: WebSocketRoute) -> None:
        lines.append(line)
        line.send(json.dumps({"type": "session.created", "session": {}}))

        def answer(message: str | bytes) -> None:
            event = json.loads(message)
            if event["type"] == "conversation.item.create":
                added = {"previous_item_id": None, "item": event["item"]}
                line.send(json.dumps({"type": "conversation.item.added", **added}))
                line.close(code=4000, reason="conversation_deleted")

        line.on_message(answer)

    visit.page.route_web_socket(re.compile("/v1/realtime"), deleted)
    visit.enter().write("hello")
    expect(visit.trouble).to_contain_text("This conversation was deleted")
    expect(visit.said_by("You")).to_contain_text("hello")
    expect(visit.said_by("You")).to_contain_text("not sent yet")
    visit.page.unroute_all()
    visit.page.route_web_socket(re.compile("/v1/realtime"), lambda line: line.connect_to_server())
    visit.press("New conversation")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")


def test_W2_two_windows_take_a_conversation_from_each_other(visiting: Visiting) -> None:
    visit = visiting()
    lines = visit.record_connections()
    visit.enter().write("hello")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.expect_heard_out("Echo")
    lines[-1].close(code=4000, reason="conversation_continued_elsewhere")
    expect(visit.trouble).to_contain_text("goes on in another window")
    visit.press("Continue here")
    visit.expect_status("Microphone off")
    assert "conversation_id=conv_" in lines[-1].url


def test_W3_the_page_reports_a_paused_loudspeaker_and_one_button_resumes_it(
    visiting: Visiting,
) -> None:
    visit = visiting()
    visit.page.add_init_script(CATCH_CONTEXTS)
    visit.enter().write("and then there was another sentence, " * 6)
    visit.expect_status("Speaking")
    visit.page.evaluate("contexts[0].suspend()")
    visit.expect_status("Paused")
    expect(visit.trouble).to_contain_text("paused the sound")
    visit.press("Resume")
    visit.expect_status("Speaking")
    expect(visit.trouble).to_have_count(0)
    visit.expect_heard_out("Echo")


def test_W3_what_is_typed_while_the_loudspeaker_is_paused_is_answered(visiting: Visiting) -> None:
    visit = visiting()
    visit.page.add_init_script(CATCH_CONTEXTS)
    visit.enter().write("and then there was another sentence, " * 6)
    visit.expect_status("Speaking")
    visit.page.evaluate("contexts[0].suspend()")
    visit.expect_status("Paused")
    visit.write("hello")
    expect(visit.said_by("Echo").last).to_have_text("You said: hello")
    expect(visit.trouble).to_have_count(0)  # the click has resumed the sound
    visit.expect_heard_out("Echo")


def test_W3_a_muted_microphone_is_not_called_listening(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 30.0))
    visit.page.add_init_script("""
        window.streams = [];
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wish) => {
          const stream = await open(wish);
          window.streams.push(stream);
          return stream;
        };
        window.mute = () => {
          const [track] = window.streams.at(-1).getTracks();
          Object.defineProperty(track, "muted", { value: true, configurable: true });
          track.dispatchEvent(new Event("mute"));
        };
    """)
    visit.enter().microphone.click()
    visit.expect_status("Listening")
    visit.page.evaluate("mute()")
    visit.expect_status("Paused")
    visit.press("Resume")
    visit.expect_status("Listening")
    assert visit.page.evaluate("streams.length") == 2
    assert visit.page.evaluate("streams[0].getTracks()[0].readyState") == "ended"


def test_W4_behind_a_proxy_without_public_url_the_page_names_the_setting(
    browser: Browser, served: Served
) -> None:
    with (
        proxied(served.url.rstrip("/"), keep_host=False) as url,
        visit_by(browser, served, url) as visit,
    ):
        expect(visit.trouble).to_contain_text("server.public_url")
        expect(visit.trouble).to_contain_text(url)
        expect(visit.page.get_by_text("older than ten minutes")).to_have_count(0)
        assert f'"origin": "{url}"' in served.log.read_text()


def test_W4_behind_a_proxy_that_passes_on_no_upgrade_the_page_names_it(
    browser: Browser, served: Served
) -> None:
    with (
        proxied(served.url.rstrip("/"), keep_host=True) as url,
        visit_by(browser, served, url) as visit,
    ):
        visit.choose("Echo")
        visit.write("hello")
        expect(visit.trouble).to_contain_text("Upgrade and Connection")
        visit.expect_status("Not connected")
        expect(visit.said_by("You")).to_contain_text("not sent yet")
        assert "upgrade_missing" in served.log.read_text()


def test_N5_a_held_button_starts_no_greeting(visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(says(tmp_path / "mic.wav", 0.2, "keynote_rms", 8.0)).enter("Charlotte")
    visit.how("Push to talk")
    visit.page.get_by_role("heading", name="Charlotte").click()
    visit.page.keyboard.down("Space")
    visit.expect_status("Listening")
    for _ in range(20):
        visit.page.wait_for_timeout(100)  # the user speaks
        assert visit.status.inner_text() == "Listening"
    expect(visit.said_by("Charlotte")).to_have_count(0)
    visit.page.keyboard.up("Space")
    expect(visit.said_by("Charlotte").first).to_contain_text("9:30", timeout=30_000)


def test_N6_the_default_assistant_is_chosen_first(browser: Browser, tmp_path: Path) -> None:
    default = {"VIVAVOCE_CALLS__DEFAULT_ASSISTANT": "echo"}
    with serve(tmp_path, **default) as served, visit_by(browser, served, served.url) as visit:
        visit.expect_chosen("Echo")


def test_N8_a_reload_keeps_the_conversation_of_each_assistant(visiting: Visiting) -> None:
    visit = visiting()
    lines = visit.record_connections()
    visit.enter().write("hello")
    visit.expect_heard_out("Echo")
    visit.page.reload()
    visit.expect_chosen("Echo")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.choose("Charlotte")
    expect(visit.said_by("Echo")).to_have_count(0)
    visit.choose("Echo")
    expect(visit.said_by("Echo")).to_have_text("You said: hello")
    visit.write("still there?")
    expect(visit.said_by("Echo")).to_have_text(["You said: hello", "You said: still there?"])
    assert "conversation_id=conv_" in lines[-1].url


def test_N8_earlier_conversations_can_be_chosen(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.write("remember the blue door")
    visit.expect_heard_out("Echo")
    visit.press("Hang up")
    visit.press("New conversation")
    visit.page.reload()
    expect(visit.said_by("Echo")).to_have_count(0)
    visit.press("Conversations")
    visit.page.get_by_role("button", name="remember the blue door Echo").click()
    expect(visit.said_by("Echo")).to_have_text("You said: remember the blue door")


def test_N8_a_conversation_that_is_gone_is_not_shown_after_a_reload(visiting: Visiting) -> None:
    visit = visiting().enter()
    visit.write("hello")
    visit.expect_heard_out("Echo")
    visit.press("Hang up")
    found = visit.page.request.get(f"{visit.served.url}/api/conversations").json()["data"]
    visit.served.cli("conversations", "delete", found[0]["id"], "--yes")
    visit.page.reload()
    visit.write("still there?")
    expect(visit.said_by("Echo")).to_have_text(["You said: still there?"])


def test_N9_where_every_line_is_taken_writing_is_not_offered(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        serve(tmp_path, VIVAVOCE_CALLS__MAX_CALLS="1") as served,
        connect(
            f"{served.ws}?model=echo", additional_headers={"api-key": served.key("--name", "k")}
        ) as line,
        visit_by(browser, served, served.url) as visit,
    ):
        assert json.loads(line.recv())["type"] == "session.created"
        visit.choose("Echo")
        visit.write("hello")
        expect(visit.trouble).to_contain_text("for writing too")
        expect(visit.trouble).to_contain_text("tries again by itself")
        for button in ("Write instead", "Try again", "Try now"):
            expect(visit.page.get_by_role("button", name=button)).to_have_count(0)
        expect(visit.page.get_by_role("button", name="Hang up")).to_be_visible()


def test_N13_without_a_recogniser_for_the_language_the_page_begins_in_writing(
    visiting: Visiting,
) -> None:
    visit = visiting(locale="it-IT").enter("Charlotte")
    visit.expect_chosen("Per iscritto")
    warning = visit.page.get_by_text("non capisce il parlato in questa lingua: Italiano")
    expect(warning).to_be_visible()
    visit.choose("English")
    expect(visit.page.get_by_text("does not understand spoken")).to_have_count(0)
    visit.how("Hands-free")
    visit.choose("Español")
    visit.expect_chosen("Por escrito")
    visit.how("Manos libres")
    expect(visit.page.get_by_text("no entiende el habla en este idioma: Español")).to_be_visible()
    visit.write("¿Dónde está el guardarropa?")
    expect(visit.said_by("Charlotte").last).to_be_visible(timeout=30_000)
    expect(visit.page.get_by_text("no entiende el habla en este idioma: Español")).to_be_visible()
