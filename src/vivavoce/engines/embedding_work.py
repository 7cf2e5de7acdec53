"""Embed what changes in the knowledge of all assistants, beside the calls.

Each assistant has its own task, so that a slow model delays only its own knowledge. After a failure
the task waits, longer each time, and goes on with the texts that are left.
"""

from __future__ import annotations

import asyncio
import logging

from ..errors import EngineError
from ..failures import describe
from ..knowledge.live import LiveKnowledge
from .resources import AdapterResources

log = logging.getLogger("vivavoce.knowledge")

LOOK_S = 0.2  # between two looks at what has no vector yet
NEXT_TRY_S = (1.0, 60.0)  # after a failure: at first, and at most


async def follow(resources: AdapterResources) -> None:
    """Embed until this is cancelled. It never raises anything else."""
    running: dict[LiveKnowledge, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as tasks:
        while True:
            known = resources.all_knowledge
            for live in [each for each, task in running.items() if task.done()]:
                del running[live]
            for live in [each for each in running if each not in known]:
                running.pop(live).cancel()  # its assistant was loaded again
            for live in known:
                if live.vectors is not None and live.vectors.waiting and live not in running:
                    running[live] = tasks.create_task(_embed(live))
            await asyncio.sleep(LOOK_S)


async def _embed(live: LiveKnowledge) -> None:
    """Embed all that waits, however often it fails."""
    wait_s, most_s = NEXT_TRY_S
    while live.vectors is not None and live.vectors.waiting:
        try:
            await live.vectors.embed()
        except EngineError:  # it is in the log
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, most_s)
        except Exception as error:  # one assistant must not end the work for the others
            about = {"assistant": live.assistant.name, **describe(error)}
            log.error("knowledge_not_embedded", extra=about)
            await asyncio.sleep(most_s)
