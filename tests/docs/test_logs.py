"""The page about logs names records as the server writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..support.served import TAKES_ALL, serve

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/logs.md").read_text()


def test_each_event_of_the_page_is_logged_somewhere() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    _, _, table = PAGE.partition("| event | level |")
    rows = re.findall(r"^\| (`.*?) \| (?:info|warning|error)", table, re.MULTILINE)
    events = re.findall(r"`(\w+)`", "".join(rows))
    assert len(events) > 15
    assert [event for event in events if f'"{event}"' not in source] == []


def test_a_call_is_logged_as_the_page_shows(tmp_path: Path) -> None:
    with serve(tmp_path / "data", **TAKES_ALL) as server:
        server.cli("talk", "--text", "my secret number", "--assistant", "echo")
        server.stop()
        log = server.log.read_text()
    records = {line["event"]: line for line in map(json.loads, log.splitlines())}
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    example = json.loads(shown)
    assert records["call_began"].keys() == example.keys()
    assert records["call_began"]["logger"] == example["logger"]
    assert "ending" in records["call_ended"]
    assert "my secret number" not in log
