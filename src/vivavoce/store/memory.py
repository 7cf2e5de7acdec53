"""Keep everything in memory, for tests and for servers that must not store anything.

It accepts and refuses exactly what `sql` does. It returns the rows it was given, which are frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from ..errors import ConversationDeletedError, StoreError
from ..protocol.items import Message
from ..protocol.own_events import Source
from .base import (
    AUDIT_KEPT,
    FIRST_MESSAGE,
    KEPT_FOR_CALLS,
    LATEST_RESPONSES,
    RUNS_KEPT,
    SEARCHED,
    AuditPage,
    AuditRow,
    CallRow,
    Change,
    ConversationPage,
    ConversationRow,
    ItemRow,
    KeyRow,
    ResponseRow,
    SecretRow,
    page_size,
)
from .changes import MergedChanges, encode, encode_row, merge
from .feedback import Score
from .memory_events import MemoryEventOutbox
from .memory_feedback import MemoryFeedback
from .memory_prompts import MemoryPrompts
from .memory_questions import MemoryQuestions
from .memory_search import has_all, texts
from .memory_tool_runs import MemoryToolRuns
from .prompts import PromptRow

R = TypeVar("R", ConversationRow, CallRow, AuditRow)


def _is_short(row: ItemRow) -> bool:
    """Return whether this is a message of the user that `first_messages` may return."""
    is_said = isinstance(row.item, Message) and row.item.role == "user"
    return is_said and len(encode_row(row)["content"]) <= FIRST_MESSAGE


class MemoryStore:
    def __init__(self) -> None:
        self._conversations: dict[str, ConversationRow] = {}
        self._items: dict[str, dict[str, ItemRow]] = {}
        self._calls: dict[str, CallRow] = {}
        self._responses: dict[str, ResponseRow] = {}
        self._keys: dict[str, KeyRow] = {}
        self._secrets: dict[str, SecretRow] = {}
        self._codes: dict[str, tuple[datetime, bool]] = {}  # expiry, and whether it was used
        self._acts: dict[str, AuditRow] = {}
        self._unasked = True  # something may be revoked or deleted since it was asked last
        self.tool_runs = MemoryToolRuns(self._conversation_of)
        self.questions = MemoryQuestions(self._has_item)
        self.outbox = MemoryEventOutbox()
        self.feedback = MemoryFeedback(self._calls.__contains__)
        self.prompts = MemoryPrompts(self._calls.__contains__, self._continue_in, self._keep)

    def _conversation_of(self, call_id: str) -> str | None:
        return call.conversation_id if (call := self._calls.get(call_id)) else None

    def _continue_in(self, call_id: str, language: str) -> None:
        name = self._calls[call_id].conversation_id
        self._conversations[name] = replace(self._conversations[name], language=language)

    def _has_item(self, conversation_id: str, item_id: str) -> bool:
        return item_id in self._items.get(conversation_id, {})

    # Conversations, items, responses, calls

    async def commit(self, changes: Sequence[Change]) -> None:
        merged = merge(changes)
        self._validate(merged)
        for (conversation_id, item_id), row in merged.items.items():
            rows = self._items.get(conversation_id, {})
            rows.pop(item_id, None)
            if row is not None:
                rows[item_id] = row
        self._responses |= merged.responses
        self.questions.put(merged.questions.values())
        if None in merged.items.values():
            self.questions.forget()
        self.tool_runs.put(merged.tool_runs.values())
        self.outbox.add(merged.events)
        for conversation_id, at in merged.touched.items():
            if conversation := self._conversations.get(conversation_id):
                latest = max(at, conversation.updated_at)
                self._conversations[conversation_id] = replace(conversation, updated_at=latest)

    def _validate(self, merged: MergedChanges) -> None:
        """Refuse rows that contradict others, before anything changes. Raises `StoreError`."""
        for (conversation_id, _), row in merged.items.items():
            if row is not None:
                if conversation_id not in self._items:
                    raise ConversationDeletedError("a conversation was deleted")
                encode_row(row)
        for response in merged.responses.values():
            _require(response.call_id in self._calls, "a response without its call")
            if response.usage is not None:
                encode(response.usage)
        for run in merged.tool_runs.values():
            _require(run.call_id is None or run.call_id in self._calls, "a run without its call")
        for asked in merged.questions.values():
            key = asked.conversation_id, asked.item_id
            _require(key in merged.items or self._has_item(*key), "a question without its item")
        for event in merged.events:
            _require(not self.outbox.has(event.id), "an event's id that is taken")

    async def missing_conversations(self, conversation_ids: Collection[str]) -> set[str]:
        return {name for name in conversation_ids if name not in self._conversations}

    async def create_conversation(self, row: ConversationRow) -> None:
        _require(row.id not in self._conversations, "a conversation's id that is taken")
        self._conversations[row.id] = row
        self._items[row.id] = {}

    async def conversation(self, conversation_id: str) -> ConversationRow | None:
        return self._conversations.get(conversation_id)

    async def conversations(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        before: str | None = None,
        limit: int = 20,
        search: Sequence[str] = (),
    ) -> ConversationPage:
        size = page_size(limit)
        rows = {
            k: row for k, row in self._conversations.items() if _selected(row, assistants, subject)
        }
        if search:
            newest = _older(rows, lambda row: row.created_at, None)[:SEARCHED]
            rows = {row.id: row for row in newest if self._says(row, search)}
        older = _older(rows, lambda row: row.created_at, before)
        return ConversationPage(older[:size], has_more=len(older) > size)

    def _says(self, row: ConversationRow, words: Sequence[str]) -> bool:
        return any(has_all(text, words) for text in texts(row, self._items[row.id].values()))

    async def rename_conversation(
        self, conversation_id: str, title: str | None, act: AuditRow | None = None
    ) -> bool:
        row = self._conversations.get(conversation_id)
        if row is None:
            return False
        self._conversations[conversation_id] = replace(row, title=title)
        self._keep(act)
        return True

    async def first_messages(self, conversation_ids: Collection[str]) -> dict[str, ItemRow]:
        found = {name: await self.items(name) for name in conversation_ids}
        said = {name: [row for row in rows if _is_short(row)] for name, rows in found.items()}
        return {name: rows[0] for name, rows in said.items() if rows}

    async def delete_conversation(self, conversation_id: str, act: AuditRow | None = None) -> bool:
        self._unasked = True
        if conversation_id in self._conversations:
            self._keep(act)
        self._items.pop(conversation_id, None)
        self.questions.forget()
        for call in [c for c in self._calls.values() if c.conversation_id == conversation_id]:
            del self._calls[call.id]
            self.tool_runs.forget_call(call.id)
            self.prompts.forget_call(call.id)
            self.feedback.forget_call(call.id)
            for response in await self.responses(call.id):
                del self._responses[response.id]
        return self._conversations.pop(conversation_id, None) is not None

    async def items(self, conversation_id: str) -> list[ItemRow]:
        rows = self._items.get(conversation_id, {}).values()
        return sorted(rows, key=lambda row: (row.position, row.item.id))

    async def sources(self, item_id: str) -> list[tuple[ConversationRow, tuple[Source, ...]]]:
        found = ((name, rows.get(item_id)) for name, rows in self._items.items())
        return [
            (self._conversations[name], row.sources)
            for name, row in found
            if row is not None and row.sources
        ]

    async def begin_call(
        self, row: CallRow, new: ConversationRow | None = None, prompt: PromptRow | None = None
    ) -> None:
        _require(row.id not in self._calls, "a call's id that is taken")
        if new is not None:
            await self.create_conversation(new)
        _require(row.conversation_id in self._conversations, "a call without its conversation")
        self._calls[row.id] = row
        if prompt is not None:
            await self.prompts.add(prompt)

    async def end_call(self, call_id: str, ended_at: datetime, ending: str) -> None:
        call = self._calls.get(call_id)
        if call is not None and call.ended_at is None:
            self._calls[call_id] = replace(call, ended_at=ended_at, ending=ending)

    async def call(self, call_id: str) -> CallRow | None:
        return self._calls.get(call_id)

    async def calls(
        self,
        *,
        assistants: Collection[str] | None = None,
        subject: str | None = None,
        score: Score | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> list[CallRow]:
        rows = {
            k: row
            for k, row in self._calls.items()
            if _selected(row, assistants, subject) and score in (None, self.feedback.score(k))
        }
        older = _older(rows, lambda row: row.started_at, before)
        return older[: page_size(limit)]

    async def responses(self, call_id: str) -> list[ResponseRow]:
        rows = [row for row in self._responses.values() if row.call_id == call_id]
        return sorted(rows, key=lambda row: (row.created_at, row.id))

    async def latest_responses(self, conversation_id: str) -> list[ResponseRow]:
        own = {call.id for call in self._calls.values() if call.conversation_id == conversation_id}
        rows = [row for row in self._responses.values() if row.call_id in own]
        return sorted(rows, key=lambda row: (row.created_at, row.id))[-LATEST_RESPONSES:]

    # Credentials

    async def add_key(self, row: KeyRow, act: AuditRow | None = None) -> None:
        _require(row.id not in self._keys, "a key's id that is taken")
        _require(await self.key_by_hash(row.hash) is None, "a key that already exists")
        self._keep(act)
        self._keys[row.id] = row

    async def key_by_hash(self, hash: str) -> KeyRow | None:
        return next((row for row in self._keys.values() if row.hash == hash), None)

    async def key(self, key_id: str) -> KeyRow | None:
        return self._keys.get(key_id)

    async def keys(self) -> list[KeyRow]:
        return sorted(self._keys.values(), key=lambda row: (row.created_at, row.id))

    async def revoke_key(self, key_id: str, at: datetime, act: AuditRow | None = None) -> bool:
        self._unasked = True
        row = self._keys.get(key_id)
        if row is None or row.revoked_at is not None:
            return False
        self._keep(act)
        self._keys[key_id] = replace(row, revoked_at=at)
        return True

    async def touch_key(self, key_id: str, at: datetime) -> None:
        row = self._keys.get(key_id)
        if row is not None and (row.last_used_at is None or row.last_used_at < at):
            self._keys[key_id] = replace(row, last_used_at=at)

    async def add_secret(self, row: SecretRow, act: AuditRow | None = None) -> None:
        _require(row.id not in self._secrets, "a secret's id that is taken")
        _require(await self.secret_by_hash(row.hash) is None, "a secret that already exists")
        encode(row.grant)
        self._keep(act)
        self._secrets[row.id] = row

    async def secret_by_hash(self, hash: str) -> SecretRow | None:
        return next((row for row in self._secrets.values() if row.hash == hash), None)

    async def secret(self, secret_id: str) -> SecretRow | None:
        return self._secrets.get(secret_id)

    async def secrets(self) -> list[SecretRow]:
        return sorted(self._secrets.values(), key=lambda row: row.id)

    async def has_minted(self, minter_id: str, secret_id: str) -> bool:
        row = self._secrets.get(secret_id)
        return row is not None and row.minted_by == minter_id

    async def revoke_secret(
        self, secret_id: str, at: datetime, act: AuditRow | None = None
    ) -> bool:
        self._unasked = True
        row = self._secrets.get(secret_id)
        if row is None or row.revoked_at is not None:
            return False
        self._keep(act)
        for one in list(self._secrets.values()):
            if secret_id in (one.id, one.minted_by) and one.revoked_at is None:
                self._secrets[one.id] = replace(one, revoked_at=at)
        return True

    async def revoked(self, credential_ids: Collection[str]) -> set[str]:
        rows: list[KeyRow | SecretRow | None] = []
        rows += [self._keys.get(name) for name in credential_ids]
        rows += [self._secrets.get(name) for name in credential_ids]
        return {row.id for row in rows if row is not None and row.revoked_at is not None}

    async def revoked_or_deleted(self) -> bool:
        answer, self._unasked = self._unasked, False
        return answer

    async def add_code(self, hash: str, expires_at: datetime, act: AuditRow | None = None) -> None:
        _require(hash not in self._codes, "a code that already exists")
        self._keep(act)
        self._codes[hash] = (expires_at, False)

    async def use_code(self, hash: str, now: datetime) -> bool:
        expires_at, used = self._codes.get(hash, (now, True))
        if used or expires_at <= now:
            return False
        self._codes[hash] = (expires_at, True)
        return True

    async def sweep(self, now: datetime) -> None:
        ended = now - KEPT_FOR_CALLS
        self._secrets = {
            row.id: row
            for row in self._secrets.values()
            if min(row.expires_at, row.revoked_at or row.expires_at) > ended
        }
        self._codes = {h: (e, used) for h, (e, used) in self._codes.items() if now < e and not used}
        self._acts = {row.id: row for row in self._acts.values() if row.at > now - AUDIT_KEPT}
        self.tool_runs.forget_without_call(now - RUNS_KEPT)

    # The audit log

    async def record_act(self, act: AuditRow) -> None:
        self._keep(act)

    async def acts(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> AuditPage:
        size = page_size(limit)
        rows = {
            row.id: row
            for row in self._acts.values()
            if actor in (None, row.actor)
            and action in (None, row.action)
            and (since is None or row.at >= since)
        }
        older = _older(rows, lambda row: row.at, before)
        return AuditPage(older[:size], has_more=len(older) > size)

    def _keep(self, act: AuditRow | None) -> None:
        if act is not None:
            _require(act.id not in self._acts, "an act's id that is taken")
            self._acts[act.id] = act

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        pass


def _require(valid: bool, problem: str) -> None:
    if not valid:
        raise StoreError(f"the store refuses {problem}")


def _selected(
    row: ConversationRow | CallRow, assistants: Collection[str] | None, subject: str | None
) -> bool:
    """Return whether a row has one of these assistants and this user. None: any."""
    return (assistants is None or row.assistant in assistants) and subject in (None, row.subject)


def _older(rows: dict[str, R], at: Callable[[R], datetime], before: str | None) -> list[R]:
    """Return the rows that are older than `before`, the newest first."""
    found = sorted(rows.values(), key=lambda row: (at(row), row.id), reverse=True)
    if before is None:
        return found
    if before not in rows:
        return []
    return found[found.index(rows[before]) + 1 :]
