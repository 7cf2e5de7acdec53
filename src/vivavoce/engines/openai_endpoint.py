"""An OpenAI-compatible HTTP endpoint, as its adapters see it.

A server's text about a failure may quote keys and what people said. Only its short code goes
into our own sentence.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from .. import web_address
from ..core.types import JsonObject
from ..errors import EngineError
from ..net.errors import NetError
from ..net.http import Files, HttpClient, RequestLimits, Stream
from . import boundary

log = logging.getLogger("vivavoce.engines")

TOTAL_S = 600.0  # of waiting for one answer, as long as something keeps coming

_CODES = {
    401: "invalid_api_key",
    402: "insufficient_quota",
    403: "invalid_api_key",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}
_PARTS = {
    "/audio/speech": "the voice",
    "/audio/transcriptions": "the recogniser",
    "/chat/completions": "the language model",
    "/embeddings": "the embedding model",
    "/models": "the model server",
}
_MODELS = RequestLimits(total_s=10.0, quiet_s=10.0)
_PLAIN = re.compile(r"[a-z0-9_.-]{1,64}")
_PATH = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")


class Endpoint:
    """`base_url` ends where OpenAI's does: in `/v1`."""

    def __init__(
        self,
        http: HttpClient,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        quiet: bool = False,
    ) -> None:
        """`quiet`: the caller logs the failures."""
        self._http = http
        self._quiet = quiet
        self._base_url = base_url.rstrip("/")
        self._key = api_key
        self._address = web_address.with_port(base_url)
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._bounds = RequestLimits(quiet_s=timeout_s, total_s=TOTAL_S)

    @property
    def address(self) -> str:
        """The server's host and port."""
        return self._address

    @asynccontextmanager
    async def post(
        self,
        path: str,
        body: JsonObject | None = None,
        *,
        form: Mapping[str, str] | None = None,
        files: Files | None = None,
    ) -> AsyncIterator[Stream]:
        """Stream the answer. Every failure inside the block is an `EngineError`.

        An error that the server sends in its stream is raised as `ServerGaveUpError`.
        """
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
            raise self._failed(path, error) from None
        except ServerGaveUpError as error:
            raise self._gave_up(path, error.detail) from None

    async def models(self) -> frozenset[str] | None:
        """Return the ids of the server's models, which costs nothing. Raises `EngineError`.

        None: the server answers, and does not list them.
        """
        path = "/models"
        try:
            answer = await self._http.request(
                "GET", self._base_url + path, headers=self._headers, bounds=_MODELS
            )
        except NetError as error:
            if error.status in (404, 405, 501):
                return None
            raise self._failed(path, error) from None
        try:
            listed = msgspec.json.decode(answer.body, type=_Models).data
        except (ValueError, RecursionError):
            return None
        return frozenset(model.id for model in listed)

    def _failed(self, path: str, error: NetError) -> EngineError:
        """Log a failure, and return it as the client may read it."""
        said = _short_fields(_said(error), self._key)
        if self._quiet:
            return _engine_error(path, error, said)
        log.warning(
            "engine_request_failed",
            extra={
                **boundary.named(),
                "server": self._address,
                "path": path,
                "reason": error.kind,
                **({"status": error.status} if error.status else {}),
                **said,
            },
        )
        return _engine_error(path, error, said)

    def _gave_up(self, path: str, detail: object) -> EngineError:
        said = _short_fields(detail, self._key)
        extra = {**boundary.named(), "path": path, "reason": "in_stream", **said}
        log.warning("engine_request_failed", extra=extra)
        return EngineError(f"{path}: the server gave up", _code(None, said))


class ServerGaveUpError(Exception):
    """The server sent an error in the middle of an answer. `detail`: what it said."""

    def __init__(self, detail: object) -> None:
        super().__init__()
        self.detail = detail


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


def _encode(body: JsonObject) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # half a surrogate pair, which is not a character
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _said(error: NetError) -> object:
    """Return the `error` of a server's answer. None: its answer has none."""
    try:
        said = msgspec.json.decode(error.body)
    except (ValueError, RecursionError):
        return None
    return said.get("error") if isinstance(said, dict) else None


def _short_fields(detail: object, key: str | None = None) -> dict[str, str]:
    """Return the fields of an error that are codes and not sentences, without our key."""
    if not isinstance(detail, dict):
        return {}
    fields = {name: detail.get(name) for name in ("code", "type", "param")}
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, str) and _PATH.fullmatch(value) and not (key and key in value)
    }


def _engine_error(path: str, error: NetError, said: Mapping[str, str]) -> EngineError:
    about = f"{_PARTS.get(path, path)} ({path}): {error}"
    match error.kind:
        case "timeout":
            return EngineError(about, "engine_timeout")
        case "status":
            code = _code(error.status, said)
            reason = _reason(said)
            return EngineError(f"{about}{f' ({reason})' if reason else ''}", code)
        case _:
            return EngineError(about)


def _code(status: int | None, said: Mapping[str, str]) -> str:
    reason = _reason(said)
    if reason in _CODES.values():
        return reason
    return _CODES.get(status or 0, "engine_failed")


def _reason(said: Mapping[str, str]) -> str:
    """Return the server's own code, if it is a code and not a sentence."""
    codes = (said.get(name, "") for name in ("code", "type"))
    return next(filter(_PLAIN.fullmatch, codes), "")
