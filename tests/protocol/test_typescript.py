"""The TypeScript of the browser client is what the server's types say."""

from __future__ import annotations

import re
from typing import get_args

from scripts import protocol_types

from vivavoce.protocol import client, own_events, server


def test_the_file_is_up_to_date() -> None:
    made = protocol_types.FILE.read_text()
    assert made == protocol_types.text(), "run scripts/protocol_types.py"


def test_it_has_every_event_and_names_no_type_that_it_lacks() -> None:
    made = protocol_types.FILE.read_text()
    events = [
        each
        for union in (client.ClientEvent, server.ServerEvent, own_events.OwnEvent)
        for each in get_args(union)
    ]
    tags = {each.__struct_config__.tag for each in events}
    assert tags == set(re.findall(r'^  type: "([\w.]+\.[\w.]+|error)";$', made, re.MULTILINE))
    defined = set(re.findall(r"^export (?:interface|type) (\w+)", made, re.MULTILINE))
    used = set(re.findall(r"\b([A-Z]\w+)", re.sub(r'//.*|"[^"]*"', "", made)))
    assert used - defined == {"Record"}
