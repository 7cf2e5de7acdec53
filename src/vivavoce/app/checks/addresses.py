"""Check the address that the server listens on, and the public one."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from urllib.parse import urlsplit

from ... import web_address
from ...net.errors import NetError
from ...net.http import HttpClient, RequestLimits
from .. import server_address
from .base import CheckContext, CheckFailedError

BOUNDS = RequestLimits(connect_s=5.0, quiet_s=5.0, total_s=5.0)


async def check_server(context: CheckContext) -> str:
    address = await asyncio.to_thread(server_address.read, context.data)
    if address is None:
        return _not_running(context, "not running on this data folder")
    if not await _answers(address.listening):
        last = f"not running: its last address, {address.listening}, does not answer"
        return _not_running(context, last)
    if urlsplit(address.listening).scheme == "http":
        await _ask_if_ready(address.listening)
    return f"running at {address.listening}"


async def check_public_url(context: CheckContext) -> str:
    """Ask the public address, which takes the proxy in front of the server."""
    public = context.settings.server.public_url
    address = await asyncio.to_thread(server_address.read, context.data)
    if address is not None and address.public != address.listening:
        public = address.public  # of the server that runs, which may have other settings
    if public is None:
        return "the one that the server listens on"
    if address is None or not await _answers(address.listening):
        return f"{public} (not tried, because the server does not run)"
    fix = (
        f"The proxy at {web_address.with_port(public)} must pass requests to {address.listening}, "
        "WebSockets included. Where only this machine cannot reach it, all is well."
    )
    try:
        async with HttpClient(allow_private=True, tries=1) as http:
            await http.request("GET", f"{public}/healthz", bounds=BOUNDS)
    except NetError as error:
        raise CheckFailedError(f"{public}: {error}", fix) from None
    except ssl.SSLError as error:
        raise CheckFailedError(f"{public}: {error.reason}", fix) from None
    return f"{public} answers"


async def is_running(context: CheckContext) -> bool:
    """Return whether a server on this data folder answers."""
    address = await asyncio.to_thread(server_address.read, context.data)
    return address is not None and await _answers(address.listening)


async def _ask_if_ready(url: str) -> None:
    try:
        async with HttpClient(allow_private=True, tries=1) as http:
            await http.request("GET", f"{url}/readyz", bounds=BOUNDS)
    except NetError as error:
        message = f"running at {url}, but not ready for calls: {error}"
        raise CheckFailedError(message, "See the check of the database, and its log.") from None


async def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(BOUNDS.connect_s):
            port = parts.port or web_address.PORTS[parts.scheme]
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _not_running(context: CheckContext, message: str) -> str:
    """Check that a server could listen on the port of the settings."""
    server = context.settings.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        socket.create_server((server.host, server.port), family=family).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            known = error.errno is not None and error.errno > 0
            why = os.strerror(error.errno or 0) if known else "no such address here"
            fix = "server.host in vivavoce.toml must be an address of this machine."
            raise CheckFailedError(f"{message}. {server.host}: {why}", fix) from None
        fix = "Stop that program, or choose another port: server.port in vivavoce.toml, or --port."
        used = f"{message}. Another program uses port {server.port} of {server.host}"
        raise CheckFailedError(used, fix) from None
    return message
