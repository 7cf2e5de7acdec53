"""Create the table of questions to the knowledge."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Text,
)

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "questions",
        Column("id", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("conversation_id", Text, nullable=False),
        Column("call_id", Text, nullable=False),
        Column("item_id", Text, nullable=False),
        Column("assistant", Text, nullable=False),
        Column("subject", Text),
        Column("language", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("score", Float(53)),
        Column("answered", Boolean, nullable=False),
        PrimaryKeyConstraint("id", name="pk_questions"),
        ForeignKeyConstraint(
            ["conversation_id", "item_id"],
            ["items.conversation_id", "items.id"],
            name="fk_questions_conversation_id",
            ondelete="CASCADE",
        ),
    )
    for columns in (["conversation_id", "item_id"], ["at", "id"], ["assistant", "at", "id"]):
        op.create_index(f"ix_questions_{'_'.join(columns)}", "questions", columns)
