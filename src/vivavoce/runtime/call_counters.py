"""Counts the calls of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
    shares: tuple[
        tuple[LimitReached, str | None, int | None, Callable[[CallSlot], str | None]], ...
    ]
    shares = (
        ("secret", slot.secret_id, limits.per_secret, lambda other: other.secret_id),
        ("user", slot.subject, limits.per_user, lambda other: other.subject),
        ("key", slot.key_id, limits.per_key, lambda other: other.key_id),
    )
    for name, mine, most, whose in shares:
        if mine is None or most is None:
            continue
        if sum(whose(other) == mine for other in others) >= most:
            return name
    return None
