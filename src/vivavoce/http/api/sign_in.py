"""Exchange the code of a sign-in link for a cookie, and sign out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from ...access import sign_in
from ..services import At, admitted

router = APIRouter(prefix="/api", tags=["sign-in"])


class Code(BaseModel):
    code: str = Field(max_length=200, description="From the link's fragment; works once")


@router.post("/sign-in", status_code=204, summary="Exchange a sign-in code for a cookie")
async def enter(at: At, body: Code, response: Response) -> None:
    cookie = admitted(await sign_in.sign_in(at.store, body.code, at.now()))
    response.set_cookie(
        sign_in.COOKIE,
        cookie,
        max_age=int(sign_in.COOKIE_LIVES.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=at.secure,
    )


@router.post("/sign-out", status_code=204, summary="End this cookie, its secrets and their calls")
async def leave(at: At, request: Request, response: Response) -> None:
    ended = await sign_in.sign_out(at.store, request.cookies.get(sign_in.COOKIE, ""), at.now())
    if ended is not None:
        at.registry.revoke([ended])
    response.delete_cookie(sign_in.COOKIE, httponly=True, samesite="strict", secure=at.secure)
