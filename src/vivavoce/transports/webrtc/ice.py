"""The addresses and ports on which peer connections listen, and their candidates.

aioice listens on every address except loopback, on any port. So this module binds the sockets of a
connection itself. It replaces one method of each `aioice.Connection`: a test fails when aioice
changes it.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioice import ice, turn
from aioice.candidate import Candidate, candidate_foundation, candidate_priority

from ...errors import VivavoceError

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

LOOPBACK = "127.0.0.1"
STUN_WITHIN_S = 2.0


class NoPortError(VivavoceError):
    """No address and port of this machine is free for another peer connection."""


@dataclass(frozen=True, slots=True)
class IceSettings:
    """Say where peer connections listen, and which addresses clients learn.

    `bind`: addresses of this machine; empty: all. `ports`: the first and the last UDP port.
    `public_address`: of this machine behind a NAT that keeps ports. `stun`: host and port of a
    server that tells this machine its address.
    """

    bind: tuple[str, ...] = ()
    loopback: bool = False
    ports: tuple[int, int] | None = None
    public_address: str | None = None
    stun: tuple[str, int] | None = None

    def addresses(self) -> list[str]:
        """Return the addresses to listen on, without those that appear twice."""
        found = list(self.bind or ice.get_host_addresses(use_ipv4=True, use_ipv6=True))
        if self.loopback:
            found.append(LOOPBACK)
        return list(dict.fromkeys(found))


def connections(peer: RTCPeerConnection) -> list[ice.Connection]:
    """Return the ICE connections of a peer: one, if its sections share a transport."""
    transports = [each.receiver.transport for each in peer.getTransceivers()]
    if peer.sctp is not None:
        transports.append(peer.sctp.transport)
    found = [each.transport.iceGatherer._connection for each in transports]
    return list(dict.fromkeys(found))


def listen(connection: ice.Connection, settings: IceSettings) -> None:
    """Make a connection listen where the settings say, when it gathers its candidates."""

    async def gather(component: int, **_: object) -> list[Candidate]:
        return await _gather(connection, component, settings)

    connection.get_component_candidates = gather  # type: ignore[method-assign, assignment]


async def _gather(
    connection: ice.Connection, component: int, settings: IceSettings
) -> list[Candidate]:
    """Bind the sockets of a connection. Raises `NoPortError`."""
    listening: list[ice.StunProtocol] = []
    for address in settings.addresses():
        if (bound := _bind(address, settings.ports)) is None:
            continue
        protocol = await _listening(connection, bound)
        protocol.local_candidate = _host_candidate(protocol, component)
        connection._protocols.append(protocol)  # its `close` closes the socket
        listening.append(protocol)
    if not listening:
        raise NoPortError
    found = [protocol.local_candidate for protocol in listening]
    if settings.public_address:
        found = _public(found, settings.public_address) + found
    if settings.stun:
        found += await _reflexive(listening, settings.stun)
    return found


def _bind(address: str, ports: tuple[int, int] | None) -> socket.socket | None:
    """Bind a free port of an address, or return None."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    first, last = ports or (0, 0)
    count = last - first + 1
    start = random.randrange(count)  # so that the first port is not always tried
    for n in range(count):
        bound = socket.socket(family, socket.SOCK_DGRAM)
        try:
            bound.bind((address, first + (start + n) % count))
        except OSError as error:
            bound.close()
            if error.errno != errno.EADDRINUSE:
                return None  # an address that this machine does not have, or may not use
            continue
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, turn.UDP_SOCKET_BUFFER_SIZE)
        bound.setblocking(False)
        return bound
    return None


async def _listening(connection: ice.Connection, bound: socket.socket) -> ice.StunProtocol:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_datagram_endpoint(
        lambda: ice.StunProtocol(connection), sock=bound
    )
    return protocol


def _host_candidate(protocol: ice.StunProtocol, component: int) -> Candidate:
    host, port, *_ = protocol.transport.get_extra_info("sockname")
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )


def _public(hosts: list[Candidate], address: str) -> list[Candidate]:
    """Return the candidate of the public address, which leads to the first usable socket."""
    version = ":" in address
    for host in hosts:
        if (":" in host.host) == version and host.host != LOOPBACK:
            return [
                Candidate(
                    foundation=candidate_foundation("srflx", "udp", address),
                    component=host.component,
                    transport="udp",
                    priority=candidate_priority(host.component, "srflx"),
                    host=address,
                    port=host.port,
                    type="srflx",
                    related_address=host.host,
                    related_port=host.port,
                )
            ]
    return []


async def _reflexive(listening: list[ice.StunProtocol], stun: tuple[str, int]) -> list[Candidate]:
    """Ask a STUN server for the addresses that it sees. One that does not answer tells none."""
    asked = [
        asyncio.create_task(ice.server_reflexive_candidate(protocol, stun))
        for protocol in listening
        if ":" not in protocol.local_candidate.host and protocol.local_candidate.host != LOOPBACK
    ]
    if not asked:
        return []
    done, late = await asyncio.wait(asked, timeout=STUN_WITHIN_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return [task.result()[0] for task in done if task.exception() is None]
