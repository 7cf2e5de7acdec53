"""Say what the model reads of a run, in each of its states."""

from __future__ import annotations

import json

from ..protocol.items import FunctionCall
from ..store.tool_runs import ToolRunRow
from .base import ToolResult

ASK_USER = (
    "This is not done yet, because the user must confirm it. Say what will be done and ask. When "
    "the user has said yes, call this tool again with the same arguments."
)
ASK_STAFF = (
    "This is not done yet, because a member of staff must approve it. Tell the user. The result "
    "comes by itself."
)
MAY_HAVE_HAPPENED = (
    "The tool was interrupted, and this may have happened. Tell the user so. Do not repeat it "
    "without asking."
)
NOT_RUN = "The tool was not run."
NOT_RECORDED = "The tool was not run, because the server could not record it."


def requested(row: ToolRunRow) -> ToolResult:
    """Return what the model reads while a run waits for its approval."""
    message = ASK_STAFF if row.approve == "staff" else ASK_USER
    return ToolResult(_json({"state": "requested", "run_id": row.id, "message": message}))


def may_have_happened() -> ToolResult:
    """Return what the model reads of a run that was interrupted."""
    output = _json({"state": "unknown", "message": MAY_HAVE_HAPPENED})
    return ToolResult(output, failed=True, unknown=True)


def result_of(row: ToolRunRow) -> ToolResult:
    """Return the result of a recorded run."""
    if row.result is not None:
        return ToolResult(row.result, row.state != "done", row.state == "unknown")
    return requested(row) if row.state == "requested" else may_have_happened()


def call_of(row: ToolRunRow) -> FunctionCall:
    """Return the tool call of a run, as an item."""
    return FunctionCall(
        id=row.item_id or "",
        call_id=row.tool_call_id or row.id,
        name=row.tool,
        arguments=row.arguments,
        status="completed",
    )


def _json(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False)
