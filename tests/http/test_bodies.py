"""Report only the first of 90,000 errors in a body."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vivavoce.http.body_limits import MIB, BodyBudget
from vivavoce.http.v1.client_secrets import Request, SecretBinding
from vivavoce.http.v1.flat import BetaSessionBody
from vivavoce.runtime.refusals import CallRefused

MANY = {f"key_{number}": number for number in range(90_000)}


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        (MANY, ("key_0",), "extra_forbidden"),
        ({"session": {}} | MANY, ("key_0",), "extra_forbidden"),
        ({"expires_after": MANY}, ("expires_after", "key_0"), "extra_forbidden"),
        ({"vivavoce": MANY}, ("vivavoce", "key_0"), "extra_forbidden"),
        ({"vivavoce": {"variables": MANY}}, ("vivavoce", "variables"), "value_error"),
    ],
    ids=["unknown", "beside a session", "of an expiry", "of whom", "variables"],
)
def test_many_unknown_keys_in_a_secrets_body_are_one_error(
    body: dict[str, object], place: tuple[str, ...], kind: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Request.model_validate(body)
    (mistake,) = caught.value.errors()
    assert (mistake["loc"], mistake["type"]) == (place, kind)


@pytest.mark.parametrize("field", ["client_secret", "vivavoce"])
def test_many_unknown_keys_in_a_flat_session_are_one_error(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BetaSessionBody.model_validate({field: MANY})
    assert caught.value.error_count() == 1


def test_a_hundred_variables_are_accepted_and_one_more_is_refused() -> None:
    hundred = {f"key_{number}": "x" for number in range(100)}
    assert SecretBinding.model_validate({"variables": hundred}).variables == hundred
    with pytest.raises(ValidationError):
        SecretBinding.model_validate({"variables": hundred | {"one more": "x"}})


def test_X8_bodies_of_one_caller_and_of_all_have_a_budget() -> None:
    budget = BodyBudget(all_callers=4 * MIB, one_caller=2 * MIB)
    with budget.reserve("key_1", MIB), budget.reserve("key_1", MIB):
        with pytest.raises(CallRefused) as refused, budget.reserve("key_1", 1):
            pass
        assert (refused.value.status, refused.value.code) == (503, "server_busy")
        assert refused.value.retry_s == 5
        with budget.reserve("key_2", 2 * MIB), pytest.raises(CallRefused):
            budget.reserve("key_3", 1).__enter__()
        with budget.reserve("key_3", MIB):
            pass
    with budget.reserve("key_1", 2 * MIB):
        pass
