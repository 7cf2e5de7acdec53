"""The error of outgoing HTTP."""

from __future__ import annotations

from typing import Literal

from ..errors import VivavoceError

Kind = Literal[
    "refused",  # by our egress rules: the address is not public
    "unreachable",  # before anything was sent
    "timeout",
    "status",  # an error status
    "redirect",  # to another origin, or more than three
    "too_large",
    "broken",  # not HTTP, or ended early
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
        self.body = body  # the beginning of the error response
        self.retry_after_s = retry_after_s
