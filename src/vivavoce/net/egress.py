"""Allow connections to public addresses, and to the servers that the operator named.

A name is resolved once. The connection goes to one of the addresses that passed the check, so a
name that resolves differently the second time (DNS rebinding) gains nothing. TLS still checks the
name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpcore2

from .errors import NetError
from .special_addresses import is_public

_PORTS = {"http": 80, "https": 443}

HostPort = tuple[str, int]


def place(url: str) -> HostPort:
    """Return the host and port of a URL."""
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


class Egress(httpcore2.AsyncNetworkBackend):
    """Connect only where the rules allow it."""

    def __init__(self, *, allow_private: bool = False, trusted: Iterable[str] = ()) -> None:
        """`trusted`: base URLs from the settings. Their host and port may be private."""
        self._allow_private = allow_private
        self._trusted = {place(url) for url in trusted}
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's name)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host, port, local_address, socket_options)
        except TimeoutError:
            raise NetError("unreachable", f"{shown(host, port)} does not answer") from None

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's name)
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise NetError("refused", "Unix sockets are not allowed")

    async def _connect(
        self,
        host: str,
        port: int,
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await _resolve(host, port)
        if not self._allow_private and (host.lower(), port) not in self._trusted:
            addresses = [address for address in addresses if is_public(address)]
        if not addresses:
            raise NetError("refused", f"{shown(host, port)} has no public address")
        error: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, None, local_address, socket_options
                )
            except httpcore2.ConnectError as failed:
                error = failed
        raise NetError("unreachable", f"{shown(host, port)} cannot be reached") from error

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def is_private(url: str) -> bool:
    """Return whether every address of the server is in a private network, or of this machine."""
    try:
        addresses = await _resolve(*place(url))
    except NetError:
        return False
    return not any(is_public(address) for address in addresses)


def shown(host: str, port: int) -> str:
    """Return `host:port` for a message: a machine may run several servers."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NetError("unreachable", f"{host} has no address") from None
    return list(dict.fromkeys(str(info[4][0]) for info in found))
