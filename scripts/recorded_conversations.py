#!/usr/bin/env python3
"""Write the conversations that recorded events fold to, for the tests of the client.

.venv/bin/python scripts/recorded_conversations.py

A test compares the file with the fold, so a change of either asks for this command. The client
reads the same recordings, and its fold must make the same items of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vivavoce.core.conversation import Conversation
from vivavoce.protocol import codec, server

RECORDINGS = Path(__file__).parents[1] / "tests/recordings"
FILE = RECORDINGS / "conversations.json"


def recorded() -> Iterator[tuple[str, list[server.ServerEvent]]]:
    """Yield the path of each recording, and its server events."""
    for path in sorted(RECORDINGS.rglob("*.jsonl")):
        name = path.relative_to(RECORDINGS).as_posix()
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if "kind" in lines[0]:  # recorded with both directions
            lines = [line["data"] for line in lines if line.get("direction") == "received"]
        events = [codec.decode_server(json.dumps(line)) for line in lines if "type" in line]
        if events:
            yield name, [event for event in events if event]


def conversations() -> dict[str, object]:
    """Return the items of each recording, by its path."""
    found: dict[str, object] = {}
    for name, events in recorded():
        folded = Conversation()
        for event in events:
            folded.apply(event)
        found[name] = msgspec.to_builtins(list(folded))
    return found


def text() -> str:
    return json.dumps(conversations(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
