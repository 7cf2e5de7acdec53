"""What is kept, and the verbs that keep it. Tables as in the public contract.

Two implementations, `memory` and `sql`, pass one contract suite. All times are aware UTC
datetimes. Every verb is atomic, raises `StoreError` when the disk fails or when a row would
contradict the others (an id that is taken, an item without its conversation), and nothing else
on purpose; what is not there is None or an empty list, never an exception.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from ..core.types import JsonObject
from ..protocol.items import Item


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One conversation item as stored: the item as the wire has it, and what is true besides."""

    item: Item
    position: float  # leaves room for insertion
    created_at: datetime
    generated: str | None = None  # what the engine said
    sent_ms: int | None = None  # how much sound of it went out
    heard_ms: int | None = None  # how much was played; None: nobody reported
    input_method: str | None = None  # voice | text
    model: str | None = None
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseRow:
    id: str
    call_id: str
    status: str
    reason: str | None
    usage: JsonObject | None
    created_at: datetime
    speech_stopped_at: datetime | None = None
    first_audio_ms: float | None = None  # after the end of speech was decided
    stt_ms: float | None = None
    brain_ms: float | None = None
    tts_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What one call wants on disk, all of it in one commit with whoever else waits."""

    conversation_id: str
    items: tuple[ItemRow, ...] = ()
    deleted: tuple[str, ...] = ()
    responses: tuple[ResponseRow, ...] = ()
    at: datetime | None = None  # becomes the conversation's updated_at


@dataclass(frozen=True, slots=True)
class ConversationRow:
    id: str
    assistant: str
    subject: str | None
    language: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CallRow:
    id: str
    conversation_id: str
    assistant: str
    subject: str | None
    transport: str
    engine: str
    started_at: datetime
    ended_at: datetime | None = None
    ending: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key. The key itself is nowhere: only its hash."""

    id: str
    name: str
    hash: str
    created_at: datetime
    assistant: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a client secret is good for. Kept as JSON."""

    subject: str | None = None
    assistant: str | None = None
    role: str | None = None
    language: str | None = None
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    conversation_id: str | None = None
    session: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A client secret, or a sign-in (a cookie). The secret itself is nowhere: only its hash.

    `minted_by` is the id of the key or sign-in that minted a client secret. None: the operator's
    command line did, or this is a sign-in.
    """

    id: str  # `cs_…`, or `si_…` of a sign-in
    hash: str
    expires_at: datetime
    grant: Grant
    minted_by: str | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Newest first. `has_more`: ask again with `before` = the last one's id.

    A `before` that is not there (any more) leaves nothing to tell: the page is empty.
    """

    data: list[ConversationRow] = field(default_factory=list)
    has_more: bool = False


PAGE = 1000  # rows, at most

KEPT_FOR_CALLS = timedelta(hours=24)
"""How long a secret is kept beyond its end: as long as a call that it began may last, at most."""


def page_size(limit: int) -> int:
    """As many as asked for, within reason."""
    return max(1, min(limit, PAGE))


class Store(Protocol):
    # Conversations, items, responses, calls

    async def commit(self, changes: Sequence[Change]) -> None:
        """All of it or none of it, and on disk when this returns.

        A row replaces what was kept under its id. Several changes are taken in their order.
        """

    async def create_conversation(self, row: ConversationRow) -> None: ...

    async def conversation(self, conversation_id: str) -> ConversationRow | None: ...

    async def conversations(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> ConversationPage:
        """List the conversations with one of these assistants, and of this user. None: any."""

    async def delete_conversation(self, conversation_id: str) -> bool:
        """With its items, calls and responses. False: there was none."""

    async def items(self, conversation_id: str) -> list[ItemRow]:
        """In the conversation's order."""

    async def begin_call(self, row: CallRow, new: ConversationRow | None = None) -> None:
        """`new`: the conversation that begins with this call; both are kept, or neither."""

    async def end_call(self, call_id: str, ended_at: datetime, ending: str) -> None:
        """The first ending stays."""

    async def call(self, call_id: str) -> CallRow | None: ...

    async def calls(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> list[CallRow]:
        """List calls, newest first, with the filters of `conversations`."""

    async def responses(self, call_id: str) -> list[ResponseRow]: ...

    # Credentials: hashes only

    async def add_key(self, row: KeyRow) -> None: ...

    async def key_by_hash(self, hash: str) -> KeyRow | None: ...

    async def key(self, key_id: str) -> KeyRow | None: ...

    async def keys(self) -> list[KeyRow]:
        """Oldest first, the revoked ones too."""

    async def revoke_key(self, key_id: str, at: datetime) -> bool:
        """Valid at once. False: there is no such key that was not revoked already."""

    async def touch_key(self, key_id: str, at: datetime) -> None:
        """Remember that it was used. An older `at` than the one that is kept changes nothing."""

    async def add_secret(self, row: SecretRow) -> None: ...

    async def secret_by_hash(self, hash: str) -> SecretRow | None:
        """Find it by what is kept of it. Expired and revoked ones are found too, for a day."""

    async def secret(self, secret_id: str) -> SecretRow | None: ...

    async def secrets(self) -> list[SecretRow]:
        """List client secrets and sign-ins, oldest first, the expired and revoked ones too."""

    async def has_minted(self, minter_id: str, secret_id: str) -> bool:
        """Tell whether this key or sign-in minted this secret.

        A secret of another minter and an unknown id take the same time.
        """

    async def revoke_secret(self, secret_id: str, at: datetime) -> bool:
        """Revoke it, and what it minted (a sign-in mints). Valid at once.

        False: the id is unknown, or the secret was revoked already.
        """

    async def revoked(self, credential_ids: Collection[str]) -> set[str]:
        """Find out which of these keys, secrets and sign-ins were revoked.

        What has only expired is not among them, and neither is what was never there.
        """

    async def add_code(self, hash: str, expires_at: datetime) -> None: ...

    async def use_code(self, hash: str, now: datetime) -> bool:
        """True once, and only before it expires."""

    async def sweep(self, now: datetime) -> None:
        """Forget used or expired codes, and secrets that ended a day ago.

        Until then a call that a secret began may still run, and end by its revocation.
        """

    async def ping(self) -> None:
        """Raises `StoreError` if nothing could be kept now, or in the last second."""

    async def close(self) -> None: ...
