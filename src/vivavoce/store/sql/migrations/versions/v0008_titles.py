"""Add the titles that users give to conversations."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("conversations", Column("title", Text))
