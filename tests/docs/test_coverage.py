"""The coverage page of the protocol is complete, and true of the tests that ran."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..support import catalogue, coverage

ADVICE = "`make coverage` writes the page again"


def test_every_row_has_a_test() -> None:
    flaws = list(coverage.flaws(coverage.read(coverage.PAGE.read_text("utf-8"))))
    assert not flaws, ADVICE


def test_the_page_equals_the_generated_one() -> None:
    page = coverage.PAGE.read_text("utf-8")
    assert coverage.render(coverage.read(page)) == page, ADVICE


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_fails_if_a_test_does_not_touch_its_rows(tmp_path: Path, processes: str) -> None:
    """`conftest` compares the page with the tests that ran, in however many processes."""
    page, table = tmp_path / "coverage.md", coverage.load(coverage.PAGE)
    test = next(test for test in table.values() if test.startswith("core/"))
    page.write_text(coverage.render(dict.fromkeys(table, test)), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", processes, f"tests/{test}",
         "--coverage-page", str(page)],
        cwd=coverage.TESTS.parent, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 passed" in done.stdout
    untouched = re.findall(rf"(.*): {test} does not touch it", done.stdout)
    assert 0 < len(untouched) < len(table), "it touches its own rows"


# The protocol's own document, if it is available


def test_every_event_of_the_document_is_in_the_catalogue(document: str) -> None:
    known = {row.owner.removesuffix(" (translation)") for row in catalogue.rows()}
    examples = set(re.findall(r'(?:[CS][<>] |^)\{"type":"([a-z_]+(?:\.[a-z_]+)+)"', document, re.M))
    assert len(examples) > 50
    assert examples - known - BETA == set()
    listed = _listed(document)
    assert len(listed) > 40
    assert listed - known == set()


BETA = {"response.audio_transcript.delta"}  # names of §8


def _listed(document: str) -> set[str]:
    """Return the names in the first column of §4.1 and in the headings of §3."""
    section = document.partition("### 4.1 ")[2].partition("\n### ")[0]
    found, before = set[str](), ""
    for cell in re.findall(r"^\| (`.+?) \|", section, re.M):
        for name in re.findall(r"`([^`]+)`", cell):
            for one in _spelled(name, before):
                found.add(before := one)
    return found | set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", _headings(document)))


def _headings(document: str) -> str:
    return "\n".join(re.findall(r"^### 3\.\d+ .*$", document, re.M))


def _spelled(name: str, before: str) -> list[str]:
    """Split `a.started/stopped` in two; complete `.done` and `….completed` from `before`."""
    stem = before.rpartition(".")[0]
    name = re.sub(r"^(….|\.)", f"{stem}.", name)
    first, *others = name.split("/")
    return [first, *(f"{first.rpartition('.')[0]}.{other}" for other in others)]


def test_every_code_of_the_document_is_in_the_catalogue(document: str) -> None:
    section = document.partition("### 3.2 ")[2].partition("\n### ")[0]
    codes = {
        code
        for cell in re.findall(r"^\| (`.+?) \|", section, re.M)
        for code in re.findall(r"`([a-z_]+)`", cell)
    }
    assert len(codes) > 20
    known = {code for table in catalogue.CODES.values() for code in table}
    assert codes - known == set()


# Decisions


def test_every_decision_names_a_test_that_exists() -> None:
    page = (coverage.PAGE.parents[1] / "decisions/protocol-uncertainties.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| (?!open|---)", line)]
    assert len(rows) > 40
    for row in rows:
        tests = re.findall(r"`([a-z_/]+\.py::\w+)`", row.split("|")[-2])
        assert tests, row
        assert all(map(coverage.exists, tests)), row


# The checks find mistakes


def test_a_wrong_page_is_found() -> None:
    table = coverage.read(coverage.PAGE.read_text("utf-8"))
    row, test = next(iter(table.items()))
    others = {other: name for other, name in table.items() if other != row}
    strange = catalogue.Row("server", "response.telepathy.delta")
    assert list(coverage.flaws(others))
    assert list(coverage.flaws({**table, row: test.replace("::test_", "::test_no_")}))
    assert list(coverage.flaws({**table, row: "protocol/test_official.py::test_whatever_happens"}))
    assert list(coverage.flaws({**table, strange: test}))
