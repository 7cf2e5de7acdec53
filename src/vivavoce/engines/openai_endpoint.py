"""An OpenAI-compatible HTTP endpoint, as its three adapters see it.

A server's text about a failure may quote keys and what people said. Only its short code goes
into our own sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from ..core.types import JsonObject
from ..errors import EngineError
from ..net.errors import NetError
from ..net.http import Files, HttpClient, RequestLimits, Stream

TOTAL_S = 600.0  # of waiting for one answer, as long as something keeps coming

_CODES = {
    401: "invalid_api_key",
    402: "insufficient_quota",
    403: "invalid_api_key",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}
_PLAIN = re.compile(r"[a-z0-9_.-]{1,64}")


class Endpoint:
    """`base_url` ends where OpenAI's does: in `/v1`."""

    def __init__(
        self,
        http: HttpClient,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._bounds = RequestLimits(quiet_s=timeout_s, total_s=TOTAL_S)

    @asynccontextmanager
    async def post(
        self,
        path: str,
        body: JsonObject | None = None,
        *,
        form: Mapping[str, str] | None = None,
        files: Files | None = None,
    ) -> AsyncIterator[Stream]:
        """Stream the answer. Every failure inside the block is an `EngineError`."""
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._http.stream(
                "POST",
                self._base_url + path,
                headers=headers,
                content=None if body is None else _encode(body),
                data=form,
                files=files,
                bounds=self._bounds,
            ) as stream:
                yield stream
        except NetError as error:
            raise _engine_error(path, error) from None


def _encode(body: JsonObject) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # half a surrogate pair, which is not a character
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def in_stream(path: str, error: object) -> EngineError:
    """Return the error that a server sent in the middle of an answer."""
    return EngineError(f"{path}: the server gave up", _code(None, error))


def _engine_error(path: str, error: NetError) -> EngineError:
    match error.kind:
        case "timeout":
            return EngineError(f"{path}: {error}", "engine_timeout")
        case "status":
            try:
                said = msgspec.json.decode(error.body)
            except (ValueError, RecursionError):
                said = None
            detail = said.get("error") if isinstance(said, dict) else None
            code = _code(error.status, detail)
            reason = _reason(detail)
            return EngineError(f"{path}: {error}{f' ({reason})' if reason else ''}", code)
        case _:
            return EngineError(f"{path}: {error}")


def _code(status: int | None, detail: object) -> str:
    reason = _reason(detail)
    if reason in _CODES.values():
        return reason
    return _CODES.get(status or 0, "engine_failed")


def _reason(detail: object) -> str:
    """Return the server's own code, if it is a code and not a sentence."""
    if not isinstance(detail, dict):
        return ""
    for key in ("code", "type"):
        value = detail.get(key)
        if isinstance(value, str) and _PLAIN.fullmatch(value):
            return value
    return ""
