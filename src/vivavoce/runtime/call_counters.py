"""Counts the calls of this process."""

from __future__ import annotations

from collections.abc import Iterable

from .cluster import CallSlot, LimitReached, SlotLimits


class InProcessCallCounters:
    """The `CallCounters` of a single process. Nothing here waits, so each step is atomic."""

    def __init__(self) -> None:
        self._slots: dict[str, CallSlot] = {}

    async def acquire(self, slot: CallSlot, limits: SlotLimits) -> LimitReached | None:
        reached = limit_reached(slot, limits, self._slots.values())
        if reached is None:
            self._slots[slot.call_id] = slot
        return reached

    async def release(self, call_id: str) -> None:
        self._slots.pop(call_id, None)


def limit_reached(
    slot: CallSlot, limits: SlotLimits, counted: Iterable[CallSlot]
) -> LimitReached | None:
    """Return the first limit that leaves no place for this call beside the counted ones."""
    others = [other for other in counted if other.conversation_id != slot.conversation_id]
    if len(others) >= limits.calls:
        return "calls"
    if sum(other.assistant == slot.assistant for other in others) >= limits.per_assistant:
        return "assistant"
    if slot.key_id is None or limits.per_key is None:
        return None
    by_key = sum(other.key_id == slot.key_id for other in others)
    return "key" if by_key >= limits.per_key else None
