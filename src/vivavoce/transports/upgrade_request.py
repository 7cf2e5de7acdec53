"""What a client asks for with its upgrade request, apart from the WebSocket handshake itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ..access import request_credentials
from ..access.hosts import Hosts
from ..access.transport_security import TransportSecurity
from ..runtime.call_spec import CallRequest
from ..runtime.dialects import DialectName
from ..runtime.refusals import CallRefused, unknown_host, unknown_origin

log = logging.getLogger(__name__)

PATHS: dict[str, DialectName] = {
    "/v1/realtime": "ga",
    "/openai/v1/realtime": "ga",
    "/openai/realtime": "beta",  # Azure's preview
    "/v1/realtime/translations": "translation",
    "/openai/v1/realtime/translations": "translation",
}
QUERY_FIELDS = 100


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """An upgrade request, and the subprotocol to answer with."""

    request: CallRequest
    chosen: str | None

    @property
    def call_id(self) -> str | None:
        """The id of the running call, if this is a sideband."""
        return self.request.asked("call_id")


def parse_target(target: bytes) -> tuple[str, dict[str, str]]:
    """Return the path of a request, and its query. Raises `CallRefused`."""
    try:
        url = urlsplit(target.decode("latin-1"))
        query = dict(
            parse_qsl(
                url.query, keep_blank_values=True, max_num_fields=QUERY_FIELDS, errors="replace"
            )
        )
    except ValueError:
        raise CallRefused(400, "invalid_value", "This address cannot be read.") from None
    return url.path, query


class UpgradeParser:
    """Reads upgrade requests, and refuses those of pages that may not use this server."""

    def __init__(
        self, *, security: TransportSecurity, origins: tuple[str, ...], hosts: Hosts
    ) -> None:
        self._security = security
        self._origins = origins
        self._hosts = hosts

    def parse(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> UpgradeRequest:
        """Return the request. Raises `CallRefused`."""
        if not self._hosts.answers_to(headers.get("host")):
            raise unknown_host()
        dialect = PATHS.get(path.rstrip("/"))
        if dialect is None:
            raise CallRefused(404, "not_found", "There is nothing at this address.")
        self._require_known_origin(headers.get("origin"), headers.get("host"))
        offered = request_credentials.parse_subprotocols(headers.get("sec-websocket-protocol"))
        credential = request_credentials.extract_credential(
            authorization=headers.get("authorization"),
            api_key=headers.get("api-key"),
            subprotocols=offered,
        )
        if request_credentials.speaks_beta(headers.get("openai-beta"), offered):
            dialect = "beta"
        return UpgradeRequest(
            CallRequest(
                credential,
                "websocket",
                query,
                dialect,
                safety_identifier=headers.get("openai-safety-identifier"),
            ),
            request_credentials.select_subprotocol(offered),
        )

    def _require_known_origin(self, origin: str | None, host: str | None) -> None:
        if request_credentials.origin_allowed(
            origin, host=host, secure=self._security.is_secure(host), allowed=self._origins
        ):
            return
        text = request_credentials.origin_text(origin)
        log.warning("origin_not_allowed", extra={"origin": text, "setting": "server.public_url"})
        raise unknown_origin(text)
