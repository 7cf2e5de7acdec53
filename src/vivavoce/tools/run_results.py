"""Say what the model reads of a run, in each of its states.

`message` is for a model. `spoken` is what the caller hears from a brain without a language model,
in the language of the call.
"""

from __future__ import annotations

import json

from ..core.types import ToolRules
from ..protocol.items import FunctionCall
from ..store.tool_runs import ToolRunRow
from . import approval_questions
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
NOT_APPROVED = "This was not approved. It is not done."
NOT_RUN = "The tool was not run."
NOT_RECORDED = "The tool was not run, because the server could not record it."
EXPIRED = "The request for an approval has expired."


def requested(row: ToolRunRow, rules: ToolRules, language: str) -> ToolResult:
    """Return what the model reads while a run waits for its approval."""
    about = {
        "state": "requested",
        "run_id": row.id,
        "approve": row.approve,
        "spoken": approval_questions.question(row, rules, language),
        "message": ASK_STAFF if row.approve == "staff" else ASK_USER,
    }
    if row.expires_at is not None:
        about["expires_at"] = row.expires_at.isoformat()
    return ToolResult(_json(about))


def not_approved(language: str) -> ToolResult:
    """Return what the model reads of a run that a person declined."""
    texts = approval_questions.DECLINED
    spoken = approval_questions.in_language(texts, language) or texts["en"]
    return ToolResult(_json({"error": NOT_APPROVED, "spoken": spoken}), failed=True)


def may_have_happened() -> ToolResult:
    """Return what the model reads of a run that was interrupted."""
    output = _json({"state": "unknown", "message": MAY_HAVE_HAPPENED})
    return ToolResult(output, failed=True, unknown=True)


def result_of(row: ToolRunRow) -> ToolResult:
    """Return the result of a recorded run. One that is still requested waits for no call."""
    if row.result is not None:
        return ToolResult(row.result, row.state != "done", row.state == "unknown")
    if row.state != "requested":
        return may_have_happened()
    return requested(row, ToolRules(approve=row.approve), "en")


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
