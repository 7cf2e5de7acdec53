"""Give client secrets and sign-ins an id, a minter and a time of revocation."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

from alembic import op
from sqlalchemy import (
    Column,
    DateTime,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    select,
)

revision = "0002"
down_revision = "0001"

TIME = DateTime(timezone=True)

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def upgrade() -> None:
    """Replace the table: SQLite cannot change a primary key."""
    kept = _rows()
    op.drop_table("client_secrets")
    made = op.create_table(
        "client_secrets",
        Column("id", Text, nullable=False),
        Column("hash", Text, nullable=False),
        Column("expires_at", TIME, nullable=False),
        Column("grant", Text, nullable=False),
        Column("minted_by", Text),
        Column("revoked_at", TIME),
        PrimaryKeyConstraint("id", name="pk_client_secrets"),
        UniqueConstraint("hash", name="uq_client_secrets_hash"),
    )
    op.create_index("ix_client_secrets_minted_by", "client_secrets", ["minted_by"])
    if kept:
        op.bulk_insert(made, kept)


def _rows() -> list[dict[str, Any]]:
    """Read the sign-ins, and what keys minted, as rows of the new table.

    A secret that a page minted does not say which sign-in it belongs to. It is left out: the page
    mints another one before its next connection.
    """
    before = Table(
        "client_secrets",
        MetaData(),
        Column("hash", Text),
        Column("expires_at", TIME),
        Column("grant", Text),
    )
    rows: list[dict[str, Any]] = []
    now = datetime.now(UTC).timestamp()
    for row in op.get_bind().execute(select(before)).all():
        grant = json.loads(row.grant)
        minted_by = grant.pop("key_id", None)
        if minted_by is None and grant.get("assistant") is not None:
            continue
        kind = "si" if minted_by is None else "cs"
        rows.append(
            {
                "id": _new_id(kind, now),
                "hash": row.hash,
                "expires_at": row.expires_at,
                "grant": json.dumps(grant),
                "minted_by": minted_by,
            }
        )
    return rows


def _new_id(kind: str, epoch: float) -> str:
    """Return an id. The copy stays as it is when the program changes how it makes ids."""
    number = secrets.randbits(80)
    return f"{kind}_{_base62(int(epoch * 1000), 7)}{_base62(number, 14)}"


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))
