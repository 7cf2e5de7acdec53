"""A second policy: users of an identity provider, whose tokens list a role and assistants.

It is a fake that passes the contract of `tests/access/test_policy.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from vivavoce.access.auth_failure import AuthFailure, not_yours
from vivavoce.access.credential_policy import CredentialPolicy
from vivavoce.access.policy import Owned, RequestField, Scope
from vivavoce.core.types import Caller
from vivavoce.store.base import ConversationRow, Grant


@dataclass(frozen=True, slots=True)
class Claims:
    """The facts about a user in a verified token."""

    role: Literal["staff", "user"]
    assistants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Users of an identity provider. Staff work with all records of their assistants."""

    users: Mapping[str, Claims]
    secrets: CredentialPolicy = field(default_factory=CredentialPolicy)

    def _claims(self, caller: Caller) -> Claims | None:
        return self.users.get(caller.subject or "") if caller.credential == "token" else None

    def may_use_api(self, caller: Caller) -> bool:
        return self._claims(caller) is not None

    def may_start(self, caller: Caller, assistant: str) -> bool:
        claims = self._claims(caller)
        if claims is None:
            return self.secrets.may_start(caller, assistant)
        return assistant in claims.assistants

    def may_visit(self, caller: Caller, origin: str | None, origins: Collection[str]) -> bool:
        return False  # every user has a token

    def may_choose(self, caller: Caller, field: RequestField) -> bool:
        return field == "assistant" and self._claims(caller) is not None  # the token has the role

    def may_list(self, caller: Caller, assistant: str) -> bool:
        claims = self._claims(caller)
        return claims is not None and assistant in claims.assistants

    def may_see(self, caller: Caller, conversation: ConversationRow) -> bool:
        if self._claims(caller) is None:
            return self.secrets.may_see(caller, conversation)
        return self.scope(caller).covers(conversation)

    def may_name_mcp_servers(self, caller: Caller) -> bool:
        return self.secrets.may_name_mcp_servers(caller)

    def may_control(self, caller: Caller, call: Owned | None = None) -> bool:
        if self._claims(caller) is None:
            return False
        return call is None or self.scope(caller).covers(call)

    def may_approve(self, caller: Caller, run: Owned, *, needs_staff: bool, in_call: bool) -> bool:
        claims = self._claims(caller)
        if claims is None:
            return self.secrets.may_approve(caller, run, needs_staff=needs_staff, in_call=in_call)
        return claims.role == "staff" if needs_staff else self.scope(caller).covers(run)

    def may_rate(self, caller: Caller, call: Owned, *, in_call: bool) -> bool:
        return in_call or self.scope(caller).covers(call)

    def may_configure(self, caller: Caller, assistant: str) -> bool:
        claims = self._claims(caller)
        return claims is not None and claims.role == "staff" and assistant in claims.assistants

    def scope(self, caller: Caller) -> Scope:
        claims = self._claims(caller)
        if claims is None:
            return self.secrets.scope(caller)
        own = None if claims.role == "staff" else caller.subject
        return Scope(frozenset(claims.assistants), own)

    def may_mint(self, caller: Caller, grant: Grant) -> Grant | AuthFailure:
        claims = self._claims(caller)
        if claims is None:
            return AuthFailure("forbidden", "This credential mints no secrets.", status=403)
        if grant.assistant is not None and grant.assistant not in claims.assistants:
            return not_yours("assistant")
        if claims.role == "staff":
            return grant
        if grant.subject not in (None, caller.subject):
            return not_yours("user")
        return msgspec.structs.replace(grant, subject=caller.subject)

    def minter_id(self, caller: Caller) -> str | None:
        return f"user_{caller.subject}" if self._claims(caller) else None

    def locked_fields(self, caller: Caller, locked: Collection[str]) -> tuple[str, ...]:
        claims = self._claims(caller)
        return () if claims is not None and claims.role == "staff" else tuple(locked)
