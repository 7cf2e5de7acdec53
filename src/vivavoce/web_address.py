"""Check the addresses that people write into settings: of servers, of pages and to listen on.

Each function returns the address as programs compare it, or raises `InvalidAddressError` for one
that can never work. Its message is the rest of a sentence that begins with the name of the setting.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from .errors import VivavoceError

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?", re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+")


class InvalidAddressError(VivavoceError):
    """An address that cannot work."""


def server_url(value: str, schemes: tuple[str, ...] = ("https", "http")) -> str:
    """Return the address of a server, without a slash at its end. It may have a path."""
    url = _split(value, schemes)
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise InvalidAddressError("must have no password, query or fragment")
    return value.rstrip("/?#")


def origin(value: str) -> str:
    """Return a page's origin as browsers send it: in small letters, without the usual port."""
    if value in ("", "null"):
        raise InvalidAddressError("must name a website, such as https://shop.example.com")
    url = _split(value, ("https", "http"))
    if url.path not in ("", "/") or url.query or url.fragment or url.username is not None:
        raise InvalidAddressError(
            f"must end behind the name and port: {_origin(url)} (browsers send no path)"
        )
    return _origin(url)


def origin_of(url: str) -> str:
    """Return the origin of the pages of a server whose address `server_url` has accepted."""
    return _origin(urlsplit(url))


def host(value: str) -> str:
    """Return the name or IP address of a machine, without the brackets of IPv6."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if not _is_host(bare):
        raise InvalidAddressError(
            "must be a name or an IP address, without a scheme, a port or a path"
        )
    return bare


def ip(value: str) -> str:
    """Return an IP address, without the brackets of IPv6."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        return str(ip_address(bare))
    except ValueError:
        raise InvalidAddressError("must be an IP address") from None


def stun(value: str) -> str:
    """Return the address of a STUN server (RFC 7064)."""
    return _ice_server(value, r"stuns?", "stun:stun.example.com:3478")


def turn(value: str) -> str:
    """Return the address of a TURN server (RFC 7065)."""
    return _ice_server(value, r"turns?", "turn:turn.example.com:3478?transport=udp")


def _ice_server(value: str, scheme: str, example: str) -> str:
    transport = r"(\?transport=(udp|tcp))?" if scheme.startswith("turn") else ""
    found = re.fullmatch(
        rf"{scheme}:(?P<host>\[[^\]]+\]|[^:?/\[\]]+)(:(?P<port>\d{{1,5}}))?{transport}", value
    )
    if not found or not 0 < int(found["port"] or 3478) < 65536:
        raise InvalidAddressError(f"must be such as {example}")
    host(found["host"])
    return value


def ice_host_port(value: str) -> tuple[str, int]:
    """Return the host and the port of an address that `stun` has accepted."""
    _, _, address = value.partition(":")
    name, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        return name.strip("[]"), int(port)
    return address.strip("[]"), 5349 if value.startswith(("stuns:", "turns:")) else 3478


def with_port(url: str) -> str:
    """Return `host:port` of an address, for logs and sentences: the user name is left out."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
        name = parts.hostname or ""
    except ValueError:
        return ""
    shown = f"[{name}]" if ":" in name else name
    return f"{shown}:{port}" if port else shown


def _split(value: str, schemes: tuple[str, ...]) -> SplitResult:
    *others, last = (f"{scheme}://" for scheme in schemes)
    wanted = f"must start with {', '.join(others)} or {last} and name a server"
    try:
        url = urlsplit(value)
        name, port = url.hostname, url.port
    except ValueError:
        raise InvalidAddressError(wanted) from None
    if url.scheme not in schemes or not name or not value.partition(":")[2].startswith("//"):
        raise InvalidAddressError(wanted)
    if port == 0 or url.netloc.endswith(":"):
        raise InvalidAddressError("must have a port from 1 to 65535, or none")
    if not value.isascii():
        raise InvalidAddressError(
            "must be in ASCII, as browsers send it: a name as xn--…, a path with %"
        )
    if not _PRINTABLE.fullmatch(value) or "\\" in value or not _is_host(name):
        raise InvalidAddressError(wanted)
    return url


def _origin(url: SplitResult) -> str:
    name = url.hostname or ""
    shown = f"[{name}]" if ":" in name else name
    usual = url.port in (None, PORTS.get(url.scheme))
    return f"{url.scheme}://{shown}" + ("" if usual else f":{url.port}")


def _is_host(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        labels = name.removesuffix(".").split(".")
        return len(name) <= 253 and all(_NAME.fullmatch(label) for label in labels)
    return True
