"""Define the tables of the public contract. A change here needs a migration beside it.

JSON is stored as text, because msgspec writes it and no query searches in it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)


class UtcTime(TypeDecorator[datetime]):
    """Store an aware datetime. SQLite has no time zones and gets UTC, as text in order of time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        assert value.tzinfo is not None, "times of the store have a zone"
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("assistant", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime),
)

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("expires_at", UtcTime, nullable=False),
    Column("grant", Text, nullable=False),
    Column("minted_by", Text, index=True),
    Column("revoked_at", UtcTime),
)

sign_in_codes = Table(
    "sign_in_codes",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text),
    Column("detail", Text, nullable=False),
    Index(None, "at", "id"),
    Index(None, "actor", "at", "id"),
    Index(None, "action", "at", "id"),
)

variables = Table(
    "variables",
    metadata,
    Column("assistant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("assistant", Text, nullable=False),
    Column("subject", Text),
    Column("language", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("title", Text),
    Index(None, "created_at", "id"),
    Index(None, "assistant", "created_at", "id"),
    Index(None, "subject", "created_at", "id"),
)


def _of(column: str, **more: bool) -> Column[str]:
    """Return a foreign key. Deleting the row that it names deletes the rows that have it."""
    table, _ = column.split(".")
    name = f"{table.removesuffix('s')}_id"
    return Column(name, Text, ForeignKey(column, ondelete="CASCADE"), nullable=False, **more)  # type: ignore[arg-type]


items = Table(
    "items",
    metadata,
    _of("conversations.id", primary_key=True),
    Column("id", Text, primary_key=True),
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
    Column("created_at", UtcTime, nullable=False),
    Column("sources", Text),
)
with_sources = Index(
    None,
    items.c.id,
    sqlite_where=items.c.sources.is_not(None),
    postgresql_where=items.c.sources.is_not(None),
)
"""Finds an answer by its id. Most items have no sources and are not in it."""

calls = Table(
    "calls",
    metadata,
    Column("id", Text, primary_key=True),
    _of("conversations.id", index=True),
    Column("assistant", Text, nullable=False),
    Column("subject", Text),
    Column("transport", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("ending", Text),
    Index(None, "started_at", "id"),
)

prompts = Table(
    "prompts",
    metadata,
    _of("calls.id", primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("role", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("instructions", Text, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    _of("calls.id", primary_key=True),
    Column("score", Text, nullable=False),
    Column("text", Text),
    Column("at", UtcTime, nullable=False),
)

responses = Table(
    "responses",
    metadata,
    Column("id", Text, primary_key=True),
    _of("calls.id", index=True),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("usage", Text),
    Column("speech_stopped_at", UtcTime),
    Column("first_audio_ms", Float(53)),
    Column("stt_ms", Float(53)),
    Column("brain_ms", Float(53)),
    Column("tts_ms", Float(53)),
    Column("created_at", UtcTime, nullable=False),
)

tool_runs = Table(
    "tool_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), index=True),
    Column("item_id", Text),
    Column("tool_call_id", Text),
    Column("assistant", Text, nullable=False),
    Column("subject", Text),
    Column("tool", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("arguments_sha256", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False, index=True),
    Column("state", Text, nullable=False, index=True),
    Column("approve", Text, nullable=False),
    Column("approved_by", Text),
    Column("requested_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("result", Text),
)

questions = Table(
    "questions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("assistant", Text, nullable=False),
    Column("subject", Text),
    Column("language", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("score", Float(53)),
    Column("answered", Boolean, nullable=False),
    ForeignKeyConstraint(
        ["conversation_id", "item_id"], ["items.conversation_id", "items.id"], ondelete="CASCADE"
    ),
    Index(None, "conversation_id", "item_id"),
    Index(None, "at", "id"),
    Index(None, "assistant", "at", "id"),
)

events_outbox = Table(
    "events_outbox",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("at", UtcTime, nullable=False, index=True),
    Column("call_id", Text),
    Column("assistant", Text),
    Column("subject", Text),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,  # no position is used twice, also after deletions
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("webhook", Text, primary_key=True),
    Column(
        "position",
        Integer,
        ForeignKey("events_outbox.position", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("call_id", Text),
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcTime),
    Column("dead_at", UtcTime),
    Column("error", Text),
)
