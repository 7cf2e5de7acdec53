"""End calls whose conversation another process has deleted (`vivavoce conversations delete`)."""

from __future__ import annotations

import asyncio
import logging
from typing import NoReturn

from ..errors import StoreError
from ..store.base import Store
from .cluster import CallRegistry

log = logging.getLogger(__name__)

CHECK_EVERY_S = 0.5
DELETED = "conversation_deleted"


async def watch(store: Store, registry: CallRegistry) -> NoReturn:
    """Notice a deletion within a second. One query asks the store about all running calls.

    A store that fails ends no call: its commits report the failure.
    """
    while True:
        await asyncio.sleep(CHECK_EVERY_S)
        if ids := registry.conversation_ids:
            try:
                deleted = await store.missing_conversations(ids)
            except StoreError:
                continue
            for conversation_id in deleted:
                log.info(DELETED, extra={"conversation": conversation_id})
            await asyncio.gather(*(registry.take_over(name, why=DELETED) for name in deleted))
