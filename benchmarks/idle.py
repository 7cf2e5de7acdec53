"""Measure the costs of an idle call: one of our own engine, and one that is relayed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from . import startup
from .caller import SILENCE, Caller
from .serving import ASSISTANT, Served, folder, serve

FEW, MANY = 50, 200
SETTLE_S = 0.5
THROUGH = """
name = "through"
engine = "upstream"

[instructions]
default = "Answer."

[upstream]
base_url = "{url}/v1"
model = "{model}"
key = {{ env = "BENCH_PROVIDER_KEY" }}

[limits]
calls_at_once = 1000
"""


@dataclass(frozen=True)
class Idle:
    server_kb: float
    call_kb: float
    microphone_kb: float  # the call's memory, with voice detection
    relayed_kb: float


async def measure(served: Served, key: str) -> Idle:
    """Measure the calls between the 50th and the 250th: earlier ones warm the allocator."""
    await startup.first_answer(served, key)
    await asyncio.sleep(SETTLE_S)
    server_kb = served.memory_kb()
    async with AsyncExitStack() as stack:
        await _come(stack, FEW, served.ws(), key)
        few_kb = served.memory_kb()
        callers = await _come(stack, MANY, served.ws(), key)
        many_kb = served.memory_kb()
        for _ in range(10):
            for caller in callers:
                caller.hum(SILENCE)
            await asyncio.sleep(0.02)
        await asyncio.sleep(SETTLE_S)
        humming_kb = served.memory_kb()
    relayed_kb = await _relayed(served, key)
    return Idle(server_kb, (many_kb - few_kb) / MANY, (humming_kb - few_kb) / MANY, relayed_kb)


async def _relayed(provider: Served, key: str) -> float:
    """Start a second server in front of the first, which acts as the provider."""
    with folder() as data:
        (data / "assistants" / "through").mkdir()
        text = THROUGH.format(url=provider.url, model=ASSISTANT)
        (data / "assistants" / "through" / "assistant.toml").write_text(text, "utf-8")
        environ = {"BENCH_PROVIDER_KEY": key, "VIVAVOCE_NET__ALLOW_PRIVATE": "true"}
        with serve(data, **environ) as gateway:
            way_in = gateway.ws("through"), gateway.key()
            async with AsyncExitStack() as stack:
                await _come(stack, FEW, *way_in)
                few_kb = gateway.memory_kb()
                await _come(stack, MANY, *way_in)
                return (gateway.memory_kb() - few_kb) / MANY


async def _come(stack: AsyncExitStack, number: int, url: str, key: str) -> list[Caller]:
    came = [await stack.enter_async_context(Caller(url, key)) for _ in range(number)]
    await asyncio.sleep(SETTLE_S)
    return came
