"""Knowledge of any shape is read in time that grows with its length, and no faster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vivavoce.errors import AssistantError
from vivavoce.knowledge import ingest, schedule
from vivavoce.knowledge.chunks import LONGEST, markdown
from vivavoce.knowledge.normalize import sound, terms
from vivavoce.knowledge.search import KnowledgeIndex
from vivavoce.text.folding import fold

from ..support.folders import files
from ..support.growth import LINEAR, growth

Shape = Callable[[int], str]

MARKDOWN: dict[str, Shape] = {
    "a heading of blanks": lambda n: "#" + " " * n + "x" + " " * n + "y",
    "a heading of hashes": lambda n: "# a" + " #" * n + "x",
    "opened links": lambda n: "[" * n,
    "links without an end": lambda n: "[a](" * n,
    "links in links": lambda n: "[a](b" * n + ")" * n,
    "stars": lambda n: "* " * n + "*" * n,
    "blanks before a bullet": lambda n: " " * n + "x",
    "equal headings": lambda n: "# a\nb\n" * (n // 4),
    "headings that look numbered": lambda n: "# a\nb\n# a 2\nb\n" * (n // 8),
    "one paragraph": lambda n: "Some words stand here. " * (n // 4),
    "also asked": lambda n: "# a\nAlso asked: " + "x;" * n,
}
WORDS: dict[str, Shape] = {
    "hyphens": lambda n: "a-" * n + "a1",
    "hyphens and digits": lambda n: "a-b1-" * n,
    "one word": lambda n: "a" * n,
    "one word of another script": lambda n: "ж" * n,
    "a room and blanks": lambda n: "room " * n + " " * n,
    "a room and digits": lambda n: "room " + "1" * n + "x",
    "ligatures": lambda n: "\ufdfa" * n,
}


@pytest.mark.parametrize("shape", MARKDOWN.values(), ids=MARKDOWN)
def test_X9_markdown_is_read_in_linear_time(shape: Shape) -> None:
    assert growth(lambda n: markdown(shape(n), "en", "x.md"), 2_000) < LINEAR


@pytest.mark.parametrize("shape", WORDS.values(), ids=WORDS)
def test_the_terms_of_a_text_are_found_in_linear_time(shape: Shape) -> None:
    assert growth(lambda n: terms(shape(n), "en"), 4_000) < LINEAR
    assert growth(lambda n: sound(shape(n)), 4_000) < LINEAR


def test_a_table_is_read_in_linear_time() -> None:
    room = "a" + " " * 3_000 + "desk "
    assert growth(lambda n: schedule.table("x,y\n" + "a,b\n" * n, "en", "x.csv"), 500) < LINEAR
    row = f"title,day,start,room\nx,Monday,9:00,{room}"
    assert growth(lambda n: schedule.table(row + "x" * n, "en", "x.csv"), 1_000) < LINEAR


def test_an_unknown_word_is_looked_up_in_linear_time() -> None:
    index = KnowledgeIndex(markdown("# a\nSome words stand here.", "en", "x.md"), "en")
    assert growth(lambda n: index.search("stand" + "x" * n), 2_000) < LINEAR


def test_a_heading_of_two_thousand_blanks_is_a_heading() -> None:
    (chunk,) = markdown(
        "#" + " " * 2_000 + "Opening  hours" + " " * 2_000 + "##\nAt nine.", "en", ""
    )
    assert chunk.title == "Opening  hours"


@pytest.mark.parametrize(
    ("line", "title"),
    [("## Learn C#", "Learn C#"), ("# Rooms #", "Rooms"), ("# Rooms ###  ", "Rooms")],
)
def test_hashes_close_a_heading_only_after_a_blank(line: str, title: str) -> None:
    (chunk,) = markdown(f"{line}\nText.", "en", "x.md")
    assert chunk.title == title


def test_chunks_of_one_file_never_share_an_id() -> None:
    titles = ["Food", "Food 2", "Food", "Food", "Food 2", "Food-2-2"]
    chunks = markdown("".join(f"# {title}\nText.\n" for title in titles), "en", "x.md")
    assert len({chunk.id for chunk in chunks}) == len(titles)
    assert chunks[0].id == "x.md#food"


def test_a_long_paragraph_is_cut_after_a_sentence_and_nothing_is_lost() -> None:
    text = "Some words stand here. " * 2_000
    chunks = markdown(f"# Long\n{text}", "en", "x.md")
    assert all(len(chunk.text) <= LONGEST for chunk in chunks)
    assert all(chunk.text.endswith(".") for chunk in chunks)
    assert " ".join(chunk.text for chunk in chunks) == text.strip()


def test_a_paragraph_without_blanks_is_cut_as_well() -> None:
    chunks = markdown("# Long\n" + "x" * 3 * LONGEST, "en", "x.md")
    assert [len(chunk.text) for chunk in chunks] == [LONGEST] * 3


def test_a_table_with_a_field_over_the_limit_is_a_mistake_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("a,b\n1," + "x" * 200_000, "utf-8")
    with pytest.raises(AssistantError, match=r"table\.csv"):
        ingest.read_files(files(tmp_path, "*.csv"), ["en"])


@pytest.mark.parametrize("digits", ["١٢", "፩፪", "１２", "①②", "१२", "𑁒𑁓"])
def test_digits_of_every_script_are_folded_to_ascii_ones(digits: str) -> None:
    assert fold(digits) == "12"
