from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.assistants.knowledge_files import FILE_BYTES
from vivavoce.errors import AssistantError
from vivavoce.file_reading import FolderFile
from vivavoce.knowledge import ingest, schedule
from vivavoce.knowledge.chunks import CHUNK_CHARACTERS, markdown

from ..support.folders import files

FOOD = """---
author: somebody
---
# The fair

## Lunch *menu*
Also asked: "what can I eat"; is there food

Lunch is served **at noon**.
See [the menu](https://example.org/menu) for:

- soup
- bread

```
# not a heading
```
## Empty

## Coffee
It is free.
"""
AGENDA = """day,time,end,room,title,title_it,speaker
2027-06-17,9:30,10:15,Great Hall,The oldest light,La luce più antica,Amara Okafor
Friday,14:00,,Room B,Panel,,Luis Prado; Mei Tanaka
someday,14:00,,Room B,Nobody knows when,,
"""


def test_markdown_is_cut_at_its_headings() -> None:
    lunch, coffee = markdown(FOOD, "en", "food.md")
    assert (lunch.id, lunch.title) == ("food.md#lunch-menu", "Lunch menu")
    assert lunch.text == "Lunch is served at noon. See the menu for: soup. bread. # not a heading"
    assert lunch.also == ("what can i eat", "is there food")
    assert (coffee.title, coffee.text, coffee.also) == ("Coffee", "It is free.", ())


def test_a_long_section_is_cut_between_its_paragraphs() -> None:
    paragraph = "It is written here. " * 30
    chunks = markdown(f"# Long\n{paragraph}\n\n{paragraph}\n\n{paragraph}", "en", "a.md")
    assert [c.id for c in chunks] == ["a.md#long", "a.md#long-2"] or len(chunks) == 3
    assert all(len(c.text) <= CHUNK_CHARACTERS for c in chunks)


def test_a_programme_speaks_every_language() -> None:
    chunks = ingest.read_document(Path("agenda.csv"), AGENDA, ["en", "it", "es"]).chunks
    assert [c.text for c in chunks if c.event and c.id == "agenda.csv:2"] == [
        "The oldest light is on Thursday from 9:30 am to 10:15 am in the Great Hall. "
        "The speaker is Amara Okafor.",
        "La luce più antica è giovedì dalle 9:30 alle 10:15 in Great Hall. Parla Amara Okafor.",
        "The oldest light es el jueves de 9:30 a 10:15 en Great Hall. Habla Amara Okafor.",
    ]
    panel = next(c for c in chunks if c.id == "agenda.csv:3")
    assert panel.text == (
        "Panel is on Friday at 2 pm in Room B. The speakers are Luis Prado and Mei Tanaka."
    )


def test_a_row_without_a_day_is_kept_as_it_is() -> None:
    *_, odd = ingest.read_document(Path("agenda.csv"), AGENDA, ["en"]).chunks
    assert odd.event is None
    assert "title: Nobody knows when" in odd.text


def test_a_programme_in_a_language_without_sentences_is_read_row_by_row() -> None:
    chunks = ingest.read_document(Path("agenda.csv"), AGENDA, ["de-AT", "en"]).chunks
    assert [c.text for c in chunks if c.language == "de"][1] == (
        "day: Friday. time: 14:00. room: Room B. title: Panel. speaker: Luis Prado; Mei Tanaka."
    )
    assert [c.event is not None for c in chunks if c.language == "en"] == [True, True, False]


def test_any_other_table_is_read_column_by_column() -> None:
    (row,) = ingest.read_document(
        Path("prices.csv"), "Dish;Price\nSoup;4 euros\n", ["en", "it"]
    ).chunks
    assert (row.title, row.text, row.language) == ("Soup", "Dish: Soup. Price: 4 euros.", "en")


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("food.it.md", "it"),
        ("it/food.md", "it"),
        ("food.it-CH.md", "it"),
        ("food.md", "en"),
        ("food.fr.md", "en"),
    ],
)
def test_the_language_is_in_the_name_of_the_file_or_its_folder(path: str, language: str) -> None:
    (chunk,) = ingest.read_document(Path(path), "# A\nB.", ["en-GB", "it"]).chunks
    assert chunk.language == language


def test_a_programme_of_its_own_replaces_the_general_one(tmp_path: Path) -> None:
    (tmp_path / "agenda.csv").write_text(AGENDA, "utf-8")
    (tmp_path / "agenda.it.csv").write_text(AGENDA.replace("Panel", "Tavola"), "utf-8")
    chunks = ingest.read_files(files(tmp_path, "*.csv"), ["en", "it"]).chunks
    assert {c.source for c in chunks if c.language == "it"} == {"agenda.it.csv"}
    assert {c.source for c in chunks if c.language == "en"} == {"agenda.csv"}


def test_all_files_that_cannot_be_used_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "big.md").write_bytes(b"a" * (FILE_BYTES + 1))
    (tmp_path / "odd.md").write_bytes(b"\xff\xfe")
    with pytest.raises(AssistantError) as caught:
        ingest.read_files([*files(tmp_path, "*.md"), FolderFile(tmp_path, "gone.md")], ["en"])
    named = [Path(mistake.file).name for mistake in caught.value.mistakes]
    assert named == ["big.md", "gone.md", "odd.md"]


def test_an_empty_table_is_nothing() -> None:
    assert schedule.table("", "en", "a.csv") == []
    assert schedule.table("day,time,title\n", "en", "a.csv") == []
