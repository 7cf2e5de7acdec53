"""Limit how much one call may hold, so that an excessive client harms no other call.

Requests of clients are checked against these limits before anything changes. Speech is never
refused for its size: an item of the user's speech or of the engine is small, and only counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec

from ..errors import InvalidRequest
from ..protocol.client import ResponseOptions
from ..protocol.config import AnySession, Format, Pcm
from ..protocol.items import Item, Message
from .audio_cache import KEPT_BYTES
from .context_window import CONTEXT_TOKENS
from .conversation import Conversation
from .token_bucket import TOKENS_PER_MINUTE

MIB = 2**20
NAME = 512  # characters of an item's id, as many as the protocol gives an event's (§3)

SOUND_S = 300  # in one item; as PCM16 no frame brings more
TELEPHONE_S = 60  # … as G.711: the recogniser resamples it to 24 kHz, 0.15 s for a minute
PARTS = 20_000  # of the content of all items that are read at once: each response goes through all
ITEM_PARTS = 1_000  # of content in one item of a client
SOUNDS = 8  # items with sound that one response is given to read
MCP_SERVERS = 64  # that one update brings


@dataclass(frozen=True, slots=True)
class Limits:
    items: int = 10_000  # of a conversation
    item_bytes: int = 15 * MIB  # of one, as JSON: an image of 11 MB
    conversation_bytes: int = 64 * MIB  # of all items that clients wrote
    session_bytes: int = MIB  # that updates add to the session, as JSON
    responses: int = 8  # beside the conversation's own, at once
    sound_bytes: int = KEPT_BYTES  # of the newest items, kept for clients that retrieve them
    context_tokens: int = CONTEXT_TOKENS  # that the engine can read at once
    tokens_per_minute: int = TOKENS_PER_MINUTE


DEFAULT_LIMITS = Limits()


class ByteAccount(Protocol):
    """Counts the bytes of this conversation together with those of other calls."""

    def has_room(self, size: int) -> bool: ...

    def take(self, size: int) -> None:
        """Count bytes; a negative size gives bytes back."""


class UnlimitedAccount:
    """The account of a call that shares nothing with others."""

    def has_room(self, size: int) -> bool:
        return True

    def take(self, size: int) -> None: ...


UNLIMITED = UnlimitedAccount()


@dataclass(frozen=True, slots=True)
class Weight:
    """The weight of an item: bytes of JSON, and parts of content."""

    bytes: int
    parts: int


class ConversationQuota:
    """The size of a conversation, and the limits of what may be added."""

    def __init__(
        self, limits: Limits, conversation: Conversation, account: ByteAccount = UNLIMITED
    ) -> None:
        self._limits = limits
        self._account = account
        self._conversation = conversation
        self._weights = {item.id: weigh(item) for item in conversation}
        self._bytes = sum(weight.bytes for weight in self._weights.values())
        self._parts = sum(weight.parts for weight in self._weights.values())
        account.take(self._bytes)
        self._session_bytes = 0  # that updates have added to the session

    @property
    def full(self) -> bool:
        return len(self._conversation) >= self._limits.items

    def require_room(self) -> None:
        """Raise `InvalidRequest` if the conversation is full."""
        if self.full:
            raise self.no_room()

    def no_room(self) -> InvalidRequest:
        return _full(f"it has {len(self._conversation)} items, as many as it may")

    def validate_item(self, item: Item, sound: bytes, format: Format) -> Weight:
        """Raise `InvalidRequest` if this item may not be added.

        `sound`: the audio that was in it, in the session's format. Return the item's weight for
        `take`, because weighing is expensive (an image of 11 MB: 7 ms).
        """
        self.require_room()
        most = self._limits
        if len(item.id) > NAME:
            raise InvalidRequest(
                "invalid_value", f"Error adding item: its id is longer than {NAME} characters.",
                "item.id",
            )  # fmt: skip
        weight = weigh(item)
        if weight.bytes > most.item_bytes:
            raise InvalidRequest(
                "invalid_value",
                f"Error adding item: {weight.bytes} bytes are too much for one item (at most "
                f"{most.item_bytes}).",
                "item",
            )
        if weight.parts > ITEM_PARTS:
            raise InvalidRequest(
                "invalid_value",
                f"Error adding item: its content has too many parts (at most {ITEM_PARTS}).",
                "item.content",
            )
        _validate_sound(sound, format, "Error adding item: its sound", "item.content")
        if self._bytes + weight.bytes > most.conversation_bytes:
            raise _full(f"its items would be more than {most.conversation_bytes} bytes together")
        if self._parts + weight.parts > PARTS:
            raise _full(f"its items would have more than {PARTS} parts together")
        if not self._account.has_room(weight.bytes):
            raise InvalidRequest(
                "rate_limit_exceeded",
                f"Error adding item: {_no_bytes(weight.bytes)} Delete items, or try again when "
                "other calls have ended.",
                "item",
            )
        return weight

    def validate_options(self, options: ResponseOptions) -> None:
        """Refuse options that are larger than a session may be. The input has its own limits."""
        if size(msgspec.structs.replace(options, input=None)) > self._limits.session_bytes:
            raise InvalidRequest(
                "invalid_value",
                f"Error creating response: it says too much (at most {self._limits.session_bytes} "
                "bytes beside its input).",
                "response",
            )

    def validate_input(self, items: int, parts: int, sounds: list[bytes], format: Format) -> None:
        """Refuse an input of more items, parts or sound than one response reads.

        An item counts as often as it is referred to.
        """
        if parts > PARTS:
            raise InvalidRequest(
                "invalid_value",
                f"Error creating response: the items of its input have too many parts (at most "
                f"{PARTS} together).",
                "response.input",
            )
        if items > self._limits.items or len(sounds) > SOUNDS:
            raise InvalidRequest(
                "invalid_value",
                f"Error creating response: its input has too many items (at most "
                f"{self._limits.items}, of which {SOUNDS} with sound).",
                "response.input",
            )
        _validate_sound(b"".join(sounds), format, "Error creating response: its sound",
                     "response.input")  # fmt: skip

    def validate_mcp_servers(self, asked: int) -> None:
        """Raise `InvalidRequest` if an update adds more than `MCP_SERVERS`. Each adds an item."""
        if asked > MCP_SERVERS:
            raise InvalidRequest(
                "invalid_value",
                f"Too many MCP servers: at most {MCP_SERVERS} at once.",
                "session.tools",
            )
        if asked and len(self._conversation) + asked > self._limits.items:
            raise self.no_room()

    def take(self, item_id: str, weight: Weight) -> None:
        """Count an item that was added, by its weight before the server gave it an id."""
        self._weights[item_id] = weight
        self._bytes += weight.bytes
        self._parts += weight.parts
        self._account.take(weight.bytes)

    def hold(self, item: Item) -> bool:
        """Count an item that an MCP server fills. Return False if there is no room for it."""
        weight = weigh(item)
        if self._bytes + weight.bytes > self._limits.conversation_bytes:
            return False
        if not self._account.has_room(weight.bytes):
            return False
        self.take(item.id, weight)
        return True

    def free(self, item_id: str) -> None:
        if weight := self._weights.pop(item_id, None):
            self._bytes -= weight.bytes
            self._parts -= weight.parts
            self._account.take(-weight.bytes)

    def validate_session(self, changed: AnySession, began: AnySession) -> int:
        """Raise `InvalidRequest` if updates have made the session too large.

        Return the bytes that updates have added, for `take_session`.
        """
        added = max(size(changed) - size(began), 0)
        if added > self._limits.session_bytes:
            raise InvalidRequest(
                "invalid_value",
                f"The session would be too large: at most {self._limits.session_bytes} bytes may "
                "be added to it.",
                "session",
            )
        more = added - self._session_bytes
        if more > 0 and not self._account.has_room(more):
            raise InvalidRequest(
                "rate_limit_exceeded",
                f"Error updating session: {_no_bytes(more)} Try again when other calls have ended.",
                "session",
            )
        return added

    def take_session(self, added: int) -> None:
        """Count what updates have added to the session. A shorter session gives bytes back."""
        self._account.take(added - self._session_bytes)
        self._session_bytes = added

    def require_room_for_response(self, beside: int) -> None:
        """Raise `InvalidRequest` if `beside` out-of-band responses leave no place for another."""
        if beside >= self._limits.responses:
            raise InvalidRequest(
                "rate_limit_exceeded",
                f"Too many responses in progress: at most {self._limits.responses} at once beside "
                "the conversation's own. Wait until one is finished.",
                "response.conversation",
            )


def _validate_sound(sound: bytes, format: Format, what: str, param: str) -> None:
    longest_s, a_second = (SOUND_S, 48_000) if isinstance(format, Pcm) else (TELEPHONE_S, 8_000)
    if len(sound) > longest_s * a_second:
        raise InvalidRequest("invalid_value", f"{what} is longer than {longest_s} s.", param)


def _no_bytes(size: int) -> str:
    return f"the running calls have no room for {size} more bytes."


def _full(why: str) -> InvalidRequest:
    return InvalidRequest(
        "conversation_full",
        f"The conversation is full: {why}. Delete items, or begin another conversation.",
    )


def weigh(item: Item) -> Weight:
    return Weight(size(item), parts(item))


def parts(item: Item) -> int:
    return len(item.content) if isinstance(item, Message) else 0


def size(value: Item | AnySession | ResponseOptions) -> int:
    """Bytes of JSON: what it costs on the wire and in the store, and about what in memory."""
    return len(msgspec.json.encode(value))
