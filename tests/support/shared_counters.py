"""Counters outside of the process, as Redis keeps them: every command is a round trip."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from vivavoce.runtime.call_counters import limit_reached
from vivavoce.runtime.cluster import CallSlot, LimitReached, SlotLimits

ROUND_TRIP_S = 0.001


@dataclass
class SharedStore:
    """The server that several processes share. A script runs alone, between two round trips."""

    slots: dict[str, CallSlot] = field(default_factory=dict)

    async def acquire_script(self, slot: CallSlot, limits: SlotLimits) -> LimitReached | None:
        await asyncio.sleep(ROUND_TRIP_S / 2)
        reached = limit_reached(slot, limits, self.slots.values())
        if reached is None:
            self.slots[slot.call_id] = slot
        await asyncio.sleep(ROUND_TRIP_S / 2)
        return reached

    async def delete(self, call_id: str) -> None:
        await asyncio.sleep(ROUND_TRIP_S)
        self.slots.pop(call_id, None)


@dataclass
class SharedCallCounters:
    """The counters of one of the processes."""

    store: SharedStore = field(default_factory=SharedStore)

    async def acquire(self, slot: CallSlot, limits: SlotLimits) -> LimitReached | None:
        return await self.store.acquire_script(slot, limits)

    async def release(self, call_id: str) -> None:
        await self.store.delete(call_id)
