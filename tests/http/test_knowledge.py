"""Add, read and remove files of the knowledge over HTTP, and nothing outside of its folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from ..support import documents
from ..support.served import TAKES_ALL, Served, serve
from ..transports.test_websocket import hear, say, with_key
from .test_routes import bearer

TOML = 'name = "ada"\nlanguages = ["en"]\n'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve an assistant that has no knowledge yet."""
    data = tmp_path_factory.mktemp("house") / "data"
    (data / "assistants/ada").mkdir(parents=True)
    (data / "assistants/ada/assistant.toml").write_text(TOML)
    (data / "assistants/bob").mkdir()
    (data / "assistants/bob/assistant.toml").write_text(
        'name = "bob"\nlanguages = ["en"]\n[knowledge]\npaths = ["knowledge/*.md"]\n'
    )
    (data / "secret.md").write_text("# Safe\nThe code is 1234.")
    with serve(data, **TAKES_ALL) as server:
        yield server


class Files:
    """The knowledge of one assistant over HTTP."""

    def __init__(self, served: Served, key: str, assistant: str = "ada") -> None:
        self._url = f"{served.url}/api/knowledge/{assistant}"
        self._headers = bearer(key)

    def put(self, path: str, data: bytes) -> httpx2.Response:
        url = f"{self._url}/{path}"
        return httpx2.put(url, content=data, headers=self._headers, timeout=60)

    def get(self, path: str = "") -> httpx2.Response:
        return httpx2.get(f"{self._url}/{path}" if path else self._url, headers=self._headers)

    def delete(self, path: str) -> httpx2.Response:
        return httpx2.delete(f"{self._url}/{path}", headers=self._headers)


async def answer(served: Served, key: str, question: str) -> str:
    """Ask in a new call, in text."""
    async with connect(f"{served.ws}?model=ada", **with_key(key)) as socket:
        await hear(socket, "session.created")
        return await ask(socket, question)


async def ask(socket: object, question: str) -> str:
    part = {"type": "input_text", "text": question}
    item = {"type": "message", "role": "user", "content": [part]}
    await say(socket, type="conversation.item.create", item=item)  # type: ignore[arg-type]
    response = {"output_modalities": ["text"]}
    await say(socket, type="response.create", response=response)  # type: ignore[arg-type]
    done = await hear(socket, "response.done")  # type: ignore[arg-type]
    text: str = done["response"]["output"][0]["content"][0]["text"]
    return text


def test_a_name_that_no_file_can_have_is_refused(house: Served) -> None:
    files = Files(house, house.key())
    long = "\u4e2d" * 190 + ".md"  # 573 bytes
    assert files.put(long, b"# A").status_code == 400
    assert files.delete(long).status_code == 404
    for path in ("plan.md/a.md", "plan.pdf/b/a.md", "facts.toml/a.md"):
        refused = files.put(path, b"# A")
        assert refused.status_code == 400, path
        assert "folder with the name of a file" in refused.json()["error"]["message"]


def test_a_folder_goes_with_its_last_file(house: Served) -> None:
    files, knowledge = Files(house, house.key()), house.data / "assistants/ada/knowledge"
    for name in ("one.md", "two.md"):
        assert files.put(f"old/house/{name}", b"# A\nThe house is old.").is_success
    assert files.delete("old/house/one.md").is_success
    assert (knowledge / "old/house/two.md").exists()
    assert files.delete("old/house/two.md").is_success
    assert not (knowledge / "old").exists()
    assert knowledge.exists()


def test_a_file_is_put_listed_read_and_removed(house: Served) -> None:
    files = Files(house, house.key())
    data = b"# Garden\nThe garden opens at eight o'clock in the morning."
    made = files.put("places/garden.md", data)
    assert made.status_code == 200, made.text
    assert made.json() == {
        "path": "places/garden.md", "bytes": len(data), "pieces": 1, "mistakes": [], "warnings": [],
    }  # fmt: skip
    assert made.json() in files.get().json()["data"]
    read = files.get("places/garden.md")
    assert read.content == data
    assert read.headers["content-disposition"] == "attachment"
    assert files.delete("places/garden.md").status_code == 204
    assert files.get("places/garden.md").status_code == 404
    assert files.delete("places/garden.md").json()["error"]["code"] == "file_not_found"


def test_a_file_that_the_assistant_does_not_read_is_put_with_a_warning(house: Served) -> None:
    files = Files(house, house.key(), "bob")
    assert files.put("garden.md", b"# Garden\nThe garden has roses.").json()["warnings"] == []
    unused = "no pattern of `paths` in [knowledge] matches it"
    for _ in range(2):  # also if nothing has changed
        told = files.put("garden.txt", b"The garden has roses.").json()
        assert told["warnings"] == [f"bob/knowledge/garden.txt: is not used: {unused}"]
    assert [each["path"] for each in files.get().json()["data"]] == ["garden.md"]


def test_a_file_that_was_put_is_in_the_answers_of_a_running_call(house: Served) -> None:
    key = house.key()
    files = Files(house, key)
    files.put("lunch.md", b"# Lunch\nLunch is served at one o'clock in the hall.")

    async def story() -> None:
        async with connect(f"{house.ws}?model=ada", **with_key(key)) as socket:
            await hear(socket, "session.created")
            assert "one o'clock" in await ask(socket, "when is lunch")
            changed = b"# Lunch\nLunch is served at two o'clock in the garden."
            assert files.put("lunch.md", changed).status_code == 200
            assert "two o'clock" in await ask(socket, "when is lunch")
            facts = (
                b'[lift]\ntext = "The lift is broken until this evening."\n'
                b'also = ["does the lift work"]\n'
            )
            assert files.put("facts.toml", facts).status_code == 200
            assert "broken until" in await ask(socket, "does the lift work")

    asyncio.run(story())


def test_a_document_that_is_broken_is_named_and_the_others_are_used(house: Served) -> None:
    key = house.key()
    files = Files(house, key)
    files.put("rooms.md", b"# Rooms\nThe oak room is on the second floor.")
    told = files.put("rules.pdf", documents.encrypted_pdf(["The safe is open."], "x")).json()
    assert told["pieces"] == 0
    assert told["mistakes"] == [
        "ada/knowledge/rules.pdf: has a password, so that it cannot be read"
    ]
    assert "second floor" in asyncio.run(answer(house, key, "where is the oak room"))
    assert files.delete("rules.pdf").status_code == 204


OUTSIDE = [
    "%2e%2e/assistant.toml", "..%2fassistant.toml", "a/%2e%2e/%2e%2e/assistant.toml",
    "%2Fetc%2Fpasswd.md", "a%5C..%5Cb.md", "%00.md", ".hidden.md", "a//b.md", "a/.b/c.md",
    "x" * 300 + ".md", "/".join("a" * 11) + ".md", "assistant.toml", "tools.py", "a.exe", "a%0A.md",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_out_of_the_folder_or_of_another_format_is_refused(house: Served, path: str) -> None:
    files = Files(house, house.key())
    toml = house.data / "assistants/ada/assistant.toml"
    for answered in (files.put(path, b"x"), files.get(path), files.delete(path)):
        assert answered.status_code in (400, 404), answered.text
    assert toml.read_text() == TOML


def test_a_link_out_of_the_folder_is_neither_read_nor_written(house: Served) -> None:
    files = Files(house, house.key())
    folder = house.data / "assistants/ada/knowledge"
    folder.mkdir(exist_ok=True)
    (folder / "link.md").symlink_to(house.data / "secret.md")
    (folder / "out").symlink_to(house.data)
    try:
        assert files.get("link.md").json()["error"]["code"] == "invalid_file"
        assert files.get("out/secret.md").json()["error"]["code"] == "invalid_file"
        assert files.put("out/new.md", b"x").json()["error"]["code"] == "invalid_file"
        assert files.delete("out/secret.md").json()["error"]["code"] == "invalid_file"
        assert files.put("link.md", b"# Here\nNow it is a file of the folder.").status_code == 200
    finally:
        (folder / "out").unlink()
    assert (house.data / "secret.md").read_text() == "# Safe\nThe code is 1234."
    assert not (house.data / "new.md").exists()
    assert files.delete("link.md").status_code == 204


def test_a_file_beyond_the_limits_is_refused(house: Served) -> None:
    files = Files(house, house.key())
    too_long = files.put("long.md", b"x" * (2 * 2**20 + 1))
    assert "at most 2097152 are read" in too_long.json()["error"]["message"]
    assert files.put("long.pdf", bytes(8 * 2**20 + 1)).status_code == 413
    assert files.put("fits.txt", b"Words. " * 250_000).status_code == 200
    assert files.delete("fits.txt").status_code == 204
    other = httpx2.post(f"{house.url}/v1/realtime/client_secrets", content=bytes(2 * 2**20),
                        headers=bearer(house.key()))  # fmt: skip
    assert other.status_code == 413


def test_an_assistant_that_ships_with_the_server_is_not_changed(house: Served) -> None:
    files = Files(house, house.key(), "charlotte")
    assert "ships with the server" in files.put("a.md", b"# A\nB.").json()["error"]["message"]
    assert any(each["path"] == "venue.md" for each in files.get().json()["data"])


def test_a_key_for_another_assistant_sees_no_files(house: Served) -> None:
    files = Files(house, house.key("--assistant", "charlotte"))
    for answered in (files.get(), files.get("lunch.md"), files.put("a.md", b"x"),
                     files.delete("lunch.md")):  # fmt: skip
        assert answered.json()["error"]["code"] == "assistant_not_found"


def test_changes_are_in_the_audit_log_without_their_content(house: Served) -> None:
    files = Files(house, house.key())
    files.put("audited.md", b"# Zebra\nA zebra is in the yard.")
    files.delete("audited.md")
    lines = [json.loads(line) if line.startswith("{") else line
             for line in house.log.read_text().splitlines() if "audited.md" in line]  # fmt: skip
    assert len(lines) == 2
    assert "zebra" not in house.log.read_text().lower()


def test_the_command_line_adds_lists_searches_and_removes(house: Served, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/keys.txt").write_text("The keys hang behind the door of the office.")
    (tmp_path / "notes/image.png").write_bytes(b"no knowledge")
    plan = documents.workbook(Talks=[["Room", "Seats"], ["Oak", 40], ["Elm", 12]])
    (tmp_path / "seats.xlsx").write_bytes(plan)
    said = house.cli(
        "knowledge", "add", "ada", str(tmp_path / "notes"), str(tmp_path / "seats.xlsx")
    )
    assert said.splitlines() == ["keys.txt: 1 piece", "seats.xlsx: 2 pieces"]
    again = house.cli("knowledge", "add", "ada", str(tmp_path / "seats.xlsx"))
    assert again == "seats.xlsx: unchanged"
    assert "seats.xlsx" in house.cli("knowledge", "list", "ada")
    found = json.loads(house.cli("knowledge", "search", "ada", "how many seats has oak", "--json"))
    assert found[0]["source"] == "seats.xlsx"
    assert found[0]["place"] == 'sheet "Talks", row 2'
    key = house.key()
    assert "behind the door" in asyncio.run(answer(house, key, "where are the keys"))
    house.cli("knowledge", "remove", "ada", "seats.xlsx", "keys.txt")
    assert "seats.xlsx" not in house.cli("knowledge", "list", "ada")
    assert house.cli("knowledge", "search", "ada", "zebras", check=False) == ""
