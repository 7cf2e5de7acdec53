"""Hold the services that routes use. Package `app` constructs them for the application's state."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from ..access import authentication, request_credentials, sign_in
from ..access.audit import Refusal, RefusalLog
from ..access.auth_failure import AuthFailure
from ..access.policy import Policy
from ..access.transport_security import TransportSecurity
from ..assistants import Assistant, Catalogue
from ..config import WebhookSection
from ..core.types import Caller
from ..engines.voice_samples import VoiceSamples
from ..knowledge.live import LiveKnowledge
from ..runtime.assistant_variables import AssistantVariables
from ..runtime.call_setup import CallSetup
from ..runtime.cluster import CallRegistry
from ..runtime.connection_reports import ConnectionReports
from ..runtime.credential_maintenance import CredentialMaintenance
from ..runtime.event_log import EventLog
from ..runtime.ice_servers import IceServers
from ..runtime.metrics import QualityMetrics
from ..runtime.refusals import CallRefused, refused, unknown_origin
from ..runtime.secret_budget import SecretBudget
from ..runtime.signalling import Signalling
from ..runtime.visitor_limits import VisitorLimits
from ..store.base import Store
from ..tools.ledger import ToolLedger
from ..tools.runners import ToolRunners

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    policy: Policy
    catalogue: Catalogue
    call_setup: CallSetup
    registry: CallRegistry
    variables: AssistantVariables
    maintenance: CredentialMaintenance
    secret_budget: SecretBudget
    visitor_limits: VisitorLimits
    connection_reports: ConnectionReports
    quality: QualityMetrics
    now: Callable[[], datetime]
    make_id: Callable[[str], str]
    default_assistant: str  # `calls.default_assistant`
    hears: Callable[[Assistant], list[str]]  # the languages in which people can speak to it
    notes: Callable[[Assistant], list[dict[str, str]]]  # of an assistant, each by language
    samples: VoiceSamples
    tools: Callable[[Assistant], Awaitable[ToolRunners]]  # that the server runs
    ledger: ToolLedger
    events: EventLog
    webhooks: tuple[WebhookSection, ...]
    knowledge: Callable[[Assistant], Awaitable[LiveKnowledge]]  # raises `EngineError`
    webrtc: Signalling
    ice_servers: IceServers
    ready: Callable[[], Awaitable[None]]  # raises if the server cannot serve a call now
    metrics: Callable[[], bytes]  # in the text format of Prometheus
    public_metrics: bool  # /metrics needs no credential
    security: TransportSecurity
    origins: tuple[str, ...]
    widget_origins: frozenset[str]  # of the pages that show an assistant in a widget
    refusals: RefusalLog


def services(request: Request) -> Services:
    """Return the services of the application that serves this request."""
    found: Services = request.app.state.services
    return found


At = Annotated[Services, Depends(services)]


T = TypeVar("T")


def admitted(outcome: T | AuthFailure) -> T:
    """Return the outcome if it is not a failure. Raises `CallRefused` for an `AuthFailure`."""
    if isinstance(outcome, AuthFailure):
        raise refused(outcome)
    return outcome


def require_allowed_origin(request: Request, at: At, also: Iterable[str] = ()) -> None:
    """Refuse a page of another origin, because a browser sends the cookie for every page.

    `also`: further origins that this route allows.
    """
    origin, host = request.headers.get("origin"), request.headers.get("host")
    secure = at.security.is_secure(host)
    allowed = (*at.origins, *also)
    if not request_credentials.origin_allowed(origin, host=host, secure=secure, allowed=allowed):
        text = request_credentials.origin_text(origin)
        log.warning("origin_not_allowed", extra={"origin": text, "setting": "server.public_url"})
        raise unknown_origin(text)


def cookie_of(request: Request, at: Services) -> str:
    """Return the value of the sign-in's cookie, or an empty text."""
    names = [sign_in.cookie_name(secure=True)]
    if not is_secure(request, at):
        names.append(sign_in.cookie_name(secure=False))
    return next((value for name in names if (value := request.cookies.get(name))), "")


def is_secure(request: Request, at: Services) -> bool:
    """Return whether the request came over TLS, to this server or to a proxy in front of it."""
    return at.security.is_secure(request.headers.get("host"), request.headers.get("origin"))


def peer(request: Request) -> str | None:
    """Return the address that the request came from, which may be a proxy's."""
    return request.client.host if request.client else None


def note_refusal(request: Request, at: Services, action: Refusal, why: AuthFailure) -> None:
    """Log a credential that is not valid."""
    at.refusals.record(action, why.code, time.monotonic(), peer=peer(request))


async def by_key(request: Request, at: At) -> Caller:
    """Return the caller with the request's API key."""
    credential = request_credentials.extract_credential(
        authorization=request.headers.get("authorization"), api_key=request.headers.get("api-key")
    )
    found = await authentication.identify(at.store, credential, at.now())
    if credential and isinstance(found, AuthFailure):
        note_refusal(request, at, "credential_refused", found)
    caller = admitted(found)
    if not at.policy.may_use_api(caller):
        raise CallRefused(
            403, "forbidden", "This takes an API key; a client secret starts calls only."
        )
    at.maintenance.note(caller)
    return caller


async def by_cookie(request: Request, at: At) -> Caller:
    """Return the person that the request's cookie belongs to."""
    cookie = cookie_of(request, at)
    found = await authentication.identify_cookie(at.store, cookie, at.now())
    if cookie and isinstance(found, AuthFailure):
        note_refusal(request, at, "credential_refused", found)
    caller = admitted(found)
    require_allowed_origin(request, at)
    return caller


async def by_either(request: Request, at: At) -> Caller:
    """Return the caller of the API key if the request has one, otherwise of the cookie."""
    if request.headers.get("authorization") or request.headers.get("api-key"):
        return await by_key(request, at)
    return await by_cookie(request, at)


ByKey = Annotated[Caller, Depends(by_key)]
ByEither = Annotated[Caller, Depends(by_either)]
