"""Facts that are true for a time."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from zoneinfo import ZoneInfo

from vivavoce.file_reading import FolderFile
from vivavoce.knowledge import facts
from vivavoce.knowledge.facts import FactsRead

ROME = ZoneInfo("Europe/Rome")
PAGE = Path(__file__).parents[2] / "docs/reference/assistant.md"


def read(folder: Path, text: str) -> FactsRead:
    (folder / "facts.toml").write_text(text)
    return facts.read(FolderFile(folder, "facts.toml"), ["en", "it"], ROME)


def test_a_fact_is_true_from_its_beginning_to_the_moment_before_its_end(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml facts.toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = read(tmp_path, shown)
    assert found.mistakes == []
    begins = dt.datetime(2027, 5, 12, 6, 0, tzinfo=dt.UTC)  # 8 in Rome
    ends = begins + dt.timedelta(hours=10)
    moment = dt.timedelta(microseconds=1)
    told = {at: [c.title for c in facts.valid(found.facts, at)]
            for at in (begins - moment, begins, ends - moment, ends)}  # fmt: skip
    assert told == {
        begins - moment: ["lunch"],
        begins: ["lunch", "Lift"],
        ends - moment: ["lunch", "Lift"],
        ends: ["lunch"],
    }
    assert facts.next_change(found.facts, begins - moment) == begins
    assert facts.next_change(found.facts, begins) == ends
    assert facts.next_change(found.facts, ends) is None


def test_a_fact_with_a_mistake_is_named_with_its_line_and_the_others_are_used(
    tmp_path: Path,
) -> None:
    lines = [
        'lift = "The lift works."', "door = 3", "[stairs]", 'valid_until = "tomorrow"',
        'text = "They creak."', "[bar]", 'text = ""', 'colour = "red"', 'language = "de"', "[day]",
        'text = "T."', "valid_from = 2027-05-12",
    ]  # fmt: skip
    found = read(tmp_path, "\n".join(lines))
    assert [fact.chunk.title for fact in found.facts] == ["lift", "day"]
    assert found.facts[1].valid_from == dt.datetime(2027, 5, 12, tzinfo=ROME)
    assert [(each.line, each.column) for each in found.mistakes] == [
        (2, "door"), (4, "stairs.valid_until"), (8, "bar.colour"), (7, "bar.text"),
        (9, "bar.language"),
    ]  # fmt: skip
