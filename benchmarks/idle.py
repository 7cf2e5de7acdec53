"""What a call costs that only waits."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from . import startup
from .caller import SILENCE, Caller
from .serving import Served

FEW, MANY = 20, 80
SETTLE_S = 0.5


@dataclass(frozen=True)
class Idle:
    server_kb: float
    call_kb: float
    microphone_kb: float  # the call's, and what it takes to listen


async def measure(served: Served, key: str) -> Idle:
    """What the calls between the 20th and the 100th take: the first ones warm the allocator."""
    await startup.first_answer(served, key)
    await asyncio.sleep(SETTLE_S)
    server_kb = served.memory_kb()
    async with AsyncExitStack() as stack:
        await _come(stack, served, key, FEW)
        few_kb = served.memory_kb()
        callers = await _come(stack, served, key, MANY)
        many_kb = served.memory_kb()
        for _ in range(10):
            for caller in callers:
                caller.hum(SILENCE)
            await asyncio.sleep(0.02)
        await asyncio.sleep(SETTLE_S)
        humming_kb = served.memory_kb()
    return Idle(server_kb, (many_kb - few_kb) / MANY, (humming_kb - few_kb) / MANY)


async def _come(stack: AsyncExitStack, served: Served, key: str, number: int) -> list[Caller]:
    came = [await stack.enter_async_context(Caller(served.ws, key)) for _ in range(number)]
    await asyncio.sleep(SETTLE_S)
    return came
