"""Exchange the code of a sign-in link for a cookie, and sign out."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from ...access import sign_in
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
    found = await sign_in.sign_in(at.store, body.code, at.now(), peer=peer(request))
    if isinstance(found, AuthFailure):
        note_refusal(request, at, "sign_in_refused", found)
    cookie = admitted(found)
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
    cookie = cookie_of(request, at)
    ended = await sign_in.sign_out(at.store, cookie, at.now(), peer=peer(request))
    if ended is not None:
        at.registry.revoke([ended])
    for secure in {True, is_secure(request, at)}:
        name = sign_in.cookie_name(secure=secure)
        response.delete_cookie(name, httponly=True, samesite="strict", secure=secure)
