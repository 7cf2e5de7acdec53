"""Validates client requests against the state of the session, before anything changes.

Each function validates one kind of request. It raises `InvalidRequest` in the protocol's words
(§3.2), or returns what to do; it changes nothing. Errors that a message has by itself are found by
the types of `protocol`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import UNSET

from ..errors import InvalidRequest
from ..protocol.client import ContextItem, ItemCreate, ItemTruncate, ResponseOptions
from ..protocol.config import Format, JsonObject, McpTool, SessionConfig, Tool
from ..protocol.items import FunctionCall, FunctionOutput, Item, ItemReference, Message
from ..protocol.validation_errors import shorten
from . import images
from .conversation import Conversation
from .item_sound import without_sound
from .ledger import Ledger
from .limits import ConversationQuota, Weight, parts
from .reply import Reply
from .response_options import with_options
from .voices import ANY_VOICE, VoiceNames

MINIMUM_COMMIT_MS = 100
ACTIVE_RESPONSE = "conversation_already_has_active_response"  # an error code of the protocol
ROOT = "root"  # as a `previous_item_id`: before the first item

_DOING = {"retrieve": "retrieving", "delete": "deleting", "truncate": "truncating"}


def validate_session_update(
    config: SessionConfig,
    patch: JsonObject,
    default: SessionConfig,
    quota: ConversationQuota,
    *,
    voiced: bool,
    replying: bool,
    voices: VoiceNames = ANY_VOICE,
) -> tuple[SessionConfig, int]:
    """Validate a `session.update`. Return the changed session, and what updates added in bytes.

    `voiced`: audio of the assistant was sent. `replying`: a response is in progress.
    """
    changed = _keep_tracing(config, config.merged(patch, default))
    added = quota.validate_session(changed, default)
    quota.validate_mcp_servers(len(new_mcp_tools(changed.tools, config.tools)))
    voice = changed.audio.output.voice
    if voice != config.audio.output.voice:
        voices.require_voice(voice, "session.audio.output.voice")
    _require_same_voice(config, voice, voiced, "session.audio.output.voice")
    if replying and changed.audio.output.speed != config.audio.output.speed:
        raise InvalidRequest(
            "invalid_value",
            "Cannot update the speed while a response is in progress.",
            "session.audio.output.speed",
        )
    return changed, added


def new_mcp_tools(tools: Iterable[Tool], before: Iterable[Tool]) -> list[McpTool]:
    """Find the MCP servers among `tools` that `before` does not name in the same way.

    A server is compared only with those of its label: a session has room for 35,000 tools.
    """
    known: defaultdict[str, list[McpTool]] = defaultdict(list)
    for tool in before:
        if isinstance(tool, McpTool):
            known[tool.server_label].append(tool)
    asked = (tool for tool in tools if isinstance(tool, McpTool))
    return [tool for tool in asked if tool not in known[tool.server_label]]


def _keep_tracing(config: SessionConfig, changed: SessionConfig) -> SessionConfig:
    """Keep tracing once it is enabled. Asking for `auto` again is not an error: clients do."""
    if config.tracing is None or changed.tracing == config.tracing:
        return changed
    if changed.tracing not in (None, "auto"):
        raise InvalidRequest(
            "invalid_value",
            "Cannot update tracing: it is already enabled for this session.",
            "session.tracing",
        )
    return msgspec.structs.replace(changed, tracing=config.tracing)


def _require_same_voice(config: SessionConfig, voice: str, voiced: bool, param: str) -> None:
    if voiced and voice != config.audio.output.voice:
        raise InvalidRequest(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
            param,
        )


def validate_commit(buffered_ms: float, quota: ConversationQuota) -> None:
    """Validate an `input_audio_buffer.commit`."""
    if buffered_ms < MINIMUM_COMMIT_MS:
        raise InvalidRequest(
            "input_audio_buffer_commit_empty",
            "Error committing input audio buffer: buffer too small. Expected at least "
            f"{MINIMUM_COMMIT_MS}ms of audio, but buffer only has {buffered_ms:.2f}ms of audio.",
        )
    quota.require_room()


def no_sound(event_id: str | None = None) -> InvalidRequest:
    """Return the error for a sideband that appends audio."""
    return InvalidRequest(
        "invalid_value",
        "Invalid value: 'input_audio_buffer.append'. A control connection brings no audio: the "
        "call that it controls has its own.",
        "type",
        event_id,
    )


@dataclass(frozen=True, slots=True)
class ValidatedItem:
    """An item that may be added. It has no id if the client gave it none."""

    item: Item  # as events show it
    sound: bytes  # that was in it, in the session's format
    previous: str | None  # the one it comes after; None: the first
    weight: Weight


def validate_item_create(
    conversation: Conversation, event: ItemCreate, quota: ConversationQuota, format: Format
) -> ValidatedItem:
    """Validate a `conversation.item.create`."""
    item = event.item
    if item.id == ROOT:
        raise InvalidRequest(
            "invalid_value",
            f"Error adding item: '{ROOT}' is the place before the first item, not an id.",
            "item.id",
        )
    if item.id and item.id in conversation:
        raise InvalidRequest(
            "item_create_duplicate_item_id",
            f"Error adding item: an item with id '{shorten(item.id)}' already exists.",
            "item.id",
        )
    after = _previous_id(conversation, event.previous_item_id)
    item = images.checked(item, "item", "Error adding item")
    silent, sound = without_sound(_as_events_show_it(item))
    return ValidatedItem(silent, sound, after, quota.validate_item(silent, sound, format))


def _previous_id(conversation: Conversation, previous_item_id: str | None) -> str | None:
    """Return the id of the item before a new one. None: the new item is the first one."""
    if not previous_item_id:
        return conversation.last_id
    if previous_item_id == ROOT:
        return None
    if previous_item_id not in conversation:
        message = (
            f"Error adding item: the previous item with id '{shorten(previous_item_id)}' does not "
            "exist."
        )
        raise InvalidRequest("invalid_value", message, "previous_item_id")
    return previous_item_id


def _as_events_show_it(item: Item) -> Item:
    """Return the item as completed, without keys that only clients send (§3.7, §5.1)."""
    match item:
        case Message() | FunctionCall():
            return msgspec.structs.replace(item, status="completed", object=UNSET)
        case FunctionOutput():
            return msgspec.structs.replace(item, status=UNSET, object=UNSET)
        case _:
            return item


def require_item(
    conversation: Conversation, item_id: str, verb: Literal["retrieve", "delete", "truncate"]
) -> Item:
    """Return an item of the conversation. `verb`: the command that needs it."""
    item = conversation.get(item_id)
    if item is None or (verb == "delete" and _in_progress(item)):
        raise InvalidRequest(
            f"item_{verb}_invalid_item_id",
            f"Error {_DOING[verb]} item: the item with id '{shorten(item_id)}' does not exist.",
            "item_id",
        )
    return item


def validate_truncate(conversation: Conversation, ledger: Ledger, event: ItemTruncate) -> None:
    """Validate a `conversation.item.truncate`."""
    require_item(conversation, event.item_id, "truncate")
    if event.item_id not in ledger or not ledger[event.item_id].sent_ms:
        raise InvalidRequest(
            "unsupported_content_type", "Only model output audio messages can be truncated"
        )
    if event.content_index:
        raise InvalidRequest(
            "invalid_value",
            f"Error truncating item: there is no content part {event.content_index}.",
            "content_index",
        )
    left_ms = ledger[event.item_id].left_ms
    if event.audio_end_ms > left_ms:
        raise InvalidRequest(
            "invalid_value",
            f"Audio content of {left_ms}ms is already shorter than {event.audio_end_ms}ms",
            "audio_end_ms",
        )


def validate_response_create(
    conversation: Conversation,
    config: SessionConfig,
    options: ResponseOptions,
    *,
    active: str | None,
    beside: int,
    asked: bool,
    quota: ConversationQuota,
    voiced: bool,
    voices: VoiceNames = ANY_VOICE,
) -> None:
    """Validate a `response.create`, of a client or of the server itself.

    `active`: the conversation's response in progress. `beside`: the number of out-of-band ones.
    `asked`: a client asked for it.
    """
    _require_referred_items(conversation, options.input or ())
    voice = with_options(config, options).audio.output.voice
    if voice != config.audio.output.voice:
        voices.require_voice(voice, "response.audio.output.voice")
    quota.validate_options(options)
    _validate_input(conversation, options.input or (), quota, config.audio.input.format)
    if options.conversation == "none":
        quota.require_room_for_response(beside)
        return
    if active is not None:
        raise InvalidRequest(
            ACTIVE_RESPONSE,
            f"Conversation already has an active response in progress: {active}. Wait until the "
            "response is finished before creating a new one.",
        )
    if asked:  # answers to speech and to tool outputs are never refused
        quota.require_room()
    _require_same_voice(config, voice, voiced, "response.audio.output.voice")


def _require_referred_items(conversation: Conversation, given: Sequence[ContextItem]) -> None:
    for index, item in enumerate(given):
        if isinstance(item, ItemReference) and item.id not in conversation:
            raise InvalidRequest(
                "invalid_value",
                f"Error creating response: the item with id '{shorten(item.id)}' does not exist.",
                f"response.input[{index}].id",
            )


def no_response() -> InvalidRequest:
    """Return the error for a `response.create` in a transcription session."""
    return InvalidRequest(
        "invalid_value",
        "Invalid value: 'response.create'. A session of type 'transcription' makes no responses.",
        "type",
    )


def _validate_input(
    conversation: Conversation,
    given: Sequence[ContextItem],
    quota: ConversationQuota,
    format: Format,
) -> None:
    items = [item for item in given if not isinstance(item, ItemReference)]
    for index, item in enumerate(given):
        if not isinstance(item, ItemReference):
            images.checked(item, f"response.input[{index}]", "Error creating response")
    meant = (conversation.get(item.id) for item in given if isinstance(item, ItemReference))
    referred = sum(parts(item) for item in meant if item is not None)
    audio_cache = [sound for _, sound in map(without_sound, items) if sound]
    quota.validate_input(len(given), referred + sum(map(parts, items)), audio_cache, format)


def validate_cancel(reply: Reply | None) -> Reply:
    """Validate a `response.cancel`: the response must be in progress."""
    if reply is None:
        raise InvalidRequest(
            "response_cancel_not_active", "Cancellation failed: no active response found"
        )
    return reply


def _in_progress(item: Item) -> bool:
    return isinstance(item, Message | FunctionCall) and item.status == "in_progress"
