"""Add the sources of answers, and the index that finds them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("items", Column("sources", Text))
    op.create_index(
        "ix_items_id",
        "items",
        ["id"],
        sqlite_where=text("sources IS NOT NULL"),
        postgresql_where=text("sources IS NOT NULL"),
    )
