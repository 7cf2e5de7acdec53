"""Serve the widget on pages of other websites: what it shows, and client secrets for visitors.

These routes take no credential. The origin of the page decides, as the assistant's `[widget]` says
(docs/decisions/widget.md).
"""

from __future__ import annotations

import logging
import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from ...access import request_credentials, visitors
from ...assistants import Assistant
from ...core.types import Caller
from ...errors import InvalidRequest
from ...runtime.refusals import no_widget
from ..services import At, peer
from ..v1.client_secrets import About, SecretBinding, Strict, mint

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/widget", tags=["widget"])

SECRET_S = 60  # a page starts its call at once, and asks again before each further one


class WidgetInfo(BaseModel):
    name: str
    title: dict[str, str] = Field(description="By language")
    description: dict[str, str] = Field(description="By language")
    consent: dict[str, str] = Field(description="To read before the microphone opens, by language")
    languages: list[str] = Field(description="The first is the fallback")
    hears: list[str] = Field(
        description="The languages in which people can speak to it; in others they write"
    )


class VisitorRequest(Strict):
    """Hold the fields of a call that a visitor may choose."""

    mode: Literal["voice", "text"] = "voice"
    language: str | None = None
    visitor: str | None = Field(None, max_length=100, description="`vt_…` of the last response")
    conversation_id: str | None = Field(None, description="A conversation of the same visitor")


class VisitorSecret(BaseModel):
    value: str = Field(description="`ek_…`: starts calls until it expires")
    expires_at: int
    visitor: str = Field(description="`vt_…`: with it the visitor continues its conversation")
    vivavoce: About


def visited(request: Request, at: At, assistant: str) -> Assistant:
    """Return the assistant that the page shows. Raises `CallRefused` for any other page.

    An unknown assistant is refused in the same words, so guessing names is useless.
    """
    found, origin = at.catalogue.get(assistant), request.headers.get("origin")
    visitor = Caller(credential="visitor", assistant=assistant, visitor=True, browser=True)
    if found is None or not at.policy.may_visit(visitor, origin, found.widget.origins):
        text = request_credentials.origin_text(origin)
        log.info("widget_refused", extra={"origin": text, "assistant": assistant[:40]})
        raise no_widget(assistant, text)
    return found


Visited = Annotated[Assistant, Depends(visited)]


@router.get("/{assistant}", summary="What a widget shows before its call")
async def about(at: At, shown: Visited) -> WidgetInfo:
    languages = shown.languages
    consents = {language: shown.consent(language) for language in languages}
    return WidgetInfo(
        name=shown.name,
        title={language: shown.title(language) for language in languages},
        description={language: shown.description(language) for language in languages},
        consent={language: text for language, text in consents.items() if text},
        languages=list(languages),
        hears=at.hears(shown),
    )


@router.post("/{assistant}/client_secrets", summary="Mint a client secret for a visitor")
async def create(at: At, request: Request, shown: Visited, body: VisitorRequest) -> VisitorSecret:
    if body.visitor is not None and not visitors.is_token(body.visitor):
        raise InvalidRequest("invalid_value", "This is not a visitor's token.", "visitor")
    limits = shown.widget
    at.visitor_limits.take(
        shown.name,
        peer(request),
        time.monotonic(),
        per_minute=limits.secrets_per_minute,
        per_address=limits.secrets_per_minute_per_address,
    )
    token = body.visitor or visitors.make_token()
    visitor = visitors.of_token(token, shown.name)
    binding = SecretBinding(language=body.language, conversation_id=body.conversation_id)
    modalities = {"output_modalities": ["text"]} if body.mode == "text" else {}
    secret, _ = await mint(at, visitor, binding, {"type": "realtime", **modalities}, SECRET_S)
    return VisitorSecret(
        value=secret.value,
        expires_at=int(secret.expires_at.timestamp()),
        visitor=token,
        vivavoce=About(id=secret.id, ice_servers=at.ice_servers.of(secret.id, secret.expires_at)),
    )
