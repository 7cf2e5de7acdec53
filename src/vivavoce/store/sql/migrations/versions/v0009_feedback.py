"""Create the table of what users think of calls."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, PrimaryKeyConstraint, Text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "feedback",
        Column("call_id", Text, nullable=False),
        Column("score", Text, nullable=False),
        Column("text", Text),
        Column("at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("call_id", name="pk_feedback"),
        ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_feedback_call_id", ondelete="CASCADE"
        ),
    )
