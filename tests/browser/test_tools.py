"""Tools of the server on the page, and pictures in messages."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import FilePayload, Locator, Page, WebSocketRoute, expect

from ..support.served import TAKES_ALL, Served, serve
from .conftest import Visiting
from .page import Visit

pytestmark = pytest.mark.browser

PORTER = """
name = "porter"
title = "Porter"
engine = "scripted"
languages = ["en", "it", "es"]
instructions.default = "You keep coats and tables."

[scripted]
script = "script.toml"
"""

SCRIPT = """
[[rules]]
when = "the file of the table"
say = "I know it from my papers."

[[rules]]
when = "weather"
calls = [{ name = "look_outside", arguments = { city = "Turin" } }]

[[rules]]
when = "table for four"
calls = [{ name = "book_table", arguments = { day = "2027-05-12", seats = 4 } }]

[[rules]]
when = "my money back"
calls = [{ name = "refund", arguments = { euros = 12 } }]

[[rules]]
when = "ring the bell"
calls = [{ name = "ring_bell" }]

[[rules]]
when = "the secret drawer"
calls = [{ name = "open_drawer" }]

[[rules]]
pattern = "sunny"
say = "It is sunny in Turin."

[[rules]]
pattern = "Table 7"
say = "You have table 7."

[[rules]]
pattern = "not approved"
say = "As you wish."

[[rules]]
pattern = "requested"
say = "May I?"

[[rules]]
pattern = "tool failed"
say = "The bell is broken."
"""

TOOLS = '''
import asyncio
from datetime import date
from pathlib import Path

from vivavoce import Call, tool

SKY = Path(__file__).parent / "sky"


@tool(say="")
async def look_outside(call: Call, city: str) -> dict[str, str]:
    """Look at the sky."""
    await call.progress("I open the window.")
    while not SKY.exists():
        await asyncio.sleep(0.02)
    return {"sky": "sunny", "city": city}


@tool(effects=True, approve="user", say="")
def book_table(day: date, seats: int) -> str:
    """Book a table."""
    return "Table 7"


@tool(effects=True, approve="staff", say="")
def refund(euros: int) -> str:
    """Give money back."""
    return "refunded"


@tool(say="", show=False)
def open_drawer() -> str:
    """Open the drawer."""
    return "It is sunny inside"


@tool(say="")
def ring_bell() -> str:
    """Ring."""
    raise ValueError("rope")
'''


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve an assistant with tools."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "assistants/porter"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(PORTER)
    (folder / "script.toml").write_text(SCRIPT)
    (folder / "tools.py").write_text(TOOLS)
    with serve(data, **TAKES_ALL) as server:
        yield server


def ask(visit: Visit, text: str) -> Visit:
    visit.enter("Porter")
    visit.how("In writing")
    visit.write(text)
    return visit


def card(page: Page, title: str) -> Locator:
    return page.get_by_role("log").get_by_role("region", name=title)


def last_answer(visit: Visit) -> Locator:
    return visit.said_by("Porter").last


def png(side: int, red: int = 200) -> bytes:
    """Return a square picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checked)

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes([red, 80, 40]) * side) * side
    return b"".join([
        b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ])  # fmt: skip


def choose(visit: Visit, *files: FilePayload) -> None:
    visit.page.locator("input[type=file]").set_input_files(files)


def picture(name: str, content: bytes, kind: str = "image/png") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": content}


def record_sent(visit: Visit) -> list[str]:
    """Return the frames that the page sends. They go to the server."""
    sent: list[str] = []

    def through(connection: WebSocketRoute) -> None:
        server = connection.connect_to_server()

        def pass_on(frame: str | bytes) -> None:
            sent.append(str(frame))
            server.send(frame)

        connection.on_message(pass_on)

    visit.page.route_web_socket(re.compile("/v1/realtime"), through)
    return sent


# Tools


def test_a_tool_runs_reports_and_returns(visiting: Visiting, served: Served) -> None:
    sky = served.data / "assistants/porter/sky"
    sky.unlink(missing_ok=True)
    visit = ask(visiting(), "How is the weather?")
    running = card(visit.page, "Look outside: Working…")
    expect(running).to_contain_text("I open the window.")
    assert visit.barriers() == []
    sky.touch()
    done = card(visit.page, "Look outside: Done")
    expect(last_answer(visit)).to_have_text("It is sunny in Turin.")
    expect(done).not_to_contain_text("window")
    done.get_by_text("Details").click()
    expect(done).to_contain_text("Turin")
    expect(done.get_by_label("Result")).to_contain_text("sky: sunny")
    assert visit.barriers() == []


def test_the_cards_stand_where_the_tool_was_called(visiting: Visiting, served: Served) -> None:
    (served.data / "assistants/porter/sky").touch()
    visit = ask(visiting(), "How is the weather?")
    expect(last_answer(visit)).to_have_text("It is sunny in Turin.")
    log = visit.page.get_by_role("log")
    assert log.evaluate(
        "log => [...log.querySelectorAll('article, section')].map(one => one.tagName)"
    ) == ["ARTICLE", "SECTION", "ARTICLE"]


def test_a_tool_that_broke_says_so(visiting: Visiting) -> None:
    visit = ask(visiting(), "Please ring the bell")
    expect(card(visit.page, "Ring bell: Did not work")).to_contain_text("The tool failed.")
    expect(last_answer(visit)).to_have_text("The bell is broken.")


def test_a_pressed_yes_runs_the_tool_once(visiting: Visiting) -> None:
    visit = ask(visiting(), "A table for four")
    waiting = card(visit.page, "Book table: Waits for your approval")
    expect(waiting).to_contain_text("2027-05-12")
    expect(last_answer(visit)).to_have_text("May I?")
    assert visit.barriers() == []
    visit.press("Approve: Book table")
    done = card(visit.page, "Book table: Done")
    expect(done).to_be_focused()
    expect(last_answer(visit)).to_have_text("You have table 7.")
    expect(card(visit.page, "Book table")).to_have_count(1)
    expect(visit.page.get_by_role("button", name="Approve")).to_have_count(0)


def test_a_pressed_no_leaves_it_undone(visiting: Visiting) -> None:
    visit = ask(visiting(), "A table for four")
    visit.press("Decline: Book table")
    expect(card(visit.page, "Book table: Not approved")).to_be_visible()
    expect(last_answer(visit)).to_have_text("As you wish.")


def test_by_keyboard_alone(visiting: Visiting) -> None:
    visit = ask(visiting(), "A table for four")
    yes = visit.page.get_by_role("button", name="Approve: Book table")
    yes.focus()
    visit.page.keyboard.press("Enter")
    expect(card(visit.page, "Book table: Done")).to_be_visible()


def test_after_a_reload_the_request_still_waits(visiting: Visiting) -> None:
    visit = ask(visiting(), "A table for four")
    expect(last_answer(visit)).to_have_text("May I?")
    visit.page.reload()
    visit.press("Approve: Book table")
    expect(card(visit.page, "Book table: Done")).to_be_visible(timeout=15_000)


def test_after_a_reload_the_runs_that_have_ended_have_cards(visiting: Visiting) -> None:
    visit = ask(visiting(), "Look into the secret drawer")
    expect(last_answer(visit)).to_have_text("It is sunny in Turin.")
    visit.write("A table for four")
    visit.press("Approve: Book table")
    expect(last_answer(visit)).to_have_text("You have table 7.")
    visit.write("Please ring the bell")
    expect(last_answer(visit)).to_have_text("The bell is broken.")
    visit.page.reload()
    expect(card(visit.page, "Book table: Done")).to_contain_text("Table 7")
    expect(card(visit.page, "Ring bell: Did not work")).to_be_visible()
    expect(visit.page.get_by_role("log").get_by_role("region")).to_have_count(2)


def test_a_decision_that_is_lost_can_be_repeated(visiting: Visiting) -> None:
    visit = ask(visiting(), "A table for four")
    expect(last_answer(visit)).to_have_text("May I?")
    visit.page.route("**/api/approvals/*", lambda route: route.abort())
    visit.press("Approve: Book table")
    expect(visit.trouble).to_contain_text("The server did not take this.")
    visit.page.unroute("**/api/approvals/*")
    visit.press("Approve: Book table")
    expect(card(visit.page, "Book table: Done")).to_be_visible()


def test_a_tool_that_is_not_shown_has_no_card(visiting: Visiting) -> None:
    visit = ask(visiting(), "Look into the secret drawer")
    expect(last_answer(visit)).to_have_text("It is sunny in Turin.")
    expect(visit.page.get_by_role("log").get_by_role("region")).to_have_count(0)


def test_what_staff_must_approve_has_no_buttons(visiting: Visiting) -> None:
    visit = ask(visiting(), "I want my money back")
    expect(card(visit.page, "Refund: Waits for the staff’s approval")).to_contain_text("12")
    expect(visit.page.get_by_role("button", name="Approve")).to_have_count(0)


def test_in_italian_and_spanish(visiting: Visiting) -> None:
    visit = visiting().enter("Porter")
    visit.choose("Italiano", "Per iscritto")
    visit.write("A table for four")
    visit.press("Approva: Book table")
    expect(card(visit.page, "Book table: Fatto")).to_be_visible()
    visit.choose("Español")
    expect(card(visit.page, "Book table: Hecho")).to_be_visible()


# Sources


def test_the_sources_stand_under_their_answer(visiting: Visiting) -> None:
    visit = visiting()

    def with_sources(connection: WebSocketRoute) -> None:
        """Add the event of sources behind each answer."""
        server = connection.connect_to_server()

        def pass_on(frame: str | bytes) -> None:
            connection.send(frame)
            event = json.loads(frame)
            item = event.get("item", {})
            if event["type"] == "conversation.item.done" and item.get("role") == "assistant":
                sources = [
                    {"source": "knowledge/tables.pdf", "title": "Tables", "place": "page 3"},
                    {"source": "knowledge/agenda.csv", "title": "", "place": "row 12"},
                ]
                told = {"type": "vivavoce.sources", "item_id": item["id"], "sources": sources}
                connection.send(json.dumps(told))

        server.on_message(pass_on)

    visit.page.route_web_socket(re.compile("/v1/realtime"), with_sources)
    ask(visit, "the file of the table")
    sources = visit.page.get_by_role("log").get_by_role("list", name="Sources")
    listed = ["Tables (tables.pdf, page 3)", "agenda.csv (row 12)"]
    expect(sources.get_by_role("listitem")).to_have_text(listed)
    assert visit.barriers() == []


def test_the_embedded_brain_names_the_document_of_its_answer(visiting: Visiting) -> None:
    visit = visiting().enter("Charlotte")
    visit.how("In writing")
    visit.write("Where is the registration desk?")
    sources = visit.page.get_by_role("log").get_by_role("list", name="Sources")
    expect(sources.get_by_role("listitem").first).to_contain_text(".md")


# Pictures


def test_a_chosen_picture_is_previewed_and_sent(visiting: Visiting) -> None:
    visit = visiting()
    sent = record_sent(visit)
    visit.enter("Porter")
    visit.how("In writing")
    with visit.page.expect_file_chooser() as chooser:
        visit.press("Add a picture")
    chooser.value.set_files([picture("red.png", png(40))])
    expect(visit.page.get_by_role("img", name="red.png")).to_be_visible()
    assert visit.barriers() == []
    visit.write("What colour is this?")
    expect(visit.page.get_by_role("log").get_by_role("img", name="Your picture")).to_be_visible()
    expect(visit.page.get_by_role("img", name="red.png")).to_have_count(0)
    expect(last_answer(visit)).to_have_text("You said: What colour is this?")
    item = next(e for e in map(json.loads, sent) if e["type"] == "conversation.item.create")
    image, text = item["item"]["content"]
    assert image["image_url"] == f"data:image/png;base64,{base64.b64encode(png(40)).decode()}"
    assert text == {"type": "input_text", "text": "What colour is this?"}
    assert visit.barriers() == []


def test_a_pasted_picture_and_one_removed(visiting: Visiting) -> None:
    visit = visiting().enter("Porter")
    field = visit.page.get_by_role("textbox")
    for name in ("one.png", "two.png"):
        field.evaluate(
            """(field, [name, content]) => {
                const data = new DataTransfer();
                const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
                data.items.add(new File([bytes], name, { type: "image/png" }));
                field.dispatchEvent(new ClipboardEvent("paste",
                    { clipboardData: data, bubbles: true, cancelable: true }));
            }""",
            [name, base64.b64encode(png(30)).decode()],
        )
        expect(visit.page.get_by_role("img", name=name)).to_be_visible()
    visit.press("Remove one.png")
    expect(visit.page.get_by_role("img", name="one.png")).to_have_count(0)
    expect(visit.page.get_by_role("img", name="two.png")).to_be_visible()
    expect(field).to_be_focused()


def test_a_large_picture_is_made_smaller(visiting: Visiting) -> None:
    visit = visiting().enter("Porter")
    choose(visit, picture("wide.png", png(3000)))
    preview = visit.page.get_by_role("img", name="wide.png")
    expect(preview).to_be_visible()
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") == 2048
    assert str(preview.get_attribute("src")).startswith("data:image/jpeg;base64,")


def test_files_that_cannot_be_sent_are_explained(visiting: Visiting) -> None:
    visit = visiting().enter("Porter")
    choose(visit, picture("notes.png", b"no picture"))
    expect(visit.trouble).to_contain_text("PNG, JPEG and WebP work")
    choose(visit, picture("huge.png", bytes(25_000_001)))
    expect(visit.trouble).to_contain_text("too large")
    choose(visit, *(picture(f"{n}.png", png(10)) for n in range(5)))
    expect(visit.trouble).to_contain_text("4 pictures")
    expect(visit.page.get_by_label("Pictures of this message").get_by_role("img")).to_have_count(4)
    visit.press("Remove 0.png")
    expect(visit.trouble).to_have_count(0)


def test_a_picture_is_kept_over_a_reload(visiting: Visiting) -> None:
    visit = visiting().enter("Porter")
    visit.how("In writing")
    choose(visit, picture("red.png", png(40)))
    visit.write("the file of the table")
    expect(last_answer(visit)).to_have_text("I know it from my papers.")
    visit.page.reload()
    expect(visit.page.get_by_role("log").get_by_role("img", name="Your picture")).to_be_visible()
