"""Exchange the code of a sign-in link for a cookie, and sign out."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from ...access import audit, authentication, sign_in
from ...access.auth_failure import AuthFailure
from ..services import (
    At,
    admitted,
    cookie_of,
    is_secure,
    note_refusal,
    peer,
    require_allowed_origin,
)

router = APIRouter(prefix="/api", tags=["sign-in"])


class Code(BaseModel):
    code: str = Field(max_length=200, description="From the link's fragment; works once")


@router.post(
    "/sign-in",
    status_code=204,
    dependencies=[Depends(require_allowed_origin)],
    summary="Exchange a sign-in code for a cookie",
)
async def enter(at: At, request: Request, body: Code, response: Response) -> None:
    found = await sign_in.sign_in(at.store, body.code, at.now())
    if isinstance(found, AuthFailure):
        note_refusal(request, at, "sign_in_refused", found)
    cookie = admitted(found)
    caller = admitted(await authentication.identify_cookie(at.store, cookie, at.now()))
    audit.record("signed_in", audit.actor(caller), peer=peer(request))
    secure = is_secure(request, at)
    response.set_cookie(
        sign_in.cookie_name(secure=secure),
        cookie,
        max_age=int(sign_in.COOKIE_LIVES.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=secure,
    )


@router.post(
    "/sign-out",
    status_code=204,
    dependencies=[Depends(require_allowed_origin)],
    summary="End this cookie, its secrets and their calls",
)
async def leave(at: At, request: Request, response: Response) -> None:
    ended = await sign_in.sign_out(at.store, cookie_of(request, at), at.now())
    if ended is not None:
        audit.record("signed_out", ended, peer=peer(request))
        at.registry.revoke([ended])
    for secure in {True, is_secure(request, at)}:
        name = sign_in.cookie_name(secure=secure)
        response.delete_cookie(name, httponly=True, samesite="strict", secure=secure)
