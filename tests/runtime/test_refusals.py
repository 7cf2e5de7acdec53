"""A refusal has one form, and every type of error stands in the tree that `errors` draws."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import vivavoce
from vivavoce import errors
from vivavoce.access.auth_failure import AuthFailure
from vivavoce.errors import InvalidRequest
from vivavoce.protocol import codec
from vivavoce.protocol.close_codes import CloseCode
from vivavoce.runtime.refusals import (
    RATE,
    CallRefused,
    close_reason,
    error_event,
    http_answer,
    invalid,
    refused,
)

SOURCES = Path(vivavoce.__file__).parent
BUSY = CallRefused(
    429, "server_busy", "Try again.", param="x", type=RATE, close=CloseCode.TRY_AGAIN_LATER,
    retry_s=7,
)  # fmt: skip


def test_http_and_websocket_carry_the_same_refusal() -> None:
    status, headers, body = http_answer(BUSY)
    event = json.loads(codec.encode(error_event(BUSY, "event_1")))
    assert (status, headers["Retry-After"]) == (429, "7")
    assert headers["Content-Type"] == "application/json"
    told = {"type": RATE, "code": "server_busy", "message": "Try again.", "param": "x"}
    assert json.loads(body) == {"error": told}
    assert (event["type"], event["event_id"]) == ("error", "event_1")
    assert told.items() <= event["error"].items()
    assert event["error"]["retry_after"] == 7
    assert close_reason(BUSY) == "rate_limit_error.server_busy"


def test_a_refusal_that_is_final_names_no_time_to_try_again() -> None:
    final = CallRefused(404, "not_found", "There is none.")
    assert "Retry-After" not in http_answer(final).headers
    assert "retry_after" not in json.loads(codec.encode(error_event(final, "event_1")))["error"]
    assert final.close == CloseCode.DO_NOT_RETRY


def test_a_credential_that_is_not_accepted_closes_with_3000() -> None:
    why = refused(AuthFailure("key_revoked", "The key has been revoked."))
    assert (why.status, why.close) == (401, 3000)
    assert close_reason(why) == "invalid_request_error.key_revoked"
    assert json.loads(http_answer(why).body)["error"]["message"] == "The key has been revoked."


def test_an_invalid_request_is_refused_with_its_own_code_and_param() -> None:
    why = invalid(InvalidRequest("invalid_value", "Unknown role.", "role"))
    assert (why.status, why.code, why.param, why.close) == (400, "invalid_value", "role", 4000)


# The tree


def parents_in_the_docstring() -> dict[str, str]:
    """Read the tree that the module `errors` draws: every name with the name above it."""
    drawn: dict[str, str] = {}
    path = ["VivavoceError"]
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.match(r"((?:[│ ] {3})*)[├└]── (\w+)", line):
            depth = len(branch[1]) // 4 + 1
            path[depth:] = [branch[2]]
            drawn[branch[2]] = path[depth - 1]
    return drawn


def parents_in_the_code() -> dict[str, str]:
    """Find every public subclass of `VivavoceError` in the sources, with its parent."""
    bases = {
        node.name: base.id
        for file in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    }

    def is_ours(name: str) -> bool:
        return name == "VivavoceError" or (name in bases and is_ours(bases[name]))

    return {
        name: base for name, base in bases.items() if is_ours(base) and not name.startswith("_")
    }


def test_the_tree_of_errors_is_drawn_completely() -> None:
    assert parents_in_the_docstring() == parents_in_the_code()


@pytest.mark.parametrize("folder", ["runtime", "http", "transports", "access", "app"])
def test_no_other_module_writes_the_body_of_a_refusal(folder: str) -> None:
    allowed = {"runtime/refusals.py", "http/errors.py"}  # the latter for starlette's own errors
    for file in (SOURCES / folder).rglob("*.py"):
        if file.relative_to(SOURCES).as_posix() not in allowed:
            assert "envelope(" not in file.read_text("utf-8"), file
