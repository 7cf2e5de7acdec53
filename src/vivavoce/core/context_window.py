"""The items that a brain reads when the conversation is longer than its context window (§5.4).

    auto             leave out the oldest items, as few as possible
    retention_ratio  leave out items until only this share of the window is filled; the next turns
                     then begin with the same words, so that the model's prompt cache is used
    disabled         leave out no item: the response fails

The current turn is never left out, because the response answers it. An item that was left out once
stays left out. Clients receive no event about it, and they can still retrieve the item.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import UNSET, UnsetType

from ..protocol.config import RetentionRatio, SessionConfig, TokenLimits
from ..protocol.items import Item, Message
from .tool_calls import calls_of_outputs
from .usage import CHARACTERS_PER_TOKEN, asked_characters, characters

CONTEXT_TOKENS = 28_672  # 32 768, less 4 096 for the answer (protocol §7.2)
IMAGE_TOKENS = {"low": 85, "high": 765}  # cost of an image of 1024 by 1024 at hosted models


class ContextWindow:
    def __init__(self, tokens: int = CONTEXT_TOKENS) -> None:
        """`tokens`: the size of the window, instructions and tools included."""
        self._tokens = tokens
        self._left_out: set[str] = set()

    def fit(self, config: SessionConfig, items: Iterable[Item]) -> tuple[Item, ...] | None:
        """Return the items to read. None: they do not fit, and none may be left out."""
        whole = tuple(items)
        if config.truncation == "disabled":
            return whole if self._excess(config, whole) <= 0 else None
        kept = whole
        if self._left_out:
            kept = tuple(item for item in whole if item.id not in self._left_out)
        if self._excess(config, kept) <= 0:
            return kept
        kept = self._shortened(config, kept)
        read = {item.id for item in kept}
        self._left_out.update(item.id for item in whole if item.id not in read)
        return kept if self._excess(config, kept) <= 0 else None

    def fit_once(self, config: SessionConfig, items: Iterable[Item]) -> tuple[Item, ...] | None:
        """Fit the input of one response, and forget which items were left out."""
        whole = tuple(items)
        if self._excess(config, whole) <= 0:
            return whole
        if config.truncation == "disabled":
            return None
        kept = self._shortened(config, whole)
        return kept if self._excess(config, kept) <= 0 else None

    def forget(self, item_id: str) -> None:
        """Forget a deleted item: a new item with the same id was never left out."""
        self._left_out.discard(item_id)

    def _shortened(self, config: SessionConfig, items: tuple[Item, ...]) -> tuple[Item, ...]:
        truncation = config.truncation
        ratio = truncation.retention_ratio if isinstance(truncation, RetentionRatio) else 1.0
        excess = sum(map(_tokens, items)) - self._quota(config) * ratio
        first, last = 0, _turn_under_way(items)
        while excess > 0 and first < last:
            excess -= _tokens(items[first])
            first += 1
        calls = calls_of_outputs(items)
        return tuple(
            item
            for index, item in enumerate(items)
            if index >= first <= calls.get(index, first)  # otherwise it answers nothing
        )

    def _excess(self, config: SessionConfig, items: Sequence[Item]) -> float:
        return sum(map(_tokens, items)) - self._quota(config)

    def _quota(self, config: SessionConfig) -> float:
        """Return the tokens left for items. The session may set a lower limit."""
        room = self._tokens - asked_characters(config) / CHARACTERS_PER_TOKEN
        truncation = config.truncation
        limits = truncation.token_limits if isinstance(truncation, RetentionRatio) else None
        most = limits.post_instructions if isinstance(limits, TokenLimits) else UNSET
        return room if isinstance(most, UnsetType) else min(room, most)


def _turn_under_way(items: Sequence[Item]) -> int:
    """Return the index of the current turn: of the user's last message."""
    backwards = range(len(items) - 1, -1, -1)
    for index in backwards:
        item = items[index]
        if isinstance(item, Message) and item.role == "user":
            return index
    return max(len(items) - 1, 0)


def _tokens(item: Item) -> float:
    pictures = 0
    if isinstance(item, Message):
        for part in item.content:
            if part.type == "input_image":
                pictures += IMAGE_TOKENS["low" if part.detail == "low" else "high"]
    return pictures + characters(item) / CHARACTERS_PER_TOKEN
