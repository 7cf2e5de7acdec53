"""The one thing that can go wrong here."""

from __future__ import annotations

from typing import Literal

from ..errors import VivavoceError

Kind = Literal[
    "refused",  # by our own rules: an address that is not on the open network
    "unreachable",  # nothing was sent
    "timeout",
    "status",  # the server said no
    "redirect",  # to another origin, or too often
    "too_large",
    "broken",  # what came was no HTTP, or ended early
]


class NetError(VivavoceError):
    """A request that did not succeed. The message names hosts at most: never a path or a header."""

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        status: int | None = None,
        body: bytes = b"",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.body = body  # the beginning of what the server said about it
        self.retry_after_s = retry_after_s
