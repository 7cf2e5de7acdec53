"""Use a store from another process: `python -m tests.store.children VERB FILE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from vivavoce.store.sql import SqlStore

from .facts import call, change, conversation, key, said

GO_ON = 100_000


async def write(file: Path) -> None:
    """Commit one item after the other, and print each id after its commit, until it is killed."""
    store = await SqlStore.open(file)
    await store.create_conversation(conversation())
    await store.begin_call(call())
    for number in range(GO_ON):
        await store.commit([change(said(f"item_{number}", position=number))])
        print(f"item_{number}", flush=True)


async def add_key(file: Path) -> None:
    store = await SqlStore.open(file)
    await store.add_key(key("key_new", "the other process's"))
    await store.close()


async def revoke(file: Path) -> None:
    store = await SqlStore.open(file)
    assert await store.revoke_key("key_new", key().created_at)
    await store.close()


if __name__ == "__main__":
    verb = {"write": write, "add_key": add_key, "revoke": revoke}[sys.argv[1]]
    asyncio.run(verb(Path(sys.argv[2])))
