"""What the routes work with, made by `app` and found on the application's state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from ..access import carriers, door, sign_in
from ..access.refusal import Refusal
from ..access.upkeep import Upkeep
from ..assistants import Assistant, Catalogue
from ..core.values import Caller
from ..runtime.hub import Hub
from ..runtime.reception import Reception
from ..runtime.refusals import Refused, refused
from ..store.base import Store


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    catalogue: Catalogue
    reception: Reception
    hub: Hub
    upkeep: Upkeep
    now: Callable[[], datetime]
    make_id: Callable[[str], str]
    notes: Callable[[Assistant], list[dict[str, str]]]  # what to know before talking, by language
    ready: Callable[[], Awaitable[None]]  # raises if a call could not be served now
    metrics: Callable[[], bytes]  # as Prometheus reads them
    open_metrics: bool  # for anybody who can reach us
    secure: bool  # is this TLS, here or at a proxy before us?
    origins: tuple[str, ...]


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


At = Annotated[Services, Depends(services)]


T = TypeVar("T")


def admitted(outcome: T | Refusal) -> T:
    """What was granted; or raises `Refused` in the words of the refusal."""
    if isinstance(outcome, Refusal):
        raise refused(outcome)
    return outcome


def _same_site(request: Request, at: Services) -> None:
    """A cookie is sent by the browser, whoever asks: then the asking page must be ours."""
    origin, host = request.headers.get("origin"), request.headers.get("host")
    if not carriers.welcome(origin, host=host, secure=at.secure, allowed=at.origins):
        raise Refused(403, "origin_not_allowed", "This page may not do that: unknown Origin.")


async def by_key(request: Request, at: At) -> Caller:
    """Whoever brings an API key."""
    key = carriers.credential(
        authorization=request.headers.get("authorization"), api_key=request.headers.get("api-key")
    )
    caller = admitted(await door.identify(at.store, key, at.now()))
    if caller.credential != "key":
        raise Refused(403, "forbidden", "This takes an API key; a client secret starts calls only.")
    at.upkeep.note(caller)
    return caller


async def by_cookie(request: Request, at: At) -> Caller:
    cookie = request.cookies.get(sign_in.COOKIE, "")
    caller = admitted(await door.identify_cookie(at.store, cookie, at.now()))
    _same_site(request, at)
    return caller


async def by_either(request: Request, at: At) -> Caller:
    """An API key if one is brought, else the cookie."""
    if request.headers.get("authorization") or request.headers.get("api-key"):
        return await by_key(request, at)
    return await by_cookie(request, at)


ByKey = Annotated[Caller, Depends(by_key)]
ByEither = Annotated[Caller, Depends(by_either)]
