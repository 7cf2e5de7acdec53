"""Find the server that a command talks to, and a credential for it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..app import server_address
from ..app.data_folder import DataFolder
from ..app.server_address import ServerAddress
from ..clock import now
from . import lock, running
from .common import (
    REFUSED,
    UNREACHABLE,
    catalogue,
    command,
    data_folder_of,
    elsewhere,
    fail,
    mistakes_hint,
    opened_store,
    run,
)

if TYPE_CHECKING:
    from ..core.types import JsonObject
    from .realtime_client import ServerEndpoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A server and a credential."""

    url: str
    credential: str | None
    data: DataFolder | None = None  # the folder whose server minted the credential
    certified_name: str | None = None  # in the server's certificate, if it is not the host of `url`

    def endpoint(self, **asked: str | None) -> ServerEndpoint:
        """Return the WebSocket endpoint. `/v1/realtime` is added if it is missing."""
        from .realtime_client import ServerEndpoint

        url = urlsplit(self.url)
        scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
        if scheme not in ("ws", "wss") or not url.netloc:
            fail(f"{self.url} is not an http(s):// or ws(s):// URL.", 2)
        path = url.path.rstrip("/")
        if not path.endswith("/realtime"):
            path += "/realtime" if path else "/v1/realtime"
        said = urlencode({name: value for name, value in asked.items() if value is not None})
        query = "&".join(filter(None, [url.query, said]))
        address = urlunsplit((scheme, url.netloc, path, query, ""))
        return ServerEndpoint(address, self.credential, self.certified_name)

    def visit(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a client's work. Print why the server cannot be reached, or refuses, and exit."""
        from ..net.dial import UnreachableError

        try:
            return run(work)
        except UnreachableError as error:
            if error.status in (401, 403):
                fail(f"{self.url} refuses: HTTP {error.status}.", REFUSED)
            why = error.__context__
            if isinstance(why, ssl.SSLCertVerificationError):
                fail(f"The certificate of {self.url} is not trusted: {why.verify_message}. "
                     "If it is your own, name its file in SSL_CERT_FILE.", UNREACHABLE)  # fmt: skip
            fail(f"{self.url} cannot be reached: {error}. Is the server running?", UNREACHABLE)

    def hint(self, error: dict[str, Any] | None) -> str:
        """Explain an `assistant_not_found` error: list the assistants, or say what is wrong.

        The server does not list assistants for a client secret. A user who can mint one here can
        read the folder. It may have changed since the server started.
        """
        if self.data is None or error is None or error.get("code") != "assistant_not_found":
            return ""
        there = catalogue(self.data)
        for name, mistaken in there.broken.items():
            if _names(error, name):
                return f" It has {mistakes_hint(self.data, name, mistaken)}"
        names = [one.name for one in there]
        if any(_names(error, name) for name in names):
            return " It is in the folder, and will be available when the server is restarted."
        return f" Known here are: {', '.join(names)}."


def target(
    url: str | None,
    key: str | None,
    *,
    data_dir: Path | None,
    assistant: str | None,
    session: JsonObject | None = None,
) -> Target:
    """Return the given server, or the one of the data folder with a new client secret.

    `session`: the session that the secret is bound to.
    """
    if url is not None:
        return Target(url, key)
    data = data_folder_of(data_dir)
    here = _here(data)
    if key:
        return Target(here.listening, key, certified_name=here.certified_name)
    secret = run(_secret(data, assistant, session))
    return Target(here.listening, secret, data, here.certified_name)


def _names(error: dict[str, Any], assistant: str) -> bool:
    """Return True if the error is about this assistant, which may be the default."""
    return f"'{assistant[:40]}'" in (error.get("message") or "")


def _here(data: DataFolder) -> ServerAddress:
    """Return the address of the folder's server, which runs now.

    A server that was killed leaves the file with its address, and then another program may listen
    there. So the lock is asked before a credential is sent.
    """
    here = server_address.read(data) if lock.taken(data) else None
    if here is None:
        there = elsewhere() if running.folders() else "Name the folder of one with --data-dir"
        fail(f"No server runs on {data.root}. {there}. Or start one here: "
             f"{command(data, 'serve')}. Or give --url.", UNREACHABLE)  # fmt: skip
    return here


async def _secret(data: DataFolder, assistant: str | None, session: JsonObject | None) -> str:
    """Mint a client secret: a user who can read the data folder may use its server."""
    from ..access import client_secrets
    from ..access.credential_policy import CredentialPolicy
    from ..core.types import Caller
    from ..store.base import Grant

    async with opened_store(data) as store:
        caller = Caller(credential="key", subject=os.environ.get("USER"))
        grant = Grant(assistant=assistant, session=session)
        minted = await client_secrets.mint(store, CredentialPolicy(), caller, grant, now(), 60)
        assert isinstance(minted, client_secrets.ClientSecret)
        return minted.value
