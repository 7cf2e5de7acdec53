"""Log who did what with credentials and records: one line each, of the logger `vivavoce.audit`.

A line has `actor` (the id of a credential, or `unknown`), `action`, `target` (an id) and, where it
is known, the address of the peer. It never has a credential or a name. A client can send wrong
credentials all the time. So of those, the log has at most `REFUSALS_PER_S`, and then their number.
"""

from __future__ import annotations

import logging
from typing import Literal

from ..core.types import Caller

log = logging.getLogger("vivavoce.audit")

REFUSALS_PER_S = 10
UNKNOWN = "unknown"
OPERATOR = "command_line"

Action = Literal[
    "signed_in", "sign_in_refused", "signed_out", "credential_refused", "sign_in_link_made",
    "key_created", "key_revoked", "secret_minted", "secret_revoked", "conversation_deleted",
]  # fmt: skip


def actor(caller: Caller) -> str:
    """Return the id of the credential that a caller used."""
    return caller.secret_id or caller.sign_in_id or caller.key_id or UNKNOWN


def record(
    action: Action, actor: str, target: str | None = None, *, peer: str | None = None
) -> None:
    """Log an act that happened."""
    about = {"action": action, "actor": actor, "target": target, "peer": peer}
    log.info("audit", extra={name: value for name, value in about.items() if value is not None})


class RefusalLog:
    """Logs refused credentials, and counts those above the limit."""

    def __init__(self) -> None:
        self._second = 0
        self._logged = 0
        self._omitted = 0

    def record(self, action: Action, code: str, now: float, *, peer: str | None = None) -> None:
        """Log a refusal. `now`: seconds of any clock."""
        if int(now) != self._second:
            self._second, self._logged = int(now), 0
        if self._logged >= REFUSALS_PER_S:
            self._omitted += 1
            return
        self._logged += 1
        about = {"action": action, "actor": UNKNOWN, "code": code, "peer": peer,
                 "omitted_before": self._omitted or None}  # fmt: skip
        self._omitted = 0
        log.warning("audit", extra={k: v for k, v in about.items() if v is not None})
