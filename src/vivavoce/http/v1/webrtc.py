"""Begin calls over WebRTC: an SDP offer in, an SDP answer out (protocol §1.4)."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from ...access import authentication, request_credentials
from ...access.auth_failure import AuthFailure
from ...errors import InvalidRequest
from ...runtime.call_spec import CallRequest
from ...runtime.refusals import CallRefused
from ..services import At, Services, admitted, note_refusal, require_allowed_origin

router = APIRouter(prefix="/v1/realtime", tags=["v1"])

FORM = "multipart/form-data"
RAW = ("application/sdp", "text/plain", "")
MOST_PARTS = 8


class Body(NamedTuple):
    offer: str
    session: dict[str, Any] | None


@router.post(
    "/calls",
    status_code=201,
    summary="Begin a call over WebRTC: the body is an SDP offer, or a form with one",
    response_class=Response,
    responses={201: {"content": {"application/sdp": {}}, "description": "The SDP answer"}},
)
async def call(request: Request, at: At) -> Response:
    credential = await _credential(request, at)
    body = await _body(request)
    headers = request.headers
    query = dict(request.query_params)
    if isinstance(model := (body.session or {}).get("model"), str):
        query.setdefault("model", model)
    beta = request_credentials.speaks_beta(headers.get("openai-beta"))
    answer = await at.webrtc.answer(
        body.offer,
        CallRequest(
            credential,
            "webrtc",
            query,
            "beta" if beta else "ga",
            audio="media",
            safety_identifier=headers.get("openai-safety-identifier"),
            session=body.session,
        ),
    )
    location = f"{request.url.path.rstrip('/')}/{answer.call_id}"
    return Response(answer.sdp, 201, media_type="application/sdp", headers={"Location": location})


async def _credential(request: Request, at: Services) -> str | None:
    """Return a credential that is valid, before the body is read. Raises `CallRefused`."""
    require_allowed_origin(request, at, at.widget_origins)
    credential = request_credentials.extract_credential(
        authorization=request.headers.get("authorization"), api_key=request.headers.get("api-key")
    )
    found = await authentication.identify(at.store, credential, at.now())
    if credential and isinstance(found, AuthFailure):
        note_refusal(request, at, "credential_refused", found)
    admitted(found)
    return credential


async def _body(request: Request) -> Body:
    """Read an offer from either shape of body. Raises `InvalidRequest` and `CallRefused`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in RAW:
        return Body(_text(await request.body(), "sdp"), None)
    if kind != FORM:
        raise CallRefused(
            415,
            "unsupported_media_type",
            f"Send the offer as application/sdp, or in a form ({FORM}).",
            param="content-type",
        )
    try:
        form = await request.form(max_files=MOST_PARTS, max_fields=MOST_PARTS)
    except HTTPException:
        raise InvalidRequest("invalid_value", "The form cannot be read.") from None
    try:
        offer, session = [await _part(form.get(name)) for name in ("sdp", "session")]
    finally:
        await form.close()
    if offer is None:
        raise InvalidRequest(
            "missing_required_parameter", "Missing required parameter: 'sdp'.", "sdp"
        )
    return Body(_text(offer, "sdp"), _session(session) if session else None)


async def _part(part: UploadFile | str | None) -> bytes | None:
    """Return the bytes of a part, which is a field or a file: clients send both."""
    if isinstance(part, UploadFile):
        return await part.read()
    return part.encode() if part is not None else None


def _text(data: bytes, param: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        message = f"Invalid value for '{param}': expected UTF-8."
        raise InvalidRequest("invalid_value", message, param) from None


def _session(data: bytes) -> dict[str, Any]:
    try:
        session = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = "Invalid value for 'session': expected JSON."
        raise InvalidRequest("invalid_value", message, "session") from None
    if not isinstance(session, dict):
        message = "Invalid type for 'session': expected object."
        raise InvalidRequest("invalid_type", message, "session")
    return session
