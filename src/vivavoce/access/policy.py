"""Decide what an authenticated caller may do. Every route and every call setup asks here.

Authentication finds out who the caller is, and a `Policy` decides what that caller may do. It is
pure: it reads the caller and facts about what the caller asks for, and waits for nothing.
`credential_policy.py` holds the rules for API keys, client secrets and sign-in cookies. `app`
decides which policy a server has (docs/decisions/policy.md).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ..core.types import Caller
from ..store.base import ConversationRow, Grant
from .auth_failure import AuthFailure

RequestField = Literal["assistant", "role", "variables", "session"]


class Owned(Protocol):
    """A conversation or a call: it has an assistant, and may have a user."""

    @property
    def assistant(self) -> str: ...

    @property
    def subject(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Select conversations and calls: by a set of assistants, by a user, or by both."""

    assistants: frozenset[str] | None = None  # None: every assistant
    subject: str | None = None  # None: every user, and records without a user

    def covers(self, record: Owned) -> bool:
        """Return whether a caller with this scope may read the record."""
        if self.assistants is not None and record.assistant not in self.assistants:
            return False
        return self.subject in (None, record.subject)

    def narrowed(self, assistant: str | None, subject: str | None) -> Scope:
        """Return the part of this scope that a query asks for.

        A scope of one user keeps that user, whatever user the query names.
        """
        assistants = self.assistants
        if assistant is not None:
            allowed = assistants is None or assistant in assistants
            assistants = frozenset({assistant} if allowed else ())
        return replace(self, assistants=assistants, subject=self.subject or subject)


EVERYTHING = Scope()
NOTHING = Scope(assistants=frozenset())


class Policy(Protocol):
    """Answer each question about a caller. Answers do not change while a request is served."""

    def may_use_api(self, caller: Caller) -> bool:
        """Return whether the caller may use HTTP routes other than those that start calls."""

    def may_start(self, caller: Caller, assistant: str) -> bool:
        """Return whether the caller may start a call with this assistant."""

    def may_visit(self, caller: Caller, origin: str | None, origins: Collection[str]) -> bool:
        """Return whether a page of this origin may start calls for its visitors.

        `caller` is the visitor, and the only assistant that it may start is the page's. `origins`
        are those that the assistant names.
        """

    def may_choose(self, caller: Caller, field: RequestField) -> bool:
        """Return whether the request's own parameters may set this field of a new call.

        If not, the server ignores them and uses what the credential was granted.
        """

    def may_list(self, caller: Caller, assistant: str) -> bool:
        """Return whether the caller may learn that this assistant exists."""

    def may_see(self, caller: Caller, conversation: ConversationRow) -> bool:
        """Return whether the caller may read, continue and delete this conversation."""

    def may_control(self, caller: Caller, call: Owned | None = None) -> bool:
        """Return whether the caller may attach a control connection to this call, or end it.

        Without a call: whether the caller may control any call at all.
        """

    def may_approve(self, caller: Caller, run: Owned, *, needs_staff: bool, in_call: bool) -> bool:
        """Return whether the caller may approve or reject this run of a tool.

        `needs_staff`: the user alone cannot. `in_call`: the caller's secret started the run's call.
        """

    def may_rate(self, caller: Caller, call: Owned, *, in_call: bool) -> bool:
        """Return whether the caller may say how good this call was.

        `in_call`: the caller's secret started the call, which still runs.
        """

    def may_configure(self, caller: Caller, assistant: str) -> bool:
        """Return whether the caller may read and set the variables of all calls with it."""

    def scope(self, caller: Caller) -> Scope:
        """Return which conversations and calls the caller may list."""

    def may_mint(self, caller: Caller, grant: Grant) -> Grant | AuthFailure:
        """Return the grant of a client secret that the caller mints.

        The policy adds the bounds of the caller itself, and refuses a grant that exceeds them.
        """

    def minter_id(self, caller: Caller) -> str | None:
        """Return the id of the credential that the caller mints and revokes client secrets with.

        A secret ends when the credential with this id is revoked. None: the caller has no such
        credential, and therefore revokes none.
        """

    def may_name_mcp_servers(self, caller: Caller) -> bool:
        """Return whether the clients of the caller's call may bring MCP servers of their own."""

    def locked_fields(self, caller: Caller, locked: Collection[str]) -> tuple[str, ...]:
        """Return which of an assistant's `limits.locked` fields this caller may not change."""
