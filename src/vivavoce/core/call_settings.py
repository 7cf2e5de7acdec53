"""The settings of one call, and the parts that its collaborators share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic

from .audio_cache import ItemAudioCache
from .conversation import Conversation
from .effect_queue import Eff, Eff_contra, EffectQueue, EffectSink
from .ledger import Ledger
from .lifetime import MAX_SESSION_S
from .limits import DEFAULT_LIMITS, UNLIMITED, ByteAccount, ConversationQuota, Limits
from .types import ToolRules
from .voices import ANY_VOICE, VoiceNames


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """The settings of a call, for each kind of machine. A machine ignores those it does not need.

    `conversation_id`: the conversation that the call continues or begins. None: a new one.
    `greeting`: what the assistant says first in a new conversation.
    `language`: what the user speaks, unless the session says otherwise (`en`).
    `gate_db`: how far below the user's voice other voices are ignored (see `level_gate`). 0: off.
    `locked`: fields of the session that the call's own clients may not change.
    `max_session_s`: when the call ends, whatever happens. `inactivity_s`: when it ends if the user
    does nothing (see `inactivity`). None: never.
    `server_tools`: names of the tools that the server calls itself. `tool_rules`: the rules of
    those that have some.
    `searches_knowledge`: the server answers `SearchKnowledge` before each response of an upstream.
    `lists_tools`: the server answers `ListTools`. If not, the list of an MCP server fails at once.
    `thinks_in_text`: the engine is asked when the user's words are known.
    `plays_out`: the server paces the audio (WebRTC, telephone), so it knows what was heard.
    `scores_end_of_turn`: a model answers `ScoreEndOfTurn`.
    `voices`: the voices that the engine can speak with.
    `limits`: how much a client may ask for. `account`: the bytes that running calls share.
    """

    conversation_id: str | None = None
    greeting: str | None = None
    language: str | None = None
    gate_db: float = 0.0
    locked: tuple[str, ...] = ()
    max_session_s: float = MAX_SESSION_S
    inactivity_s: float | None = None
    server_tools: frozenset[str] = frozenset()
    tool_rules: Mapping[str, ToolRules] = field(default_factory=dict)
    searches_knowledge: bool = False
    lists_tools: bool = False
    thinks_in_text: bool = False
    plays_out: bool = False
    scores_end_of_turn: bool = False
    voices: VoiceNames = ANY_VOICE
    limits: Limits = DEFAULT_LIMITS
    account: ByteAccount = UNLIMITED


DEFAULT_SETTINGS = CallSettings()


@dataclass(frozen=True, slots=True)
class CallParts(Generic[Eff_contra]):
    """The objects that the parts of one machine share. `Eff_contra`: what they may request."""

    effects: EffectSink[Eff_contra]
    conversation: Conversation
    ledger: Ledger
    quota: ConversationQuota
    audio_cache: ItemAudioCache


def make_parts(
    effects: EffectQueue[Eff], conversation: Conversation, ledger: Ledger, call: CallSettings
) -> CallParts[Eff]:
    """Return the parts of a new machine."""
    return CallParts(
        effects,
        conversation,
        ledger,
        ConversationQuota(call.limits, conversation, call.account),
        ItemAudioCache(call.limits.sound_bytes),
    )
