"""Define the rows of the store and its verbs. The tables are those of the public contract.

Two implementations, `memory` and `sql`, pass one contract suite. All times are aware UTC datetimes.
Every verb is atomic. It raises `StoreError` if the disk fails, or if a row contradicts the others:
an id that is taken, or an item without its conversation. Every other exception is a bug. A verb
that finds nothing returns None or an empty list.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from ..core.types import JsonObject
from ..protocol.items import Item
from ..protocol.own_events import Source
from .acts import AuditPage as AuditPage
from .acts import AuditRow as AuditRow
from .events import EventOutbox, EventRow
from .feedback import Feedback, Score
from .prompts import PromptRow, Prompts
from .questions import QuestionRow, Questions
from .tool_runs import ToolRunRow, ToolRuns


@dataclass(frozen=True, slots=True)
class ItemRow:
    """Hold one conversation item: the item of the protocol, and what the server knows about it."""

    item: Item
    position: float  # leaves room for insertion
    created_at: datetime
    generated: str | None = None  # the engine's whole text, also beyond a truncation
    sent_ms: int | None = None  # ms of audio sent to the client
    heard_ms: int | None = None  # ms of audio played; None: the client has not reported
    input_method: str | None = None  # voice | text
    model: str | None = None
    voice: str | None = None
    sources: tuple[Source, ...] = ()  # of an answer, the best one first


@dataclass(frozen=True, slots=True)
class ResponseRow:
    id: str
    call_id: str
    status: str
    reason: str | None
    usage: JsonObject | None
    created_at: datetime
    speech_stopped_at: datetime | None = None
    first_audio_ms: float | None = None  # ms after the server decided that speech has ended
    stt_ms: float | None = None
    brain_ms: float | None = None
    tts_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Hold what one call stores in one commit. The commit may hold changes of other calls too.

    `conversation_id` is empty for tool runs and events alone.
    """

    conversation_id: str
    items: tuple[ItemRow, ...] = ()
    deleted: tuple[str, ...] = ()
    responses: tuple[ResponseRow, ...] = ()
    at: datetime | None = None  # becomes the conversation's updated_at
    tool_runs: tuple[ToolRunRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    questions: tuple[QuestionRow, ...] = ()  # each needs its item, in this change or before it


@dataclass(frozen=True, slots=True)
class ConversationRow:
    id: str
    assistant: str
    subject: str | None
    language: str | None
    created_at: datetime
    updated_at: datetime
    title: str | None = None  # given by the user

    def shown(self) -> JsonObject:
        """Return its fields as the HTTP API and the command line name them."""
        return {
            "id": self.id,
            "assistant": self.assistant,
            "user": self.subject,
            "language": self.language,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "title": self.title,
        }


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
    """Hold an API key's hash and state. The key itself is not stored."""

    id: str
    name: str
    hash: str
    created_at: datetime
    assistant: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Hold what a client secret allows. It is stored as JSON."""

    subject: str | None = None
    assistant: str | None = None
    role: str | None = None
    language: str | None = None
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    conversation_id: str | None = None
    session: JsonObject | None = None
    safety_identifier: str | None = None
    defines_session: bool = False  # minted by a key as OpenAI's servers document it


@dataclass(frozen=True, slots=True)
class SecretRow:
    """Hold the hash and state of a client secret or of a sign-in. The secret is not stored.

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
    """Hold conversations, the newest first. `before` = the last one's id gives the next page.

    A page before an unknown or deleted conversation is empty, and so is a page before one that the
    filters leave out.
    """

    data: list[ConversationRow] = field(default_factory=list)
    has_more: bool = False


FIRST_MESSAGE = 4000  # characters of JSON

SEARCHED = 1000  # conversations that one search reads

SEARCHED_MESSAGE = 20_000  # characters of JSON

LATEST_RESPONSES = 100

PAGE = 1000  # rows of one page, the maximum

KEPT_FOR_CALLS = timedelta(hours=24)
"""How long the store keeps a secret that has ended: the longest time that its calls may last."""

AUDIT_KEPT = timedelta(days=400)
"""How long the store keeps an act: longer than a year, so that years can be compared."""

RUNS_KEPT = timedelta(days=30)
"""How long the store keeps a tool run that no call asked for, and with it its idempotency key."""


def page_size(limit: int) -> int:
    """Return the number of rows asked for, between 1 and `PAGE`."""
    return max(1, min(limit, PAGE))


class Store(Protocol):
    """Keep conversations, calls, credentials and the acts with them, tool runs and events.

    A verb that takes an `act` stores it in the same commit, if the verb changes something.
    """

    @property
    def tool_runs(self) -> ToolRuns: ...

    @property
    def questions(self) -> Questions: ...

    @property
    def outbox(self) -> EventOutbox: ...

    @property
    def prompts(self) -> Prompts: ...

    @property
    def feedback(self) -> Feedback: ...

    # Conversations, items, responses, calls

    async def commit(self, changes: Sequence[Change]) -> None:
        """Store all changes, in their order, or none. They are on disk when this returns.

        A row replaces the stored row with the same id. Raises `ConversationDeletedError` for rows
        of a conversation that does not exist.
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
        search: Sequence[str] = (),
    ) -> ConversationPage:
        """List the conversations with one of these assistants, and of this user. None: any.

        `search` keeps those of the newest `SEARCHED` with all these words in the title, or in one
        message. Words may be parts of others. The case of ASCII letters does not matter. A message
        of more than `SEARCHED_MESSAGE` characters of JSON is left out: it has pictures.
        """

    async def missing_conversations(self, conversation_ids: Collection[str]) -> set[str]:
        """Return which of these conversations do not exist."""

    async def rename_conversation(
        self, conversation_id: str, title: str | None, act: AuditRow | None = None
    ) -> bool:
        """Give it a title, or take its title away. Return False if it does not exist."""

    async def first_messages(self, conversation_ids: Collection[str]) -> dict[str, ItemRow]:
        """Return the first message of the user in each conversation that has one.

        A message of more than `FIRST_MESSAGE` characters of JSON is left out: it has pictures.
        """

    async def delete_conversation(self, conversation_id: str, act: AuditRow | None = None) -> bool:
        """Delete it with its items, calls and responses. Return False if it does not exist."""

    async def items(self, conversation_id: str) -> list[ItemRow]:
        """Return the items in the conversation's order."""

    async def sources(self, item_id: str) -> list[tuple[ConversationRow, tuple[Source, ...]]]:
        """Return the sources of each answer with this id, and the conversation that it is in.

        Clients choose ids too, so two conversations may have an answer with the same one.
        """

    async def begin_call(
        self, row: CallRow, new: ConversationRow | None = None, prompt: PromptRow | None = None
    ) -> None:
        """Store a call, and in the same commit its new conversation and its first prompt.

        The conversation has the language of its newest prompt.
        """

    async def end_call(self, call_id: str, ended_at: datetime, ending: str) -> None:
        """Store how the call ended. If its ending is already stored, this changes nothing."""

    async def call(self, call_id: str) -> CallRow | None: ...

    async def calls(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        score: Score | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> list[CallRow]:
        """List calls, newest first, with the filters of `conversations`.

        `score`: only those whose feedback has it.
        """

    async def responses(self, call_id: str) -> list[ResponseRow]: ...

    async def latest_responses(self, conversation_id: str) -> list[ResponseRow]:
        """Return the newest `LATEST_RESPONSES` of all its calls, the oldest first."""

    # Credentials: hashes only

    async def add_key(self, row: KeyRow, act: AuditRow | None = None) -> None: ...

    async def key_by_hash(self, hash: str) -> KeyRow | None: ...

    async def key(self, key_id: str) -> KeyRow | None: ...

    async def keys(self) -> list[KeyRow]:
        """List all keys, the oldest first, with the revoked ones."""

    async def revoke_key(self, key_id: str, at: datetime, act: AuditRow | None = None) -> bool:
        """Revoke a key at once. Return False if the id is unknown or its key is already revoked."""

    async def touch_key(self, key_id: str, at: datetime) -> None:
        """Store when the key was last used. A time before the stored one changes nothing."""

    async def add_secret(self, row: SecretRow, act: AuditRow | None = None) -> None: ...

    async def secret_by_hash(self, hash: str) -> SecretRow | None:
        """Find a secret by its hash. Expired and revoked secrets are found for a day."""

    async def secret(self, secret_id: str) -> SecretRow | None: ...

    async def secrets(self) -> list[SecretRow]:
        """List client secrets and sign-ins, the oldest first, with the expired and revoked ones."""

    async def has_minted(self, minter_id: str, secret_id: str) -> bool:
        """Return whether this key or sign-in minted this secret.

        The answer takes the same time for an unknown id and for another minter's secret.
        """

    async def revoke_secret(
        self, secret_id: str, at: datetime, act: AuditRow | None = None
    ) -> bool:
        """Revoke a secret or a sign-in at once, and the secrets that the sign-in minted.

        Return False if the id is unknown or already revoked.
        """

    async def revoked(self, credential_ids: Collection[str]) -> set[str]:
        """Return which of these keys, secrets and sign-ins are revoked.

        Expired credentials and unknown ids are not among them.
        """

    async def revoked_or_deleted(self) -> bool:
        """Return whether anything may be revoked or deleted since this was asked last.

        False: no key, secret or sign-in was revoked, and no conversation deleted, also by a verb
        whose caller was cancelled. True: `revoked` and `missing_conversations` may find more than
        before. So it is for every commit of another process, and for the first answer. The answer
        waits for the writes that have begun.
        """

    async def add_code(
        self, hash: str, expires_at: datetime, act: AuditRow | None = None
    ) -> None: ...

    async def use_code(self, hash: str, now: datetime) -> bool:
        """Use up the code. Return True the first time, if the code has not expired."""

    async def sweep(self, now: datetime) -> None:
        """Delete used and expired codes, secrets that ended a day ago, and what is old.

        A secret's call may still run for a day, and revoking the secret must end it. Acts are kept
        for `AUDIT_KEPT`, and ended tool runs without a call for `RUNS_KEPT`. Those of a call are
        deleted with its conversation.
        """

    # The audit log

    async def record_act(self, act: AuditRow) -> None:
        """Store an act that changes nothing else in the store."""

    async def acts(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> AuditPage:
        """List the acts of this actor, of this kind, and not before `since`. None: any."""

    async def ping(self) -> None:
        """Prove that the store can write, at most once a second. Raises `StoreError`."""

    async def close(self) -> None: ...
