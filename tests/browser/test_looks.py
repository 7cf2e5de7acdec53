"""Look at the page in each state: take a screenshot, and run axe.

The screenshots are in `test-results/page`, which is not committed. The server's events are
scripted, so that a state lasts as long as the look at it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import WebSocketRoute, expect

from .conftest import Visiting
from .page import Visit, says

pytestmark = [pytest.mark.browser, pytest.mark.long]

FOLDER = Path(__file__).parents[2] / "test-results/page"
LOOKS = [
    (name, width, height, dark)
    for name, width, height in (
        ("laptop", 1280, 800),
        ("phone", 390, 844),
        ("tablet", 820, 1180),
        ("landscape", 844, 390),
    )
    for dark in (False, True)
]
ANSWER = "The keynote starts on Wednesday at 9:30 in the Main Hall. It lasts one hour."


class Server:
    """Play the server of one page: it opens each session, and then sends what the test wants."""

    def __init__(self, visit: Visit) -> None:
        self.lines: list[WebSocketRoute] = []
        self.order: list[str] = []
        visit.page.route_web_socket(re.compile("/v1/realtime"), self._open)

    def _open(self, line: WebSocketRoute) -> None:
        self.lines.append(line)
        line.on_message(lambda _: None)
        self.tell("session.created", session={"expires_at": 4102444800})

    def tell(self, type: str, **fields: object) -> None:
        self.lines[-1].send(json.dumps({"type": type, "event_id": "event_1", **fields}))

    def say(self, role: str, text: str, status: str = "completed") -> str:
        item = f"item_{len(self.order)}"
        kind = "input_text" if role == "user" else "output_text"
        content = [{"type": kind, "text": text}]
        message = {"id": item, "type": "message", "role": role, "status": status}
        added = {"item": message | {"content": content}}
        previous = self.order[-1] if self.order else None
        self.order.append(item)
        self.tell("conversation.item.added", previous_item_id=previous, **added)
        self.tell("conversation.item.done", previous_item_id=previous, **added)
        return item

    def think(self) -> None:
        response = {"id": f"resp_{len(self.order)}", "status": "in_progress", "output": []}
        self.tell("response.created", response=response | {"conversation_id": "conv_1"})

    def finish(self) -> None:
        response = {"id": f"resp_{len(self.order)}", "status": "completed", "output": []}
        self.tell(
            "response.done",
            response=response | {"conversation_id": "conv_1", "status_details": None},
        )


Look = Callable[[str], None]


@pytest.mark.parametrize(("name", "width", "height", "dark"), LOOKS)
def test_each_state_can_be_looked_at(
    visiting: Visiting, tmp_path: Path, name: str, width: int, height: int, dark: bool
) -> None:
    microphone = says(tmp_path / "mic.wav", 60.0)
    visit = visiting(microphone, width=width, height=height, dark=dark)
    visit.page.emulate_media(reduced_motion="reduce")
    server = Server(visit)
    FOLDER.mkdir(parents=True, exist_ok=True)
    theme = "dark" if dark else "light"
    number = 0

    def look(state: str) -> None:
        nonlocal number
        number += 1
        visit.page.wait_for_timeout(350)  # colours blend, and the grille is drawn
        file = FOLDER / f"{name}-{theme}-{number:02}-{state}.png"
        visit.page.screenshot(path=file)
        assert visit.barriers() == [], state
        overflow = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, state

    visit.enter("Charlotte")
    look("empty")
    before_the_first_word(visit, server, look)
    a_conversation(visit, server, look)
    sheets(visit, look)
    trouble(visit, server, look)


def before_the_first_word(visit: Visit, server: Server, look: Look) -> None:
    visit.microphone.click()
    visit.expect_status("Listening")
    look("listening")
    server.tell("input_audio_buffer.speech_started", item_id="item_0", audio_start_ms=0)
    visit.expect_status("I hear you…")
    look("hearing")


def a_conversation(visit: Visit, server: Server, look: Look) -> None:
    server.tell("input_audio_buffer.speech_stopped", item_id="item_0", audio_end_ms=900)
    server.tell("input_audio_buffer.committed", item_id="item_0")
    server.say("user", "When does the keynote start?")
    server.think()
    visit.expect_status("Thinking…")
    look("thinking")
    server.tell("vivavoce.tool.started", call_id="call_1", name="look_up_agenda")
    visit.expect_status("Working: Look up agenda…")
    look("using-a-tool")
    server.tell("vivavoce.tool.done", call_id="call_1", name="look_up_agenda", run_id="run_1",
                state="done")  # fmt: skip
    item = server.say("assistant", ANSWER)
    server.tell("response.output_text.delta", response_id="resp_1", item_id=item, delta="")
    visit.expect_status("Speaking")
    source = {"source": "knowledge/agenda.csv", "title": "The agenda", "place": "row 12"}
    server.tell("vivavoce.sources", item_id=item, sources=[source])
    look("speaking")
    server.finish()
    server.say("user", "Book me a table for four.")
    server.tell(
        "vivavoce.approval.requested", run_id="run_2", call_id="call_2", name="book_table",
        arguments='{"day": "2027-05-12", "seats": 4}', arguments_sha256="abc", approve="user",
        expires_at=None,
    )  # fmt: skip
    server.say("assistant", "It has a fine view of", status="incomplete")
    expect(visit.page.get_by_role("button", name="Approve: Book table")).to_be_visible()
    look("waiting-and-interrupted")
    visit.press("Full screen")
    look("full-screen")
    visit.press("Leave full screen")


def sheets(visit: Visit, look: Look) -> None:
    with visit.settings() as sheet:
        expect(sheet.get_by_role("radio", name="Cedar")).to_be_attached()
        sheet.get_by_role("radio", name="Cedar").check()
        expect(sheet.get_by_text("Restart with Cedar")).to_be_visible()
        look("settings-with-a-restart")
    visit.page.keyboard.press("?")
    expect(visit.page.get_by_role("dialog", name="For engineers")).to_be_visible()
    look("for-engineers")
    visit.page.keyboard.press("Escape")
    visit.press("Take a photo")
    expect(visit.page.get_by_role("button", name="Take the photo")).to_be_enabled()
    look("camera")
    visit.page.keyboard.press("Escape")
    visit.press("Conversations")
    expect(visit.page.get_by_role("dialog", name="Conversations")).to_be_visible()
    look("conversations")
    visit.page.keyboard.press("Escape")


def trouble(visit: Visit, server: Server, look: Look) -> None:
    visit.page.route("**/client_secrets", lambda route: route.abort())
    server.lines[-1].close(code=1012)
    visit.expect_status("Reconnecting…")
    look("reconnecting")
    visit.press("Hang up")
    visit.expect_status("Press, and ask")
    error = {"type": "rate_limit_error", "code": "server_busy", "message": "All lines are busy."}
    visit.page.unroute("**/client_secrets")
    visit.page.route(
        "**/client_secrets", lambda route: route.fulfill(status=429, json={"error": error})
    )
    visit.write("hello")
    visit.expect_status("Not connected")
    look("busy")
