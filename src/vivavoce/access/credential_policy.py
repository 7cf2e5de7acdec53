"""The rules for API keys, client secrets and sign-in cookies.

- An API key is for programs. It may do everything, with one assistant if it is bound to one.
- A cookie is for the person who signed in. It sees that person's own conversations only.
- A client secret is for a browser. It starts calls with what it was granted, and nothing else.
- A visitor of a website has no credential. Its secret starts calls with one assistant, as the
  assistant is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import msgspec

from ..core.locked_fields import SYSTEM_MESSAGES
from ..core.types import Caller
from ..store.base import ConversationRow, Grant
from . import request_credentials, visitors
from .auth_failure import AuthFailure, not_yours
from .policy import NOTHING, Owned, RequestField, Scope

McpServersOf = Literal["keys", "all", "none"]

# Visitors of websites change none of these, whatever the assistant locks for other browsers.
LOCKED_FOR_VISITORS = (
    "instructions", "tools", "tool_choice", "prompt", "tracing", "max_output_tokens", "include",
    "truncation", SYSTEM_MESSAGES,
)  # fmt: skip

STAFF = "staff"  # the role of a client secret whose holder approves what users cannot


@dataclass(frozen=True, slots=True)
class CredentialPolicy:
    """`mcp_servers`: the callers whose sessions may name MCP servers, which this server asks."""

    mcp_servers: McpServersOf = "keys"

    def may_use_api(self, caller: Caller) -> bool:
        """Allow keys. Routes that take a cookie authenticate it without asking this."""
        return caller.credential == "key"

    def may_start(self, caller: Caller, assistant: str) -> bool:
        """Allow the assistant that the credential is bound to, or every assistant."""
        return caller.assistant in (None, assistant)

    def may_visit(self, caller: Caller, origin: str | None, origins: Collection[str]) -> bool:
        """Allow the origins that the assistant names. A request without `Origin` has none."""
        return origin is not None and request_credentials.is_listed(origin, origins)

    def may_choose(self, caller: Caller, field: RequestField) -> bool:
        """Allow keys. A page could change its own query, so a secret's grant decides."""
        return caller.credential == "key"

    def may_list(self, caller: Caller, assistant: str) -> bool:
        """Allow keys and cookies what they may start."""
        return caller.credential != "secret" and self.may_start(caller, assistant)

    def may_see(self, caller: Caller, conversation: ConversationRow) -> bool:
        """Allow what the scope covers, and to a secret the conversation that it was granted.

        The credential that minted the secret was allowed to see that conversation.
        """
        granted = caller.credential == "secret" and caller.conversation_id == conversation.id
        return granted or self.scope(caller).covers(conversation)

    def may_control(self, caller: Caller, call: Owned | None = None) -> bool:
        """Allow keys the calls of their assistants, also those that other keys started."""
        if caller.credential != "key":
            return False
        return call is None or self.may_start(caller, call.assistant)

    def may_approve(self, caller: Caller, run: Owned, *, needs_staff: bool, in_call: bool) -> bool:
        """Allow a key the runs of its assistants, staff what needs staff, and users their own.

        A user approves by a cookie, or by the client secret of the call. A key says who is staff:
        a person who signed in mints secrets with every role of the assistant.
        """
        if caller.credential == "key":
            return self.may_control(caller, run)
        if needs_staff:
            made_staff = caller.role == STAFF and caller.key_id is not None
            return made_staff and self.may_start(caller, run.assistant)
        return in_call if caller.credential == "secret" else self.scope(caller).covers(run)

    def may_rate(self, caller: Caller, call: Owned, *, in_call: bool) -> bool:
        """Allow keys the calls of their assistants, and others the calls of their own user."""
        return in_call or self.scope(caller).covers(call)

    def may_configure(self, caller: Caller, assistant: str) -> bool:
        """Allow keys their assistants. A person who signed in has conversations only."""
        return caller.credential == "key" and self.may_start(caller, assistant)

    def scope(self, caller: Caller) -> Scope:
        """Return everything of its assistants for a key, and the user's own for other callers."""
        bound = None if caller.assistant is None else frozenset({caller.assistant})
        if caller.credential == "key":
            return Scope(bound)
        return NOTHING if caller.subject is None else Scope(bound, caller.subject)

    def may_mint(self, caller: Caller, grant: Grant) -> Grant | AuthFailure:
        """Allow keys, cookies and visitors. The latter two mint for their own user only."""
        if caller.credential == "secret":
            return AuthFailure("forbidden", "A client secret cannot mint another one.", status=403)
        if caller.assistant is not None and grant.assistant not in (None, caller.assistant):
            return not_yours("assistant")
        subject = grant.subject
        if caller.visitor and (grant.role or grant.variables):
            message = "A visitor of a website chooses neither a role nor variables."
            return AuthFailure("forbidden", message, status=403)
        if caller.credential == "cookie" or caller.visitor:
            if subject not in (None, caller.subject):
                return not_yours("user")
            subject = caller.subject
        return msgspec.structs.replace(
            grant, assistant=grant.assistant or caller.assistant, subject=subject
        )

    def minter_id(self, caller: Caller) -> str | None:
        """Return the id of the key or the sign-in. The operator's command line has neither.

        All visitors of an assistant share one id, which counts their secrets together.
        """
        if caller.credential == "secret":
            return None
        if caller.visitor:
            return visitors.minter_id(caller.assistant or "")
        return caller.key_id or caller.sign_in_id

    def may_name_mcp_servers(self, caller: Caller) -> bool:
        """Allow keys, unless the operator says otherwise: this server connects where they say."""
        if self.mcp_servers == "keys":
            return caller.credential == "key"
        return self.mcp_servers == "all" and not caller.visitor

    def locked_fields(self, caller: Caller, locked: Collection[str]) -> tuple[str, ...]:
        """Lock the fields for browsers, because a person can change what a page sends."""
        if caller.visitor:
            return tuple(dict.fromkeys((*locked, *LOCKED_FOR_VISITORS)))
        return tuple(locked) if caller.browser else ()
