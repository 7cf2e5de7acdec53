"""The scripted endpoints on a real socket, and adapters that talk to them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI  # noqa: TC002

from vivavoce.engines.openai_endpoint import Endpoint
from vivavoce.engines.scripted.script import Script
from vivavoce.net.http import HttpClient
from vivavoce.testing.scripted_server import create

KEY = "sk-very-secret"


@dataclass
class Served:
    app: FastAPI
    base_url: str
    http: HttpClient

    def endpoint(self, key: str | None = KEY, *, timeout_s: float = 5.0) -> Endpoint:
        return Endpoint(self.http, self.base_url, key, timeout_s=timeout_s)

    async def until_nobody_is_served(self) -> None:
        await until(lambda: not self.app.state.open)

    async def until_asked(self, times: int) -> None:
        await until(lambda: self.app.state.asked >= times)


async def until(true: Callable[[], bool]) -> None:
    """Something in the server's thread, which has no way to tell our loop."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@asynccontextmanager
async def serving(script: Script | None = None) -> AsyncIterator[Served]:
    app = create(script, key=KEY)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    # In a thread, so that every task of this loop is an adapter's.
    running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    running.start()
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    try:
        async with HttpClient(trusted=(base_url,)) as http:
            await until(lambda: server.started)
            yield Served(app, base_url, http)
    finally:
        server.should_exit = True
        await asyncio.to_thread(running.join)
