"""Check what calls over WebRTC need: packages, the codec, UDP ports, STUN and TURN servers."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Mapping

from ... import web_address
from ...errors import VivavoceError
from ..webrtc import NOT_INSTALLED
from .addresses import is_running
from .base import Check, CheckContext, CheckFailedError

ANSWER_S = 3.0
_FIX_PORTS = "Choose other ports, or an address of this machine: [webrtc] port_range, bind."
_FIX_SERVER = "Start it, open its port, or correct [webrtc] in vivavoce.toml."


def checks(context: CheckContext) -> Mapping[str, Check]:
    """Return a check of WebRTC, and one for each server that helps pages to reach this one."""
    section = context.settings.webrtc
    if not section.enabled:
        return {}
    found: dict[str, Check] = {"WebRTC": _check_server}
    found |= {url: _server_check(url) for url in (*section.stun, *section.turn)}
    return found


async def _check_server(context: CheckContext) -> str:
    try:
        version = _codec()
    except ImportError as error:  # an optional extra
        return f"calls are refused, because {error.name} is missing. {NOT_INSTALLED}"
    ports = "ports not tried, because the server runs"
    if not await is_running(context):
        ports = await asyncio.to_thread(_try_ports, context)
    _check_public_address(context)
    return f"{version}, {ports}"


def _codec() -> str:
    """Return the version of libopus. Raises `ImportError` without the extra `webrtc`."""
    from ...transports.webrtc import libopus

    try:
        return str(libopus.load().opus_get_version_string().decode())
    except VivavoceError as error:
        raise CheckFailedError(str(error), "Run `make setup` again.") from None


def _try_ports(context: CheckContext) -> str:
    """Bind each port of the range once, at each address."""
    section = context.settings.webrtc
    addresses = [str(address) for address in section.bind] or ["0.0.0.0"]  # as it does
    first, last = section.port_range or (0, 0)
    taken = [port for port in range(first, last + 1) if not all(_free(a, port) for a in addresses)]
    shown = "any UDP port" if section.port_range is None else f"UDP {first} to {last}"
    if len(taken) == last - first + 1:
        raise CheckFailedError(f"{shown} cannot be used at {', '.join(addresses)}", _FIX_PORTS)
    return f"{shown}, {len(taken)} of them in use" if taken else shown


def _free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        try:
            bound.bind((address, port))
        except OSError:
            return False
    return True


def _check_public_address(context: CheckContext) -> None:
    public = context.settings.webrtc.public_address
    if public and ipaddress.ip_address(str(public)).is_private:
        message = f"public_address {public} is private: pages of other networks cannot reach it"
        raise CheckFailedError(message, "Write the address that the internet sees.")


def _server_check(url: str) -> Check:
    async def check(context: CheckContext) -> str:
        host, port = web_address.ice_host_port(url.partition("?")[0])
        if url.startswith(("turns:", "stuns:")) or "transport=tcp" in url:
            return await _connects(host, port)
        return await _answers(host, port)

    return check


async def _connects(host: str, port: int) -> str:
    try:
        async with asyncio.timeout(ANSWER_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        raise CheckFailedError(f"{host}:{port} takes no connection", _FIX_SERVER) from None
    writer.close()
    return "takes connections"


async def _answers(host: str, port: int) -> str:
    """Ask for our own address, which TURN servers answer too (RFC 8489)."""
    try:
        from aioice import stun
    except ImportError:
        return f"{host}:{port} not asked, because the extra 'webrtc' is missing"
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    answered = asyncio.get_running_loop().create_future()
    try:
        async with asyncio.timeout(ANSWER_S):
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Asking(answered), remote_addr=(host, port)
            )
            try:
                transport.sendto(bytes(request))
                answer = stun.parse_message(await answered)
            finally:
                transport.close()
    except (OSError, TimeoutError, ValueError):
        raise CheckFailedError(f"{host}:{port} does not answer by UDP", _FIX_SERVER) from None
    return f"answers, and sees {_seen(answer)}"


def _seen(answer: object) -> str:
    seen: Iterator[str] = (
        f"{value[0]}" for name, value in getattr(answer, "attributes", {}).items()
        if name in ("XOR-MAPPED-ADDRESS", "MAPPED-ADDRESS")
    )  # fmt: skip
    return next(seen, "no address")


class _Asking(asyncio.DatagramProtocol):
    """Takes the first datagram that comes back."""

    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)
