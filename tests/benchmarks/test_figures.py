"""The benchmark's tables, on numbers that were not measured."""

from __future__ import annotations

import importlib
import sys

import pytest
from benchmarks.figures import Target
from benchmarks.idle import Idle
from benchmarks.startup import Start
from benchmarks.talk import Talk

from benchmarks import __main__ as whole
from benchmarks import figures


def test_p95_of_few_values_is_the_largest() -> None:
    assert figures.p95([3, 1, 2]) == 3
    assert figures.p95(list(range(1, 101))) == 95


def test_a_target_is_missed_by_its_median_or_by_its_tail() -> None:
    assert figures.verdict([10] * 100, Target(50, 150)) == "yes"
    assert figures.verdict([60] * 100, Target(50, 150)) == "**no**"
    assert figures.verdict([10] * 90 + [200] * 10, Target(50, 150)) == "**no**"
    assert figures.verdict([], Target(50)) == ""


def test_what_was_never_measured_is_a_dash_and_not_a_zero() -> None:
    talk = Talk(1, first_audio_server=[40.0, 44.0, 160.0])
    made = whole.talking([talk])
    assert "| 44 / 160 | ≤ 50 / 150 | **no** |" in made
    assert f"| `response.cancel` → silence | {figures.NONE} | ≤ 50 |  |" in made


@pytest.mark.parametrize("given", [["pairs", "other"], ["frame"]])
def test_what_the_document_has_no_place_for_is_not_measured_to_be_written(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *given, "--write"])
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"{name} measures"))
    with pytest.raises(SystemExit) as ended:
        whole.main()
    assert ended.value.code == 2
    assert f"argument --write: there is no <!-- {given[0]}: begin -->" in capsys.readouterr().err


def test_every_row_has_as_many_cells_as_the_head() -> None:
    talks = [Talk(n, first_audio_server=[30.0] * n) for n in (1, 4, 8)]
    quiet = whole.resting([Start(900, 950, 1500, 1200, 400)], Idle(140_000, 60, 90, 70))
    for made in (whole.talking(talks), quiet):
        assert len({line.count("|") for line in made.splitlines()}) == 1


def test_a_table_replaces_the_one_before_and_nothing_else() -> None:
    begin, end = figures.marks("benchmark")
    text = f"before\n{begin}\nold\n{end}\nafter\n"
    once = figures.between(text, "new")
    assert once == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    assert figures.between(once, "new") == once
    with pytest.raises(ValueError, match="write between"):
        figures.between("no markers here", "new")
