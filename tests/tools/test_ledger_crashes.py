"""Book a table, and kill, interrupt or cut off the server at every step of it.

Never two bookings, and what happened is always in the context of the next response.
"""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from vivavoce.protocol import client
from vivavoce.store.memory import MemoryStore

from ..support.booking import BOOKED, Life, Line, Model, Shop
from ..support.virtual_time import live

RUNS = 1000
STEPS_S = 1.4  # a whole booking takes about this long
FAULTS = ("kill", "stop", "hang up", "cancel", "drop upstream")


async def book(seed: int) -> tuple[str, int]:
    """Return the fault, and how many bookings were made."""
    rng = Random(seed)
    relayed = bool(seed % 2)
    fault = rng.choice(FAULTS)
    store, shop = MemoryStore(), Shop()
    model = Model(shop, stubborn=rng.random() < 0.3)
    life = await Life(store, shop, rng).start()
    line = await life.call(model, relayed=relayed)
    if relayed:
        await asyncio.sleep(0.05)
    line.ask()
    await asyncio.sleep(rng.uniform(0, STEPS_S))
    life = await disturb(fault, life, line, Life(store, shop, rng))
    seen = len(model.contexts)
    other = await life.call(model, relayed=rng.random() < 0.5)
    await asyncio.sleep(0.05)
    other.ask("Did it work?")
    await asyncio.sleep(3)
    check(model, seen, shop)
    for each in (line, other):
        each.hang_up()
    await life.stop(line, other)
    return fault, len(shop.orders)


async def disturb(fault: str, life: Life, line: Line, next_life: Life) -> Life:
    """Let something happen, and return the server that goes on."""
    match fault:
        case "kill":
            await life.kill(line)
            return await next_life.start()
        case "stop":
            line.hang_up()
            await life.stop(line)
            return await next_life.start()
        case "cancel":
            line.send(client.ResponseCancel())
            await asyncio.sleep(0.2)
        case "drop upstream":
            line.drop_upstream()
    line.hang_up()
    await asyncio.sleep(0.05)
    return life


def check(model: Model, seen: int, shop: Shop) -> None:
    assert len(shop.orders) <= 1, "the table was booked twice"
    contexts = model.contexts[seen:]
    assert contexts, "no response was made"
    for context in contexts:
        if context.orders:
            assert BOOKED in context.text or "unknown" in context.text, "a booking was forgotten"
        else:
            assert BOOKED not in context.text, "a booking was invented"


@pytest.mark.parametrize("block", range(10))
def test_nothing_happens_twice_and_nothing_is_forgotten(block: int) -> None:
    outcomes = [live(book(seed)) for seed in range(block * RUNS // 10, (block + 1) * RUNS // 10)]
    assert {fault for fault, _ in outcomes} == set(FAULTS)
    assert {orders for _, orders in outcomes} >= {1}
