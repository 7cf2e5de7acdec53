"""What the HTTP route of WebRTC asks of the transport: an answer to an offer."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .call_spec import CallRequest
from .refusals import no_webrtc


class Answer(NamedTuple):
    """The answer to an offer. `call_id` names the call, also in logs and in the HTTP API."""

    call_id: str
    sdp: str


class Signalling(Protocol):
    """Begins calls over WebRTC."""

    async def answer(self, offer: str, request: CallRequest) -> Answer:
        """Set up a call for this SDP offer. Raises `CallRefused` and `InvalidRequest`."""


class NoSignalling:
    """The `Signalling` of a server without WebRTC. `fix`: a sentence for its operator."""

    def __init__(self, fix: str) -> None:
        self._fix = fix

    async def answer(self, offer: str, request: CallRequest) -> Answer:
        raise no_webrtc(self._fix)
