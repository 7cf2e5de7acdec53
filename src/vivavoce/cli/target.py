"""Which server a command is a client of, and by what right: one it was told, or the one here."""

from __future__ import annotations

import os
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..app.data_folder import DataFolder
from .common import (
    REFUSED,
    UNREACHABLE,
    catalogue,
    command,
    data_folder_of,
    fail,
    flaws,
    now,
    run,
    store,
)

if TYPE_CHECKING:
    from ..core.types import JsonObject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    credential: str | None
    data: DataFolder | None = None  # whose secret the credential is

    def address(self, **asked: str | None) -> str:
        """The socket's URL: `…/v1/realtime` is added where it is missing."""
        url = urlsplit(self.url)
        scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
        if scheme not in ("ws", "wss") or not url.netloc:
            fail(f"{self.url} is no http(s):// or ws(s):// URL.", 2)
        path = url.path.rstrip("/")
        if not path.endswith("/realtime"):
            path += "/realtime" if path else "/v1/realtime"
        said = urlencode({name: value for name, value in asked.items() if value})
        query = "&".join(filter(None, [url.query, said]))
        return urlunsplit((scheme, url.netloc, path, query, ""))

    def visit(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it; that nobody is there, or that we are not let in, is said and ends the command."""
        from ..net.dial import Unreachable

        try:
            return run(work)
        except Unreachable as error:
            if error.status in (401, 403):
                fail(f"{self.url} refuses: HTTP {error.status}.", REFUSED)
            why = error.__context__
            if isinstance(why, ssl.SSLCertVerificationError):
                fail(f"The certificate of {self.url} is not trusted: {why.verify_message}. "
                     "If it is your own, name its file in SSL_CERT_FILE.", UNREACHABLE)  # fmt: skip
            fail(f"{self.url} cannot be reached: {error}. Is the server running?", UNREACHABLE)

    def hint(self, error: dict[str, Any] | None) -> str:
        """Why nobody is there, or whom one could ask for.

        A secret is not told; who made it here can read the folder. What is in it now need not be
        what the server began with.
        """
        if self.data is None or error is None or error.get("code") != "assistant_not_found":
            return ""
        there = catalogue(self.data)
        for name, mistaken in there.broken.items():
            if _names(error, name):
                return f" It has {flaws(self.data, name, mistaken)}"
        names = [one.name for one in there]
        if any(_names(error, name) for name in names):
            return " It is in the folder, and will be there when the server is started again."
        return f" Known here are: {', '.join(names)}."


def target(
    url: str | None,
    key: str | None,
    *,
    data_dir: Path | None,
    assistant: str | None,
    session: JsonObject | None = None,
) -> Target:
    """`session`: what a secret for the server here is minted for."""
    if url is not None:
        return Target(url, key)
    data = data_folder_of(data_dir)
    here = _here(data)
    if key:
        return Target(here, key)
    return Target(here, run(_secret(data, assistant, session)), data)


def _names(error: dict[str, Any], assistant: str) -> bool:
    """Is it this one who is not there? Who named nobody asked for the server's default."""
    return f"'{assistant[:40]}'" in error.get("message", "")


def _here(data: DataFolder) -> str:
    if not data.address.is_file():
        fail(f"No server runs on {data.root}. Name the folder of one with --data-dir, or start one "
             f"here: {command(data, 'serve')}. Or give --url.", UNREACHABLE)  # fmt: skip
    return data.address.read_text("utf-8")


async def _secret(data: DataFolder, assistant: str | None, session: JsonObject | None) -> str:
    """Whoever can read the data folder may talk with its server."""
    from ..access import client_secrets
    from ..access.credential_policy import CredentialPolicy
    from ..core.types import Caller
    from ..store.base import Grant

    kept = await store(data)
    try:
        caller = Caller(credential="key", subject=os.environ.get("USER"))
        grant = Grant(assistant=assistant, session=session)
        minted = await client_secrets.mint(kept, CredentialPolicy(), caller, grant, now(), 60)
        assert isinstance(minted, client_secrets.ClientSecret)
        return minted.value
    finally:
        await kept.close()
