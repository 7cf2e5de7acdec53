"""Add the values of variables, and the prompts that calls had."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "variables",
        Column("assistant", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("value", Text, nullable=False),
        Column("changed_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("assistant", "name", name="pk_variables"),
    )
    op.create_table(
        "prompts",
        Column("call_id", Text, nullable=False),
        Column("number", Integer, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("role", Text, nullable=False),
        Column("language", Text, nullable=False),
        Column("instructions", Text, nullable=False),
        ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_prompts_call_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("call_id", "number", name="pk_prompts"),
    )
