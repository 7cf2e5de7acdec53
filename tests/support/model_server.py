"""The scripted server in a thread, as a program beside the server. It keeps what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from vivavoce.engines.scripted.script import load
from vivavoce.testing import scripted_server

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from vivavoce.engines.scripted.script import Script


@dataclass
class ModelServer:
    url: str
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [body for where, body in self.requests if where.endswith(path)]


class _Keeping:
    """Keeps the JSON body of each request before the application reads it. A form has none."""

    def __init__(self, app: ASGIApp, kept: list[tuple[str, dict[str, Any]]]) -> None:
        self._app = app
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""

        is_json = any(value == b"application/json" for _, value in scope.get("headers", ()))

        async def read() -> Message:
            nonlocal body
            message = await receive()
            if not is_json:
                return message
            body += message.get("body", b"")
            if message["type"] == "http.request" and not message.get("more_body") and body:
                self._kept.append((scope["path"], json.loads(body)))
                body = b""
            return message

        await self._app(scope, read, send)


@contextmanager
def model_server(script: Script | Path | None = None) -> Iterator[ModelServer]:
    """Serve it. `script`: its answers, or the file with them."""
    answers = load(script) if isinstance(script, Path) else script
    with socket.create_server(("127.0.0.1", 0)) as listening:
        model = ModelServer(f"http://127.0.0.1:{listening.getsockname()[1]}/v1")
        app: FastAPI = scripted_server.create(answers)
        keeping = _Keeping(app, model.requests)
        config = uvicorn.Config(keeping, log_level="critical", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield model
        finally:
            server.should_exit = True
            thread.join()
