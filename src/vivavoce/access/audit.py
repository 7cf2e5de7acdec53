"""Audit what callers and operators do with credentials and records.

An act that happened is a row of the table `audit`, which is stored in the same commit as what it
changed, and a line of the logger `vivavoce.audit`. It has `actor` (the id of a credential, or
`cli:` and a user of the operating system), `action`, `target` (an id) and, where it is known, the
address of the peer. It never has a credential or what people said.

A refusal is a line only, so that no client without a credential can fill the database. A client can
send wrong credentials all the time. So of those, the log has at most `REFUSALS_PER_S`, and then
their number.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from ..core import ids
from ..core.types import Caller
from ..errors import StoreError
from ..failures import log_failure
from ..store.base import AuditRow, Store
from . import visitors

log = logging.getLogger("vivavoce.audit")

REFUSALS_PER_S = 10
UNKNOWN = "unknown"
ID_KIND = "aud"

Action = Literal[
    "call_changed", "call_hung_up", "conversation_deleted", "conversation_renamed",
    "key_created", "key_revoked", "knowledge_removed", "knowledge_written",
    "secret_minted", "secret_revoked", "sign_in_link_made", "signed_in",
    "signed_out", "variables_changed",
]  # fmt: skip
Refusal = Literal["sign_in_refused", "credential_refused"]


def actor(caller: Caller) -> str:
    """Return the id of the credential that a caller used, or of its assistant's widget."""
    widget = visitors.minter_id(caller.assistant or "") if caller.visitor else None
    return caller.secret_id or caller.sign_in_id or caller.key_id or widget or UNKNOWN


def act(
    action: Action, actor: str, target: str | None, at: datetime, *, peer: str | None = None
) -> AuditRow:
    """Return the row of an act. Pass it to the verb of the store that does what the act says."""
    row_id = ids.new_id(ID_KIND, at.timestamp(), secrets.token_bytes(ids.RANDOM_BYTES))
    return AuditRow(row_id, at, actor, action, target, {} if peer is None else {"peer": peer})


def act_on_variables(
    actor: str, assistant: str, names: Iterable[str], at: datetime, *, peer: str | None = None
) -> AuditRow:
    """Return the act of setting variables. It has their names, and never their values."""
    row = act("variables_changed", actor, assistant, at, peer=peer)
    return replace(row, detail=row.detail | {"variables": " ".join(sorted(names))})


def log_act(row: AuditRow) -> None:
    """Log an act that happened."""
    about = {"action": row.action, "actor": row.actor, "target": row.target, **row.detail}
    log.info("audit", extra={name: value for name, value in about.items() if value is not None})


async def record(store: Store, row: AuditRow) -> None:
    """Log and store an act that changed nothing in the store.

    The act has happened. So a store that fails is logged, and raises nothing.
    """
    log_act(row)
    try:
        await store.record_act(row)
    except StoreError as error:
        log_failure(log, "act_not_stored", error, action=row.action, target=row.target)


class RefusalLog:
    """Logs refused credentials, and counts those above the limit."""

    def __init__(self) -> None:
        self._second = 0
        self._logged = 0
        self._omitted = 0

    def record(self, action: Refusal, code: str, now: float, *, peer: str | None = None) -> None:
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
