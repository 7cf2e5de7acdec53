"""The STUN and TURN servers for pages, with credentials that expire.

The scheme is coturn's REST API for TURN (`use-auth-secret`): the user name is a time and a name,
the password an HMAC of it with a secret that the TURN server shares. So the TURN server needs no
list of users, and a page that is copied reaches it only until that time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel


class IceServer(BaseModel):
    """An entry of `iceServers`, as a browser's `RTCPeerConnection` takes it."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class IceServers:
    """`longest_call`: a credential lives that long after the secret that it came with."""

    stun: tuple[str, ...] = ()
    turn: tuple[str, ...] = ()
    turn_secret: str = ""
    longest_call: timedelta = timedelta(hours=1)

    def of(self, user: str, until: datetime) -> list[IceServer]:
        """Return the servers for a user's calls that begin before `until`."""
        found = [IceServer(urls=list(self.stun))] if self.stun else []
        if self.turn:
            expires = int((until + self.longest_call).timestamp())
            name = f"{expires}:{user}"
            digest = hmac.digest(self.turn_secret.encode(), name.encode(), hashlib.sha1)
            password = base64.b64encode(digest).decode()
            found.append(IceServer(urls=list(self.turn), username=name, credential=password))
        return found
