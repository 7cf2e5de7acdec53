"""Decide under which names this server answers. Pure.

A page may let its own name point to this server's address (DNS rebinding). The browser then takes
the server for a part of that page. So the server answers to addresses, to names without an owner
on the internet, and to names that the operator has given it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

ANY = "*"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/?#@\\]+)(:[0-9]*)?")
_OURS = (".localhost",)  # RFC 6761: always this machine


class Hosts:
    """The names of one server."""

    def __init__(self, names: Iterable[str] = (), urls: Iterable[str] = ()) -> None:
        """`names`: host names, or `*`. `urls`: addresses and origins that name such hosts."""
        given = [*names, *(urlsplit(url).hostname or "" for url in urls)]
        self._names = frozenset(name.lower().rstrip(".") for name in given)

    def answers_to(self, host: str | None) -> bool:
        """Return whether a request with this `Host` header is for this server.

        Only programs leave the header out, and their credential is enough.
        """
        if host is None or ANY in self._names:
            return True
        name = _name(host)
        if name is None:
            return False
        if name in self._names or "." not in name or name.endswith(_OURS):
            return True  # a name without a dot is one of the local network
        return _is_address(name)


def _name(host: str) -> str | None:
    """Return the name in a `Host` header. None: it has none."""
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").lower().rstrip(".") or None if found else None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
