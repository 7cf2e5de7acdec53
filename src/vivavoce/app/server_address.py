"""Keep the two addresses of a running server in its data folder, for commands on this machine.

Commands talk to the address that the server listens on. Links that they print have the public one.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..config import ServerSection
from .data_folder import DataFolder


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """`listening` and `public` are URLs, and equal without `server.public_url`."""

    listening: str
    public: str

    @property
    def certified_name(self) -> str | None:
        """Return the name in the certificate, if the listening address has another."""
        listening, public = urlsplit(self.listening), urlsplit(self.public)
        if listening.scheme != "https" or listening.scheme != public.scheme:
            return None
        return public.hostname if public.hostname != listening.hostname else None


def of(server: ServerSection, port: int, *, dual_stack: bool) -> ServerAddress:
    """Return the addresses of a server with these settings.

    `dual_stack`: a server on `::` answers to IPv4 too, which `localhost` may mean.
    """
    shown = _reachable(server.host, dual_stack=dual_stack)
    scheme = "https" if server.tls_cert is not None else "http"
    listening = f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}"
    return ServerAddress(listening, server.public_url or listening)


def write(data: DataFolder, address: ServerAddress) -> None:
    """Write the file for its owner only."""
    data.address.touch(mode=0o600)
    data.address.chmod(0o600)  # a server that was killed may have left the file
    lines = dict.fromkeys((address.listening, address.public))
    data.address.write_text("\n".join(lines), "utf-8")


def read(data: DataFolder) -> ServerAddress | None:
    """Return the addresses that the last server wrote. None: there are none."""
    try:
        lines = data.address.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return ServerAddress(lines[0], lines[-1]) if lines else None


def _reachable(host: str, *, dual_stack: bool) -> str:
    """Return the host by which this machine reaches a server that listens on `host`."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:  # it listens on all addresses
        return "localhost" if address.version == 4 or dual_stack else "::1"
    return "localhost" if host == "127.0.0.1" else host
