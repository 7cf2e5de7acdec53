"""What the routes work with, made by `app` and found on the application's state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from ..access import authentication, request_credentials, sign_in
from ..access.auth_failure import AuthFailure
from ..access.maintenance import CredentialMaintenance
from ..access.policy import Policy
from ..assistants import Assistant, Catalogue
from ..core.types import Caller
from ..runtime.call_registry import CallRegistry
from ..runtime.call_setup import CallSetup
from ..runtime.refusals import CallRefused, refused
from ..store.base import Store


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    policy: Policy
    catalogue: Catalogue
    reception: CallSetup
    registry: CallRegistry
    maintenance: CredentialMaintenance
    now: Callable[[], datetime]
    make_id: Callable[[str], str]
    notes: Callable[[Assistant], list[dict[str, str]]]  # what to know before talking, by language
    ready: Callable[[], Awaitable[None]]  # raises if a call could not be served now
    metrics: Callable[[], bytes]  # as Prometheus reads them
    public_metrics: bool  # for anybody who can reach us
    secure: bool  # is this TLS, here or at a proxy before us?
    origins: tuple[str, ...]


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


At = Annotated[Services, Depends(services)]


T = TypeVar("T")


def admitted(outcome: T | AuthFailure) -> T:
    """What was granted; or raises `Refused` in the words of the refusal."""
    if isinstance(outcome, AuthFailure):
        raise refused(outcome)
    return outcome


def _same_site(request: Request, at: Services) -> None:
    """A cookie is sent by the browser, whoever asks: then the asking page must be ours."""
    origin, host = request.headers.get("origin"), request.headers.get("host")
    if not request_credentials.origin_allowed(
        origin, host=host, secure=at.secure, allowed=at.origins
    ):
        raise CallRefused(403, "origin_not_allowed", "This page may not do that: unknown Origin.")


async def by_key(request: Request, at: At) -> Caller:
    """Whoever brings an API key."""
    key = request_credentials.extract_credential(
        authorization=request.headers.get("authorization"), api_key=request.headers.get("api-key")
    )
    caller = admitted(await authentication.identify(at.store, key, at.now()))
    if not at.policy.may_use_api(caller):
        raise CallRefused(
            403, "forbidden", "This takes an API key; a client secret starts calls only."
        )
    at.maintenance.note(caller)
    return caller


async def by_cookie(request: Request, at: At) -> Caller:
    cookie = request.cookies.get(sign_in.COOKIE, "")
    caller = admitted(await authentication.identify_cookie(at.store, cookie, at.now()))
    _same_site(request, at)
    return caller


async def by_either(request: Request, at: At) -> Caller:
    """An API key if one is brought, else the cookie."""
    if request.headers.get("authorization") or request.headers.get("api-key"):
        return await by_key(request, at)
    return await by_cookie(request, at)


ByKey = Annotated[Caller, Depends(by_key)]
ByEither = Annotated[Caller, Depends(by_either)]
