"""Define the row of an act: what a caller or an operator did with credentials or records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Hold an act with credentials or records: ids and codes, never what people said."""

    id: str  # `aud_…`
    at: datetime
    actor: str  # the id of a credential, or `cli:` and a user of the operating system
    action: str
    target: str | None = None  # the id of what the act changed
    detail: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Hold acts, the newest first, with the paging of `ConversationPage`."""

    data: list[AuditRow] = field(default_factory=list)
    has_more: bool = False
