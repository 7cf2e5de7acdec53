"""Mint secrets as in the protocol's beta: a flat session in, the same session with a secret out.

Some back ends still do this (protocol §1.9). Calls that the secret starts use the current protocol.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ...core.types import Caller
from ...protocol.beta_session import flattened, nested
from ...protocol.config import SessionType
from ..services import At, ByKey, Services
from .client_secrets import SafetyIdentifier, SecretBinding, Strict, mint

router = APIRouter(prefix="/v1/realtime", tags=["v1"])

LIVES_S = 60


class Expiry(Strict):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(LIVES_S, ge=10, le=7200)


class BetaClientSecretOptions(Strict):
    """Accept both spellings that were documented."""

    expires_at: Expiry | None = None
    expires_after: Expiry | None = None


class BetaSessionBody(BaseModel):
    """Hold the beta's flat session as extra fields, and two fields that are not part of it."""

    model_config = ConfigDict(extra="allow")
    client_secret: BetaClientSecretOptions | None = None
    vivavoce: SecretBinding | None = None


@router.post("/sessions", summary="Mint a secret, as in the protocol's beta")
async def session(
    at: At,
    caller: ByKey,
    body: BetaSessionBody | None = None,
    safety_identifier: SafetyIdentifier = None,
) -> dict[str, Any]:
    return await _minted(at, caller, body, "realtime", safety_identifier)


@router.post(
    "/transcription_sessions",
    summary="Mint a secret for a transcription session, as in the protocol's beta",
)
async def transcription(
    at: At,
    caller: ByKey,
    body: BetaSessionBody | None = None,
    safety_identifier: SafetyIdentifier = None,
) -> dict[str, Any]:
    return await _minted(at, caller, body, "transcription", safety_identifier)


async def _minted(
    at: Services,
    caller: Caller,
    body: BetaSessionBody | None,
    kind: SessionType,
    safety_identifier: str | None,
) -> dict[str, Any]:
    body = body or BetaSessionBody()
    options = body.client_secret or BetaClientSecretOptions()
    expiry = options.expires_at or options.expires_after or Expiry(seconds=LIVES_S)
    requested = nested(body.model_extra or {}, kind)
    secret, session = await mint(
        at, caller, body.vivavoce, requested, expiry.seconds, safety_identifier
    )
    expires_at = int(secret.expires_at.timestamp())
    return flattened(session) | {
        "client_secret": {"value": secret.value, "expires_at": expires_at},
        "vivavoce": {"id": secret.id},
    }
