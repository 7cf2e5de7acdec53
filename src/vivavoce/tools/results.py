"""Make the results of tool calls from texts."""

from __future__ import annotations

import json

from .base import ToolResult


def failed(message: str) -> ToolResult:
    """Return the result of a failure, with a text for the model."""
    return ToolResult(json.dumps({"error": message}, ensure_ascii=False), failed=True)
