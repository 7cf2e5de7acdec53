"""Add the table of acts with credentials and records."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, PrimaryKeyConstraint, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "audit",
        Column("id", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("actor", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("target", Text),
        Column("detail", Text, nullable=False),
        PrimaryKeyConstraint("id", name="pk_audit"),
    )
    for columns in (["at", "id"], ["actor", "at", "id"], ["action", "at", "id"]):
        op.create_index(f"ix_audit_{'_'.join(columns)}", "audit", columns)
