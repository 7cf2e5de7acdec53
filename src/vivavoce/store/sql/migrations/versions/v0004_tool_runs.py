"""Create the tables of tool runs, of events, and of their deliveries to webhooks."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)

revision = "0004"
down_revision = "0003"

TIME = DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "tool_runs",
        Column("id", Text, nullable=False),
        Column("call_id", Text),
        Column("item_id", Text),
        Column("tool_call_id", Text),
        Column("assistant", Text, nullable=False),
        Column("subject", Text),
        Column("tool", Text, nullable=False),
        Column("arguments", Text, nullable=False),
        Column("arguments_sha256", Text, nullable=False),
        Column("idempotency_key", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("approve", Text, nullable=False),
        Column("approved_by", Text),
        Column("requested_at", TIME, nullable=False),
        Column("expires_at", TIME),
        Column("started_at", TIME),
        Column("ended_at", TIME),
        Column("result", Text),
        PrimaryKeyConstraint("id", name="pk_tool_runs"),
        ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_tool_runs_call_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_tool_runs_call_id", "tool_runs", ["call_id"])
    op.create_index("ix_tool_runs_idempotency_key", "tool_runs", ["idempotency_key"])
    op.create_index("ix_tool_runs_state", "tool_runs", ["state"])
    op.create_table(
        "events_outbox",
        Column("position", Integer, nullable=False),
        Column("id", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("at", TIME, nullable=False),
        Column("call_id", Text),
        Column("assistant", Text),
        Column("subject", Text),
        Column("data", Text, nullable=False),
        PrimaryKeyConstraint("position", name="pk_events_outbox"),
        UniqueConstraint("id", name="uq_events_outbox_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_outbox_at", "events_outbox", ["at"])
    op.create_table(
        "webhook_deliveries",
        Column("webhook", Text, nullable=False),
        Column("position", Integer, nullable=False),
        Column("call_id", Text),
        Column("attempts", Integer, nullable=False),
        Column("next_at", TIME),
        Column("dead_at", TIME),
        Column("error", Text),
        PrimaryKeyConstraint("webhook", "position", name="pk_webhook_deliveries"),
        ForeignKeyConstraint(
            ["position"],
            ["events_outbox.position"],
            name="fk_webhook_deliveries_position",
            ondelete="CASCADE",
        ),
    )
