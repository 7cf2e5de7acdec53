"""The tests that pages name as proof exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/hardening.md"


def named(page: str) -> list[tuple[str, str]]:
    return re.findall(r"`([\w/]+\.py)::(\w+)`", page)


def missing(page: str) -> list[str]:
    """Return the named tests that no file has."""
    return [
        f"{file}::{test}"
        for file, test in named(page)
        if not (TESTS / file).exists()
        or not re.search(rf"^(?:async )?def {test}\(", (TESTS / file).read_text(), re.MULTILINE)
    ]


def test_each_row_of_what_was_tried_names_a_test_that_exists() -> None:
    page = PAGE.read_text()
    rows = re.findall(r"^\| (?!tried|---)", page, re.MULTILINE)
    assert len(rows) == len(named(page))
    assert missing(page) == []


def test_a_test_that_does_not_exist_is_found() -> None:
    page = "`docs/test_hardening.py::missing` `docs/gone.py::test_it`"
    assert missing(page) == ["docs/gone.py::test_it"]
