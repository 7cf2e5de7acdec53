"""Create the first tables."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None

TIME = DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        Column("id", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("hash", Text, nullable=False),
        Column("assistant", Text),
        Column("created_at", TIME, nullable=False),
        Column("expires_at", TIME),
        Column("revoked_at", TIME),
        Column("last_used_at", TIME),
        PrimaryKeyConstraint("id", name="pk_api_keys"),
        UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    op.create_table(
        "client_secrets",
        Column("hash", Text, nullable=False),
        Column("expires_at", TIME, nullable=False),
        Column("grant", Text, nullable=False),
        PrimaryKeyConstraint("hash", name="pk_client_secrets"),
    )
    op.create_table(
        "sign_in_codes",
        Column("hash", Text, nullable=False),
        Column("expires_at", TIME, nullable=False),
        Column("used_at", TIME),
        PrimaryKeyConstraint("hash", name="pk_sign_in_codes"),
    )
    op.create_table(
        "conversations",
        Column("id", Text, nullable=False),
        Column("assistant", Text, nullable=False),
        Column("subject", Text),
        Column("language", Text),
        Column("created_at", TIME, nullable=False),
        Column("updated_at", TIME, nullable=False),
        PrimaryKeyConstraint("id", name="pk_conversations"),
    )
    for columns in (
        ["created_at", "id"],
        ["assistant", "created_at", "id"],
        ["subject", "created_at", "id"],
    ):
        op.create_index(f"ix_conversations_{'_'.join(columns)}", "conversations", columns)
    op.create_table(
        "items",
        Column("conversation_id", Text, nullable=False),
        Column("id", Text, nullable=False),
        Column("position", Float(53), nullable=False),
        Column("type", Text, nullable=False),
        Column("role", Text),
        Column("status", Text),
        Column("content", Text, nullable=False),
        Column("generated", Text),
        Column("sent_ms", Integer),
        Column("heard_ms", Integer),
        Column("input_method", Text),
        Column("model", Text),
        Column("voice", Text),
        Column("created_at", TIME, nullable=False),
        PrimaryKeyConstraint("conversation_id", "id", name="pk_items"),
        ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_items_conversation_id",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "calls",
        Column("id", Text, nullable=False),
        Column("conversation_id", Text, nullable=False),
        Column("assistant", Text, nullable=False),
        Column("subject", Text),
        Column("transport", Text, nullable=False),
        Column("engine", Text, nullable=False),
        Column("started_at", TIME, nullable=False),
        Column("ended_at", TIME),
        Column("ending", Text),
        PrimaryKeyConstraint("id", name="pk_calls"),
        ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_calls_conversation_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_calls_conversation_id", "calls", ["conversation_id"])
    op.create_index("ix_calls_started_at_id", "calls", ["started_at", "id"])
    op.create_table(
        "responses",
        Column("id", Text, nullable=False),
        Column("call_id", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("reason", Text),
        Column("usage", Text),
        Column("speech_stopped_at", TIME),
        Column("first_audio_ms", Float(53)),
        Column("stt_ms", Float(53)),
        Column("brain_ms", Float(53)),
        Column("tts_ms", Float(53)),
        Column("created_at", TIME, nullable=False),
        PrimaryKeyConstraint("id", name="pk_responses"),
        ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_responses_call_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_responses_call_id", "responses", ["call_id"])
