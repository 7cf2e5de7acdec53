"""Tools that are HTTP requests, as an assistant's `[[tools]]` tables of kind `http` describe them.

Arguments that the address names are put into it. The others are the body, as JSON, or the query of
a `GET` or `DELETE`. The client of `net` keeps the egress rules: it does not connect to private
addresses, and does not follow a redirect to another server.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from standardwebhooks import Webhook

from ..assistants.sections import SecretSource
from ..core.types import ToolSpec
from ..errors import EngineError
from ..net import webhook_secret
from ..net.errors import NetError
from ..net.http import BUSY, HttpClient, HttpResponse, RequestLimits, full_jitter
from .base import ToolContext, ToolRequest, ToolResult, ToolRules
from .http_table import IN_QUERY, PLACEHOLDER, HttpTable
from .results import failed

log = logging.getLogger("vivavoce.tools")

RESPONSE_BYTES = 64 * 1024
TOLD = 300  # characters of an error response
_NOT_TOLD = frozenset({401, 403, 407})  # they speak of this server's credentials
_TEXT = ("text/", "application/json", "application/xml", "application/problem+json")
_AGAIN = frozenset({"unreachable", "broken", "timeout"})


class HttpTool:
    """The `ToolRunner` of one table."""

    def __init__(
        self,
        table: HttpTable,
        http: HttpClient,
        folder: Path,
        *,
        backoff: Callable[[int], float] = full_jitter,
    ) -> None:
        """`folder`: of the assistant, in which files of secrets are."""
        self._table = table
        self._template = table.template
        self._http = http
        self._folder = folder
        self._backoff = backoff
        spec = {"name": table.name, "description": table.description}
        self._specs = (ToolSpec(**spec, parameters=table.parameters),)

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        """Return one tool, the same for all calls."""
        return self._specs

    def rules(self, name: str) -> ToolRules:
        return self._table.rules

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        """Send the request. Return the response, or a text that says what went wrong."""
        arguments: dict[str, Any] = json.loads(request.arguments)
        for name in self._template.names:
            if (problem := _unfit(arguments.get(name))) is not None:
                return failed(f"These arguments are wrong. {name}: {problem}")
        url, body = self._filled(arguments)
        key = request.idempotency_key or f"{context.call_id}/{request.tool_call_id}"
        try:
            response = await self._send(url, body, self._headers(body, key))
        except NetError as error:
            about = {"call": context.call_id, "tool": self._table.name, "kind": error.kind}
            log.warning("tool_request_failed", extra=about | {"status": error.status})
            return failed(_told(error))
        return _result(response)

    def _filled(self, arguments: dict[str, Any]) -> tuple[str, bytes]:
        """Return the address and the body."""
        url = PLACEHOLDER.sub(lambda at: quote(_text(arguments[at[1]]), ""), self._template.url)
        rest = {name: each for name, each in arguments.items() if name not in self._template.names}
        if self._template.method not in IN_QUERY:
            return url, json.dumps(rest, ensure_ascii=False).encode()
        query = urlencode(
            [(name, _text(one)) for name, each in rest.items() for one in _several(each)]
        )
        return f"{url}{'&' if '?' in url else '?'}{query}" if query else url, b""

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        """Return the headers of one request. Raises `EngineError` without a secret."""
        headers = {name: self._secret(each) for name, each in self._table.headers.items()}
        if body:
            headers["Content-Type"] = "application/json"
        if self._table.idempotency_key:
            headers["Idempotency-Key"] = key
        if self._table.sign is not None:
            headers |= signature(self._secret(self._table.sign), key, body)
        return headers

    def _secret(self, source: str | SecretSource) -> str:
        if isinstance(source, str):
            return source
        if (problem := source.problem(self._folder)) is not None:
            log.error("tool_secret_missing", extra={"tool": self._table.name, "reason": problem})
            raise EngineError("The tool is not configured.")
        return source.read(self._folder) or ""

    async def _send(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """Send the request, again after a failure that may pass. Raises `NetError`."""
        seconds = self._table.timeout
        bounds = RequestLimits(quiet_s=seconds, total_s=seconds, max_bytes=RESPONSE_BYTES)
        method, attempt = self._template.method, 0
        while True:
            attempt += 1
            try:
                return await self._http.request(
                    method, url, headers=headers, content=body or None, bounds=bounds
                )
            except NetError as error:
                passes = error.kind in _AGAIN or error.status in BUSY
                if not passes or attempt > self._table.retries:
                    raise
                await asyncio.sleep(self._backoff(attempt))


def signature(secret: str, key: str, body: bytes) -> dict[str, str]:
    """Return the headers of Standard Webhooks. Raises `EngineError` if the secret cannot sign."""
    at = datetime.now(UTC)
    identifier = f"msg_{key.replace('/', '_')}"
    if wrong := webhook_secret.problem(secret):
        log.error("tool_secret_not_valid", extra={"reason": f"it {wrong}"})
        raise EngineError("The tool is not configured.")
    signed = Webhook(secret).sign(identifier, at, body.decode())
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed,
    }


def _unfit(value: object) -> str | None:
    """Say why a value cannot stand in an address. None: it can."""
    if value is None:
        return "is missing"
    if isinstance(value, dict | list):
        return "must be a text or a number"
    return "cannot be used" if _text(value).strip() in ("", ".", "..") else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _result(response: HttpResponse) -> ToolResult:
    kind = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if response.body and not (kind.startswith(_TEXT) or kind.endswith("+json")):
        return failed(f"The server answered with {kind[:60]}, which is no text.")
    return ToolResult(response.body.decode("utf-8", "replace") or '{"ok": true}')


def _told(error: NetError) -> str:
    """Return a failure in words for the model. No host or path is in them."""
    match error.kind:
        case "status":
            text = error.body.decode("utf-8", "replace").strip()[:TOLD]
            clients = error.status in range(400, 500) and error.status not in _NOT_TOLD
            more = f": {text}" if clients and text else "."
            return f"The server answered with status {error.status}{more}"
        case "timeout":
            return "The server did not answer in time."
        case "too_large":
            return f"The server answered with more than {RESPONSE_BYTES} bytes."
        case "refused" | "redirect":
            return "The address of this tool is not allowed."
        case _:
            return "The server cannot be reached."
