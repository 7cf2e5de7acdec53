"""Mint and revoke the secrets that browsers start their calls with (protocol §1.3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Header
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ...access import client_secrets
from ...core.types import Caller
from ...errors import InvalidRequest
from ...protocol.config import AnySession
from ...runtime.call_spec import CallRequest
from ...runtime.ice_servers import IceServer
from ...runtime.refusals import CallRefused
from ...store.base import Grant
from ...upstream import connection
from ..services import At, ByEither, Services, admitted

router = APIRouter(tags=["v1"])

SafetyIdentifier = Annotated[
    str | None,
    Header(
        alias="OpenAI-Safety-Identifier",
        description="The end user of the secret's calls, for the provider of a hosted model",
    ),
]
MAX_VARIABLES = 100  # of a prompt that one secret may set


class Strict(BaseModel):
    """Refuse unknown keys, and values of another JSON type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _one_unknown_key(cls, body: object) -> object:
        """Drop every unknown key but the first.

        pydantic makes an error of each unknown key, which takes 250 ms for 90,000 of them, and the
        server reports only the first.
        """
        if not isinstance(body, dict) or len(body) <= len(cls.model_fields):
            return body
        unknown = next(key for key in body if key not in cls.model_fields)
        return {k: v for k, v in body.items() if k in cls.model_fields} | {unknown: body[unknown]}


def _at_most_max(variables: object) -> object:
    """Refuse more than `MAX_VARIABLES` before pydantic validates each of them."""
    if isinstance(variables, dict) and len(variables) > MAX_VARIABLES:
        raise ValueError(f"there are more than {MAX_VARIABLES}")
    return variables


class ExpiresAfter(Strict):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(client_secrets.DEFAULT_S, ge=10, le=7200)


class SecretBinding(Strict):
    """Bind the secret to a user, an assistant and settings of its calls. All are optional."""

    assistant: str | None = None
    user: str | None = Field(None, max_length=200, description="The user, by the id that you use")
    role: str | None = None
    language: str | None = None
    variables: Annotated[dict[str, str], BeforeValidator(_at_most_max)] = Field(
        default_factory=dict, max_length=MAX_VARIABLES
    )
    conversation_id: str | None = None


class Request(Strict):
    expires_after: ExpiresAfter | None = None
    session: dict[str, Any] | None = Field(None, description="A session, as in `session.update`")
    vivavoce: SecretBinding | None = None


class About(BaseModel):
    """Hold what this server adds to OpenAI's shape."""

    id: str = Field(description="`cs_…`: the id by which the secret is revoked")
    ice_servers: list[IceServer] = Field(
        description="`iceServers` for a browser's RTCPeerConnection; empty: none are needed"
    )


class ClientSecretBody(BaseModel):
    value: str = Field(description="`ek_…`: starts calls until it expires")
    expires_at: int
    session: dict[str, Any]
    vivavoce: About


@router.post("/v1/realtime/client_secrets", summary="Mint a short-lived secret for a browser")
async def create(
    at: At,
    caller: ByEither,
    body: Annotated[Request | None, Field(default=None)] = None,
    safety_identifier: SafetyIdentifier = None,
) -> ClientSecretBody:
    body = body or Request()
    seconds = (body.expires_after or ExpiresAfter()).seconds
    secret, session = await mint(
        at, caller, body.vivavoce, body.session, seconds, safety_identifier
    )
    return ClientSecretBody(
        value=secret.value,
        expires_at=int(secret.expires_at.timestamp()),
        session=msgspec.to_builtins(session),
        vivavoce=About(id=secret.id, ice_servers=at.ice_servers.of(secret.id, secret.expires_at)),
    )


@router.delete(
    "/v1/realtime/client_secrets/{secret_id}",
    status_code=204,
    summary="Revoke a client secret that the caller minted, and end its calls",
)
async def revoke(at: At, caller: ByEither, secret_id: str) -> None:
    if not await client_secrets.revoke(at.store, at.policy, caller, secret_id, at.now()):
        raise CallRefused(
            404, "client_secret_not_found", f"There is no client secret '{secret_id[:60]}'."
        )
    at.secret_budget.revoke(secret_id)
    at.registry.revoke([secret_id])


async def mint(
    at: Services,
    caller: Caller,
    binding: SecretBinding | None,
    requested: dict[str, Any] | None,
    seconds: int,
    safety_identifier: str | None = None,
) -> tuple[client_secrets.ClientSecret, AnySession]:
    """Mint a secret. Return it with the session that it opens.

    Raises `CallRefused` and `InvalidRequest`.
    """
    defines_session = binding is None and at.policy.may_choose(caller, "session")
    binding = binding or SecretBinding()
    if safety_identifier and not connection.is_safety_identifier(safety_identifier):
        raise InvalidRequest(
            "invalid_value",
            "Invalid value: a safety identifier has 1 to "
            f"{connection.SAFETY_IDENTIFIER} characters of ASCII and no spaces.",
            "OpenAI-Safety-Identifier",
        )
    grant = Grant(
        subject=binding.user,
        assistant=binding.assistant,
        role=binding.role,
        language=binding.language,
        variables=binding.variables,
        conversation_id=binding.conversation_id,
        session=requested,
        safety_identifier=safety_identifier or None,
        defines_session=defines_session,
    )
    request = CallRequest(None, "http", {"model": str((requested or {}).get("model") or "")})
    # Before the preview, which tells which assistants and conversations exist.
    grant = admitted(client_secrets.narrow(at.policy, caller, grant))
    holder = client_secrets.granted(grant)
    session, assistant = await at.call_setup.preview(holder, request, caller)
    grant = msgspec.structs.replace(grant, assistant=assistant)
    counted = at.secret_budget.reserve(at.policy.minter_id(caller), grant, at.now())
    try:
        minted = admitted(
            await client_secrets.mint(at.store, at.policy, caller, grant, at.now(), seconds)
        )
    except BaseException:
        at.secret_budget.drop(counted)
        raise
    at.secret_budget.keep(counted, minted.id, minted.expires_at)
    return minted, session
