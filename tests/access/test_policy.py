"""Run the contract of a policy on two policies: credentials, and users with roles.

The second (`tests/support/token_policy.py`) shows that the questions suffice for another kind of
caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

import vivavoce
from vivavoce.access import visitors
from vivavoce.access.auth_failure import AuthFailure
from vivavoce.access.client_secrets import granted
from vivavoce.access.credential_policy import CredentialPolicy
from vivavoce.access.policy import EVERYTHING, NOTHING, Policy, Scope
from vivavoce.core.types import Caller, JsonObject
from vivavoce.store.base import CallRow, ConversationRow, Grant

from ..support.token_policy import Claims, TokenPolicy

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ASSISTANTS = ("charlotte", "coach", "mentor")
USERS = ("ann", "bob", None)
LOCKED = ("instructions", "tools")


# The contract


@dataclass(frozen=True, slots=True)
class Rig:
    policy: Policy
    callers: dict[str, Caller]  # that authentication makes

    def secrets(self) -> list[tuple[Caller, Caller]]:
        """Mint a secret by every caller for every assistant and user. Return minter and secret."""
        made = []
        for minter, assistant, user in product(self.callers.values(), ASSISTANTS, USERS):
            grant = self.policy.may_mint(minter, Grant(assistant=assistant, subject=user))
            if isinstance(grant, Grant):
                made.append((minter, granted(grant, secret_id="cs_1")))
        assert made
        return made

    def everyone(self) -> list[Caller]:
        return [*self.callers.values(), *(secret for _, secret in self.secrets())]


CREDENTIALS = Rig(
    CredentialPolicy(),
    {
        "key": Caller(credential="key", key_id="key_1"),
        "key of the command line": Caller(credential="key", subject="root"),
        "key for one assistant": Caller(credential="key", key_id="key_2", assistant="charlotte"),
        "cookie": Caller(credential="cookie", sign_in_id="si_1", subject="ann", browser=True),
        "visitor": visitors.of_token(visitors.make_token(), "charlotte"),
    },
)
TOKENS = Rig(
    TokenPolicy({
        "ann": Claims("user", ("charlotte", "coach")),
        "eve": Claims("staff", ("coach", "mentor")),
    }),
    {
        "user": Caller(credential="token", subject="ann"),
        "staff": Caller(credential="token", subject="eve"),
        "unknown user": Caller(credential="token", subject="mallory"),
    },
)  # fmt: skip

RIGS = {"credentials": CREDENTIALS, "tokens": TOKENS}


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest) -> Rig:
    return RIGS[request.param]


def conversation(assistant: str, user: str | None, id: str = "conv_1") -> ConversationRow:
    return ConversationRow(id, assistant, user, "en", NOW, NOW)


def call(assistant: str, user: str | None) -> CallRow:
    return CallRow("rtc_1", "conv_1", assistant, user, "websocket", "cascade", NOW)


RECORDS = list(product(ASSISTANTS, USERS))


def test_a_caller_may_start_whatever_it_may_list(rig: Rig) -> None:
    for caller, assistant in product(rig.everyone(), ASSISTANTS):
        if rig.policy.may_list(caller, assistant):
            assert rig.policy.may_start(caller, assistant), caller


def test_a_caller_may_see_whatever_its_scope_covers(rig: Rig) -> None:
    for caller, (assistant, user) in product(rig.everyone(), RECORDS):
        seen = conversation(assistant, user)
        assert rig.policy.may_see(caller, seen) == rig.policy.scope(caller).covers(seen), caller


def test_a_caller_without_a_user_does_not_own_records_without_a_user(rig: Rig) -> None:
    for kind in ("secret", "cookie", "token", "of no known kind"):
        nameless = Caller(credential=kind)
        assert not rig.policy.may_see(nameless, conversation("charlotte", None))
        assert rig.policy.scope(nameless) == NOTHING


def test_a_caller_that_controls_no_call_controls_none_in_particular(rig: Rig) -> None:
    for caller, (assistant, user) in product(rig.everyone(), RECORDS):
        if not rig.policy.may_control(caller):
            assert not rig.policy.may_control(caller, call(assistant, user)), caller


def test_a_caller_configures_only_what_it_may_list(rig: Rig) -> None:
    for caller, assistant in product(rig.everyone(), ASSISTANTS):
        if rig.policy.may_configure(caller, assistant):
            assert rig.policy.may_list(caller, assistant), caller


def test_a_caller_rates_the_calls_that_it_sees_and_the_one_that_it_is_in(rig: Rig) -> None:
    for caller, (assistant, user) in product(rig.everyone(), RECORDS):
        rated = call(assistant, user)
        assert rig.policy.may_rate(caller, rated, in_call=True), caller
        sees = rig.policy.scope(caller).covers(rated)
        assert rig.policy.may_rate(caller, rated, in_call=False) == sees, caller


def test_a_secret_may_do_nothing_that_its_minter_may_not(rig: Rig) -> None:
    policy = rig.policy
    for (minter, secret), (assistant, user) in product(rig.secrets(), RECORDS):
        seen = conversation(assistant, user)
        by_minter, by_secret = (
            (
                policy.may_start(caller, assistant),
                policy.may_list(caller, assistant),
                policy.may_see(caller, seen),
            )
            for caller in (minter, secret)
        )
        widened = [one and not other for one, other in zip(by_secret, by_minter, strict=True)]
        assert not any(widened), (minter, secret, seen)


def test_a_secret_starts_calls_and_does_nothing_else(rig: Rig) -> None:
    for _, secret in rig.secrets():
        assert secret.assistant is not None
        assert rig.policy.may_start(secret, secret.assistant)
        assert not rig.policy.may_use_api(secret)
        assert not rig.policy.may_control(secret)
        assert not rig.policy.may_configure(secret, secret.assistant)
        assert not rig.policy.may_choose(secret, "assistant")
        assert isinstance(rig.policy.may_mint(secret, Grant()), AuthFailure)
        assert rig.policy.minter_id(secret) is None
        assert rig.policy.locked_fields(secret, LOCKED) == LOCKED


def test_a_grant_is_narrowed_to_itself_when_it_is_narrowed_again(rig: Rig) -> None:
    for caller, assistant in product(rig.callers.values(), ASSISTANTS):
        once = rig.policy.may_mint(caller, Grant(assistant=assistant))
        if isinstance(once, Grant):
            assert rig.policy.may_mint(caller, once) == once


def test_a_grant_keeps_what_the_policy_does_not_decide(rig: Rig) -> None:
    session: JsonObject = {"instructions": "Be kind."}
    for caller in rig.callers.values():
        asked = Grant(assistant="coach", language="it", variables={"a": "b"}, session=session)
        grant = rig.policy.may_mint(caller, asked)
        if isinstance(grant, Grant):
            assert (grant.language, grant.variables) == ("it", {"a": "b"})
            assert grant.session == session


def test_only_fields_of_the_assistant_are_locked(rig: Rig) -> None:
    for caller in [one for one in rig.everyone() if not one.visitor]:
        assert rig.policy.locked_fields(caller, ()) == ()
        assert set(rig.policy.locked_fields(caller, LOCKED)) <= set(LOCKED)


def test_a_page_that_names_no_origin_has_no_visitors(rig: Rig) -> None:
    for caller in rig.everyone():
        assert not rig.policy.may_visit(caller, None, ["https://shop.example.com"])
        assert not rig.policy.may_visit(caller, "https://shop.example.com", [])


# Rules of one policy


def test_a_visitor_chooses_nothing_but_its_language_and_adds_no_instructions() -> None:
    visitor = visitors.of_token(visitors.make_token(), "charlotte")
    policy = CREDENTIALS.policy
    for grant in (
        Grant(role="staff"),
        Grant(variables={"city": "Rome"}),
        Grant(assistant="coach"),
        Grant(subject="ann"),
    ):
        assert isinstance(policy.may_mint(visitor, grant), AuthFailure)
    minted = policy.may_mint(visitor, Grant(language="it"))
    assert minted == Grant(language="it", assistant="charlotte", subject=visitor.subject)
    secret = granted(minted, visitor=True, secret_id="cs_1")
    assert {"instructions", "tools", "system_messages"} <= set(policy.locked_fields(secret, ()))
    assert not CredentialPolicy("all").may_name_mcp_servers(secret)


def test_a_key_sees_its_assistants_records_of_every_user() -> None:
    policy, callers = CREDENTIALS.policy, CREDENTIALS.callers
    assert policy.scope(callers["key"]) == EVERYTHING
    bound = callers["key for one assistant"]
    for assistant, user in RECORDS:
        allowed = assistant == "charlotte"
        assert policy.may_see(bound, conversation(assistant, user)) is allowed
        assert policy.may_control(bound, call(assistant, user)) is allowed
        assert policy.may_configure(bound, assistant) is allowed


def test_a_cookie_sees_its_users_conversations_and_uses_no_api_for_keys() -> None:
    policy, cookie = CREDENTIALS.policy, CREDENTIALS.callers["cookie"]
    seen = [record for record in RECORDS if policy.may_see(cookie, conversation(*record))]
    assert seen == [(assistant, "ann") for assistant in ASSISTANTS]
    assert not policy.may_use_api(cookie)
    assert not policy.may_control(cookie)
    assert not any(policy.may_configure(cookie, assistant) for assistant in ASSISTANTS)


def test_a_secret_sees_the_conversation_that_it_was_granted() -> None:
    secret = Caller(credential="secret", assistant="coach", conversation_id="conv_1")
    policy = CredentialPolicy()
    assert policy.may_see(secret, conversation("coach", "bob"))
    assert not policy.may_see(secret, conversation("coach", "bob", "conv_2"))
    named = Caller(credential="cookie", subject="ann", conversation_id="conv_1")
    assert not policy.may_see(named, conversation("coach", "bob"))


def test_a_token_user_works_with_several_assistants() -> None:
    policy, callers = TOKENS.policy, TOKENS.callers
    user, staff = callers["user"], callers["staff"]
    assert [policy.may_start(user, name) for name in ASSISTANTS] == [True, True, False]
    assert policy.may_control(user, call("coach", "ann"))
    assert not policy.may_control(user, call("coach", "bob"))
    assert policy.may_control(staff, call("coach", "bob"))
    assert not policy.may_control(staff, call("charlotte", "bob"))
    assert policy.locked_fields(staff, LOCKED) == ()


@pytest.mark.parametrize(
    ("scope", "assistant", "user", "narrowed"),
    [
        (EVERYTHING, None, None, EVERYTHING),
        (EVERYTHING, "coach", "ann", Scope(frozenset({"coach"}), "ann")),
        (Scope(frozenset({"coach"})), "mentor", None, NOTHING),
        (Scope(frozenset({"coach", "mentor"})), "mentor", None, Scope(frozenset({"mentor"}))),
        (Scope(subject="ann"), None, "bob", Scope(subject="ann")),
        (NOTHING, "coach", None, NOTHING),
    ],
)
def test_a_query_narrows_a_scope_and_never_widens_it(
    scope: Scope, assistant: str | None, user: str | None, narrowed: Scope
) -> None:
    assert scope.narrowed(assistant, user) == narrowed


def test_only_the_policy_looks_at_the_kind_of_a_credential() -> None:
    sources = Path(vivavoce.__file__).parent
    asking = {
        file.relative_to(sources).as_posix()
        for file in sources.rglob("*.py")
        if "testing" not in file.parts  # the suites for packages present a credential
        and re.search(r"\.credential\s*(==|!=|in\b|not in\b)", file.read_text("utf-8"))
    }
    assert asking == {"access/credential_policy.py"}
