"""A language model reads the schema of a tool without the keywords of this server."""

from __future__ import annotations

from vivavoce.engines.tool_schemas import without_own_keywords


def test_keywords_of_our_own_are_left_out_and_names_are_not() -> None:
    schema = {
        "type": "object",
        "x-examples": ["scan the {x-ray}"],
        "properties": {
            "x-ray": {"type": "string", "x-ask": "Which one?"},
            "properties": {"type": "object", "properties": {"x-axis": {"x-after": ["at"]}}},
        },
        "anyOf": [{"x-part-of-day": "evening", "type": "null"}],
        "required": ["x-ray"],
    }
    assert without_own_keywords(schema) == {
        "type": "object",
        "properties": {
            "x-ray": {"type": "string"},
            "properties": {"type": "object", "properties": {"x-axis": {}}},
        },
        "anyOf": [{"type": "null"}],
        "required": ["x-ray"],
    }
