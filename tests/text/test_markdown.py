from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.markdown import read


def said(text: str) -> str:
    return "\n".join(" ".join(lines) for s in read(text).sections for lines in s.paragraphs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to info_desk@example.org.", "Write to info_desk@example.org."),
        ("The code is `blue_door*7`.", "The code is blue_door*7."),
        ("It is in /srv/our_files/new_*.txt now.", "It is in /srv/our_files/new_*.txt now."),
        ("See https://www.example.org/a_b/c_d.", "See https://www.example.org/a_b/c_d."),
        ("Snake_case_words stay, 2 * 3 = 6 too.", "Snake_case_words stay, 2 * 3 = 6 too."),
        ("Ask for **Mr\\. Oak**, *please*, __now__.", "Ask for Mr. Oak, please, now."),
        ("At the ~~old~~ new desk, price 5\\*.", "At the new desk, price 5*."),
        ("```\n# a_b *c*\n```", "# a_b *c*"),
    ],
)
def test_K2_marks_are_removed_only_where_markdown_has_marks(text: str, expected: str) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <!-- 500 euros --> b", "a b"),
        ("a\n\n<!-- 500\n\neuros -->\n\nb", "a\nb"),
        ("a <!-- 500\n\neuros\n\n- too\n\n--> b", "a\nb"),
        ("a\n\n<!-- 500\n\n# Secret\n\n```\neuros\n```", "a"),
        ("from 7<br>to 10.&nbsp;It is <b>free</b> &amp; warm.", "from 7 to 10. It is free & warm."),
        ("<details><summary>More</summary>\n\nBread.\n\n</details>", "More\nBread."),
        ("<script>let euros = 500</script>\n\nBread.", "Bread."),
        ("<style>\np { color: red }\n</style>\n\nBread.", "Bread."),
        ("![A map](map.png) and [our *page*](https://example.org/x_y).", "A map and our page."),
        ("See [our page][shop].\n\n[shop]: https://example.org/long", "See our page."),
        ("Write to <info@example.org>.", "Write to info@example.org."),
        ("- [ ] passport\n- [x] badge\n- tea\n    - cup", "passport.\nbadge.\ntea.\ncup."),
        ("1. First go in.\n2. Then turn left!", "First go in.\nThen turn left!"),
        ("> Quoted\n> words.", "Quoted words."),
        ("Tea[^1].\n\n[^1]: Only on Mondays.", "Tea.\nOnly on Mondays."),
        ("|Room|Floor|\n|--|--:|\n|Oak|1|\n|Elm||", "Room: Oak, Floor: 1. Room: Elm."),
    ],
)
def test_K7_hidden_text_stays_hidden_and_structure_becomes_sentences(
    text: str, expected: str
) -> None:
    assert said(text) == expected


def test_K7_a_comment_without_an_end_is_a_mistake_with_its_line() -> None:
    assert [line for line, _ in read("# A\n\nb\n\n<!-- c\n\nd").mistakes] == [5]
    assert [line for line, _ in read("---\nx: y\n---\na <!-- c\n\nd").mistakes] == [4]
    assert read("a <!-- b --> c").mistakes == []


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_K6_front_matter_is_cut_off_and_knowledge_between_rules_is_kept(
    mark: str, end: str
) -> None:
    front = mark + "---\ntitle: Rules\ntags:\n  - a\n---\n\n# Smoking\n\nNo.\n".replace("\n", end)
    rules = mark + "---\n\n# Parking\n\nBehind.\n\n---\n\n# Garden\n\nAt 8.\n".replace("\n", end)
    assert [s.title for s in read(front).sections if s.paragraphs] == ["Smoking"]
    assert [s.title for s in read(rules).sections if s.paragraphs] == ["Parking", "Garden"]
    note = mark + "---\nNote: we close at 8.\nThe bar does not.\n".replace("\n", end)
    assert "The bar does not." in said(note)


def test_headings_of_both_kinds_begin_a_section() -> None:
    sections = read("Before.\n\nTea\n===\n\nAt 5.\n\n## *Milk* `a_b`\n\nNo.").sections
    assert [(s.title, s.line) for s in sections] == [("", 1), ("Tea", 3), ("Milk a_b", 8)]


@given(st.text(alphabet="ab*_`<!->[]()|#\n -~&;\\", max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert read(text).sections
