"""Prose is plain English: no folder has more hits of the rules than its budget."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import language, prose
from .language import BUDGETS, DONE, ROOT, RULES, Measured, Rule
from .prose import Block

WIDTH = 100  # columns
SLACK = 0.8  # of the budget: a folder that is better than this gets a lower one
PAGES = [path for path in prose.files(ROOT) if path.suffix == ".md"]


@pytest.fixture(scope="module")
def measured() -> dict[str, Measured]:
    return language.measure()


def over(found: Measured, budget: float) -> bool:
    """Return whether a folder has more hits than its budget; one hit is always allowed."""
    return len(found.hits) > 1 and found.rate > budget


def too_generous(found: Measured, budget: float) -> bool:
    return budget > DONE and found.rate < SLACK * budget


# The folders of this project


def test_no_folder_has_more_hits_than_its_budget(measured: dict[str, Measured]) -> None:
    budgets = language.budgets()
    report = [
        f"{folder}: {found.rate:.1f} hits per 1,000 words; the budget is {budget}.\n"
        + "\n".join(map(str, found.hits[:20]))
        for folder, found in measured.items()
        if over(found, budget := budgets.get(folder, DONE))
    ]
    if report:
        report.append("All hits of a folder: python -m tests.docs.language FOLDER")
        pytest.fail("\n\n".join(report), pytrace=False)


def test_budgets_follow_a_folder_that_gets_better(measured: dict[str, Measured]) -> None:
    report = [
        f"{folder}: {measured[folder].rate:.1f} hits per 1,000 words; the budget is {budget}."
        for folder, budget in language.budgets().items()
        if folder not in measured or too_generous(measured[folder], budget)
    ]
    if report:
        report.append(f"Lower the budgets in {BUDGETS.name}: python -m tests.docs.language --lower")
        pytest.fail("\n".join(report), pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_markdown_prose_is_at_most_100_columns_wide(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    wide = [line for line in text.splitlines() if len(line) > WIDTH]
    assert [line for line in wide if not line.startswith(("|", "    "))] == []


# The rules


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_finds_its_example_and_accepts_the_rewritten_one(rule: Rule) -> None:
    before = language.hits(Block("x.py", 1, rule.before, rule.docstrings))
    after = language.hits(Block("x.py", 1, rule.after, rule.docstrings))
    assert rule.name in {hit.rule for hit in before}
    assert list(after) == []


@pytest.mark.parametrize(
    "text",
    [
        "A client that needs a voice waits for the worker that speaks.",
        "There is no queue for it, and the field is no longer null.",
        "What does the server do when the queue is full?",
        "The code `who comes` is quoted, and so is `nobody`.",
        "Return the person who speaks.",
    ],
)
def test_plain_sentences_have_no_hits(text: str) -> None:
    assert list(language.hits(Block("x.md", 1, text))) == []


def test_a_hit_over_two_lines_has_the_line_on_which_it_begins() -> None:
    text = "The server closes it.\nThe slot then goes to\nwho comes first."
    (hit,) = language.hits(Block("x.md", 7, text))
    assert (hit.line, hit.rule) == (8, "headless-who")


def test_long_sentences_and_many_semicolons_are_found() -> None:
    words = " ".join(["word"] * (language.LONGEST_SENTENCE + 1))
    assert [hit.rule for hit in language.hits(Block("x.md", 1, words))] == ["long-sentence"]
    (hit,) = language.hits(Block("x.md", 1, "It reads; it writes; it ends."))
    assert hit.rule == "semicolons"


# The prose that they apply to


def test_docstrings_comments_messages_and_test_names_are_prose(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        '"""Summary of the module.\n\nSecond paragraph."""\n\n'
        "# one comment\n# on two lines\n\n"
        "def test_a_client_is_refused() -> None:\n"
        "    log.info('call %s ended', 'x')\n"
        "    option(help='Print the version.')\n"
        "    value = 'not prose at all'  # a unit\n"
        "    other = 1  # another unit,\n"
        "    # explained on two lines\n"
        "    raise ValueError(f'the key {value} is unknown') from None\n"
    )
    found = {block.text: block.line for block in prose.blocks(tmp_path, file)}
    assert found == {
        "Summary of the module.": 1,
        "Second paragraph.": 3,
        "one comment\non two lines": 5,
        "a client is refused": 8,
        "call %s ended": 9,
        "Print the version.": 10,
        "a unit": 11,
        "another unit,\nexplained on two lines": 12,
        "the key ": 14,
        " is unknown": 14,
    }


def test_markdown_and_typescript_are_read_without_their_code(tmp_path: Path) -> None:
    page, script = tmp_path / "page.md", tmp_path / "call.ts"
    page.write_text("# Title\n\nFirst\nparagraph.\n- item\n  goes on\n\n```\ncode\n```\n    more\n")
    script.write_text(
        "/** Opens it. */\nconst url = 'https://x'; // the address\n// later\n"
        "const port = 1; // its port\n"
    )
    texts = [block.text for block in prose.blocks(tmp_path, page)]
    assert texts == ["Title", "First\nparagraph.", "item\ngoes on"]
    texts = [block.text for block in prose.blocks(tmp_path, script)]
    assert texts == ["Opens it.", "the address\nlater", "its port"]


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("README.md", "."),
        ("src/vivavoce/config.py", "src/vivavoce"),
        ("src/vivavoce/engines/stt/lm.py", "src/vivavoce/engines"),
        ("tests/core/test_session.py", "tests/core"),
        ("packages/vivavoce-espeak/src/vivavoce_espeak/main.py", "packages/vivavoce-espeak"),
        ("docs/reference/http.md", "docs"),
    ],
)
def test_each_file_belongs_to_one_folder_with_a_budget(file: str, folder: str) -> None:
    assert prose.folder_of(file) == folder


# The ratchet


def folder_with(hits: int, words: int) -> Measured:
    hit = language.Hit("x.py", 1, "vague", "", "")
    return Measured(words, (hit,) * hits)


def test_a_folder_above_its_budget_fails_and_one_hit_never_does() -> None:
    assert over(folder_with(3, 1000), 2.9)
    assert not over(folder_with(3, 1000), 3.0)
    assert not over(folder_with(1, 10), DONE)


def test_a_budget_that_is_much_too_high_fails_until_it_is_lowered() -> None:
    better, same = folder_with(10, 1000), folder_with(19, 1000)
    assert too_generous(better, 20.0)
    assert not too_generous(same, 20.0)
    assert not too_generous(folder_with(0, 1000), DONE)
    text = language.lowered({"core": better, "net": same, "app": folder_with(0, 9)}, {"core": 20.0})
    assert re.findall(r'\["(\w+)"\]\nbudget = ([\d.]+)', text) == [("core", "10.1")]


@pytest.mark.parametrize(
    "folder", ["src/vivavoce/http/static", "web/node_modules", "packages/one/dist", "docs/.cache"]
)
def test_generated_and_installed_files_are_not_judged(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "licenses.md").write_text("Whatever somebody wrote.\n")
    (tmp_path / "docs").mkdir(exist_ok=True)
    (ours := tmp_path / "docs/one.md").write_text("The server refuses the call.\n")
    assert list(prose.files(tmp_path)) == [ours]
