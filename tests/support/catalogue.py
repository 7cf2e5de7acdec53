"""The protocol as rows of a table: each event, each field of it, each error code.

Events and fields come from the types in `vivavoce.protocol`, the codes from the lists below; a test
holds both to the protocol's own document, where that is at hand. What several events carry (a
session, an item, a tool, a response) has rows of its own, once for each side that says it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from msgspec import inspect

from vivavoce.protocol import client, config, items, server, translation

Side = Literal["client", "server"]


@dataclass(frozen=True, order=True)
class Row:
    side: Side
    owner: str  # an event's type, or what several events carry: "item message", "session realtime"
    field: str = ""  # its path, with `[]` for what is in a list; empty: the whole


Json = dict[str, Any]

FREE = frozenset({"parameters", "metadata", "input_schema", "annotations", "headers", "variables"})
"""Objects whose keys are not the protocol's."""

_SESSIONS = {"realtime": config.SessionConfig, "transcription": config.TranscriptionConfig}
_TOOLS = {"function": config.FunctionTool, "mcp": config.McpTool}
_ITEMS = {kind.__struct_config__.tag: kind for kind in (*get_args(items.Item), items.ItemReference)}
_CARRIED: dict[type, str] = {
    **{kind: f"session {tag}" for tag, kind in _SESSIONS.items()},
    **{kind: f"tool {tag}" for tag, kind in _TOOLS.items()},
    **{kind: f"item {tag}" for tag, kind in _ITEMS.items()},
    server.Response: "response",
    translation.TranslationConfig: "session translation",
}
_OF_TRANSLATION = {
    *get_args(translation.TranslationClientEvent),
    *get_args(translation.TranslationServerEvent),
} - {server.Error}


def _name(event: type) -> str:
    tag = event.__struct_config__.tag  # type: ignore[attr-defined]
    return f"{tag} (translation)" if event in _OF_TRANSLATION else str(tag)


# From types to rows


def rows() -> list[Row]:
    """Events and what they carry, in the order of the protocol's types."""
    found: dict[Row, None] = {}
    said: list[tuple[Side, type]] = [("client", e) for e in get_args(client.ClientEvent)]
    said += [("server", e) for e in get_args(server.ServerEvent)]
    said += [("client", e) for e in get_args(translation.TranslationClientEvent)]
    said += [("server", e) for e in get_args(translation.TranslationServerEvent)]
    for side, event in said:
        found |= dict.fromkeys(_rows(side, _name(event), event))
    carried: list[tuple[Side, type]] = [("client", kind) for kind in _CARRIED]
    carried += [("server", kind) for kind in _CARRIED]
    for side, kind in carried:
        if kind not in _SAID_BY_ONE or _SAID_BY_ONE[kind] == side:
            found |= dict.fromkeys(_rows(side, _CARRIED[kind], kind))
    found |= dict.fromkeys(_OVER_HTTP)
    found[Row("client", "session realtime", "audio.output.voice.id")] = None  # kept as a name
    for owner, codes in CODES.items():
        found |= dict.fromkeys(Row("server", owner, code) for code in codes)
    return [row for row in found if not (_only_ours(row) or row.field == "type")]


MINTING = "POST /v1/realtime/client_secrets"
_OVER_HTTP = [
    *(Row("client", MINTING, f) for f in ("", "expires_after", "expires_after.anchor")),
    *(Row("client", MINTING, f) for f in ("expires_after.seconds", "session")),
    *(Row("server", MINTING, field) for field in ("", "value", "expires_at", "session")),
]

_SAID_BY_ONE: Mapping[type, Side] = {server.Response: "server", items.ItemReference: "client"}


def _only_ours(row: Row) -> bool:
    """Return whether only the server sets the field. It ignores a client's value (§2.2)."""
    read_only = row.owner.startswith("session ") and row.field in config.READ_ONLY
    return row.side == "client" and read_only


def _rows(side: Side, owner: str, kind: type) -> Iterator[Row]:
    yield Row(side, owner)
    for path in _paths(inspect.type_info(kind), "", top=True):
        yield Row(side, owner, path)


def _paths(node: inspect.Type, path: str, *, top: bool = False) -> Iterator[str]:
    match node:
        case inspect.Metadata(type=inner):
            yield from _paths(inner, path)
        case inspect.UnionType(types=types):
            for inner in types:
                yield from _paths(inner, path)
        case inspect.VarTupleType(item_type=inner):
            yield from _paths(inner, f"{path}[]")
        case inspect.StructType() if top or node.cls not in _CARRIED:
            if node.tag_field and not top:
                yield f"{path}.{node.tag_field}"
            for each in node.fields:
                inner_path = f"{path}.{each.encode_name}".lstrip(".")
                yield inner_path
                yield from _paths(each.type, inner_path)


# From frames to rows


def touched(side: Side, event: Json, *, translated: bool = False) -> set[Row]:
    """Return the rows that a frame has a value for. A null is not a value."""
    owner = f"{event['type']} (translation)" if translated else str(event["type"])
    found = {Row(side, owner)}
    _walk(side, owner, "", event, found)
    return found


def _walk(side: Side, owner: str, path: str, value: Json, found: set[Row]) -> None:
    for key, inner in value.items():
        if inner is None or (not path and key == "type"):
            continue
        place = f"{path}.{key}".lstrip(".")
        found.add(Row(side, owner, place))
        if key not in FREE:
            _enter(side, owner, key, place, inner, found)


def _enter(side: Side, owner: str, key: str, place: str, inner: Any, found: set[Row]) -> None:  # noqa: ANN401
    if isinstance(inner, list):
        for each in inner:
            _enter(side, owner, key, f"{place}[]", each, found)
    elif isinstance(inner, dict):
        if (carried := _carried(side, owner, key, inner)) is None:
            _walk(side, owner, place, inner, found)
        else:
            found.add(Row(side, carried))
            _walk(side, carried, "", inner, found)


def _carried(side: Side, owner: str, key: str, value: Json) -> str | None:
    kind = value.get("type")
    match key:
        case "session":
            return "session translation" if "translation" in owner else f"session {kind}"
        case "item" | "output" | "input" if kind in _ITEMS:
            return f"item {kind}"
        case "tools" if kind in _TOOLS:
            return f"tool {kind}"
        case "response" if side == "server":
            return "response"
    return None


# Codes

ERRORS, FAILURES = "codes of `error`", "codes of `response.done`"
UNHEARD, HTTP, CLOSES = "codes of a transcription that failed", "codes over HTTP", "close codes"

CODES: Mapping[str, Mapping[str, str]] = {
    ERRORS: {
        "missing_required_parameter": "§3.2",
        "unknown_parameter": "§3.2",
        "invalid_value": "§3.2",
        "invalid_type": "§3.2",
        "invalid_event": "§3.2",
        "conversation_already_has_active_response": "§3.2",
        "response_cancel_not_active": "§3.2",
        "input_audio_buffer_commit_empty": "§3.2",
        "item_create_duplicate_item_id": "§3.2",
        "item_delete_invalid_item_id": "§3.2",
        "item_retrieve_invalid_item_id": "§3.2",
        "item_truncate_invalid_item_id": "§3.2",
        "unsupported_content_type": "§3.2",
        "cannot_update_voice": "§3.2",
        "session_expired": "§1.10.4",
        "invalid_api_key": "§1.10.4",
        "invalid_intent": "§1.10.1",
        "invalid_model": "§1.10.4",
        "beta_api_shape_disabled": "§1.9",
        "assistant_not_found": "ours",
        "conversation_full": "ours: a call holds no more",
        "forbidden": "ours: not with this credential",
        "conversation_not_found": "ours",
        "rate_limit_exceeded": "ours: no line is free, or too much at once",
        "server_busy": "ours: new voice calls would delay the running ones",
        "session_idle": "ours",
        "translation_not_supported": "ours: not served yet",
        "storage_unavailable": "ours: the disk promises nothing",
        "tool_rounds_exceeded": "ours: the model called tools after each output",
        "key_revoked": "ours: the credential ended, and the call with it",
        "secret_revoked": "ours: the credential ended, and the call with it",
        "signed_out": "ours: the credential ended, and the call with it",
    },
    FAILURES: {
        "rate_limit_exceeded": "§3.2",
        "insufficient_quota": "§3.2",
        "inference_rate_limit_exceeded": "§3.2",
        "model_not_found": "§3.2",
        "credit_balance_exhausted": "§1.10.4",
        "billing_hard_limit_reached": "§1.10.4",
        "engine_failed": "ours",
    },
    UNHEARD: {"DeploymentNotFound": "§4.13", "transcription_failed": "ours"},
    HTTP: {
        "400 invalid_value": "§1.2",
        "400 missing_required_parameter": "§1.2",
        "400 unknown_parameter": "§1.2",
        "401 invalid_api_key": "§1.2",
        "404 call_id_not_found": "§1.2",
        "429 rate_limit_exceeded": "§1.2",
        "429 insufficient_quota": "§1.2",
        "429 server_busy": "ours: new voice calls would delay the running ones",
    },
    CLOSES: {
        "3000": "§1.10.4: the credential is missing, wrong or for another assistant",
        "4000": "§1.10.4: the request cannot be met",
        "1001": "§1.10.4: the session has expired",
        "1012": "§1.10.4: the server restarts",
        "1000": "ours: no activity for the assistant's `idle_minutes`, or hung up",
        "1009": "ours: a message exceeded `max_message_bytes`",
        "1002": "ours: a frame that RFC 6455 does not allow",
        "1011": "ours: an error of the server",
        "1013": "ours: busy, or the client read too slowly",
    },
}
"""By where they stand: each with the protocol's section, or that it is ours."""


def codes(event: Json) -> Iterator[tuple[str, str]]:
    """Return the codes in a server's frame, with their paths."""
    match event:
        case {"type": "error", "error": {"code": str(code)}}:
            yield ERRORS, code
        case {"type": "response.done", "response": {"status_details": {"error": {"code": code}}}}:
            yield FAILURES, str(code)
        case {"type": str(kind), "error": {"code": str(code)}} if "transcription" in kind:
            yield UNHEARD, code


# Known rows that are not served, or not yet


def reason(row: Row) -> str | None:
    """Return why only its type is tested; None: it is served."""
    for (side, owner, field), why in _UNSERVED:
        if side in ("", row.side) and _fits(owner, row.owner) and _fits(field, row.field):
            return why
    return None


def _fits(pattern: str, name: str) -> bool:
    head, star, tail = pattern.partition("*")
    return name.startswith(head) and name.endswith(tail) if star else name == pattern


_BETA = "only the beta protocol has it"
_PROVIDERS = "a provider's own; the gateway passes it on as it comes"
_HEARD = "conversation.item.input_audio_transcription.completed"
_IN_SECONDS = "our recognisers count seconds"
_TRANSLATION = "there is no translation yet"
_UNSERVED: tuple[tuple[tuple[str, str, str], str], ...] = (
    (("server", "input_audio_buffer.dtmf_event_received", "*"), "keys come with telephones (SIP)"),
    (("server", "conversation.created", "*"), _BETA),
    (("server", "conversation.item.created", "*"), _BETA),
    (("", "*(translation)", "*"), _TRANSLATION),
    (("", "session translation", "*"), _TRANSLATION),
    (("server", "response.content_part.*", "part.audio"), "sound comes in deltas alone"),
    (("server", "item *", "object"), "only clients say it (§5.1)"),
    (("server", "item function_call_output", "status"), "only clients say it (§4.6)"),
    (("server", "tool mcp", "authorization"), "a secret is not echoed (§2.5)"),
    (("server", "tool mcp", "headers"), "a secret is not echoed (§2.5)"),
    (("server", "response", "usage.output_token_details.reasoning_tokens"), "no engine tells"),
    (("server", ERRORS, "invalid_model"), "every name is taken: it may be an assistant's"),
    (("server", FAILURES, "inference_rate_limit_exceeded"), _PROVIDERS),
    (("server", FAILURES, "credit_balance_exhausted"), _PROVIDERS),
    (("server", FAILURES, "billing_hard_limit_reached"), _PROVIDERS),
    (("server", UNHEARD, "DeploymentNotFound"), _PROVIDERS),
    (("server", HTTP, "429 rate_limit_exceeded"), "refused when the call begins, not before"),
    (("server", _HEARD, "usage.*tokens"), _IN_SECONDS),
    (("server", _HEARD, "usage.input_token_details"), _IN_SECONDS),
    (("server", CLOSES, "1002"), "raw sockets test it (`net/test_websocket.py`)"),
    (("server", CLOSES, "1011"), "no client causes it, so `runtime/` tests it"),
    (("server", HTTP, "429 insufficient_quota"), "nothing is paid for here"),
)

_REMARKS: tuple[tuple[str, str], ...] = (
    ("output_audio_buffer.*", "Where the server feeds the loudspeaker. Its transports come later."),
    ("conversation.item.created", "Today's clients know it still; `added` and `done` are sent."),
)


def told(owner: str) -> str:
    """Return the remark about all rows of this owner, or an empty text."""
    return next((line for pattern, line in _REMARKS if _fits(pattern, owner)), "")
