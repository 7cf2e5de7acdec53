"""Keep the knowledge of all assistants true while calls run: follow the files and the clock.

    a file changes ─► watchfiles ─► the assistant's knowledge reads that file, and indexes it
    a fact begins or ceases to be true ─► likewise
    a text has no vector yet ─► `embedding_work` embeds it

An edit counts within a second. Where the system cannot report changes (a network file system, a
limit of inotify), the files are examined every second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from pathlib import Path

from ..assistants import Assistant
from ..errors import EngineError
from ..failures import describe
from . import embedding_work
from .resources import AdapterResources, refreshed

log = logging.getLogger("vivavoce.knowledge")

GROUP_MS = 200  # changes within this time are one
QUIET_MS = 20  # without another change, after which they are reported
EXAMINE_S = 1.0  # between two looks at the files, where changes are not reported
FACTS_S = 0.25  # between two looks at the clock


async def follow(resources: AdapterResources, assistants: Iterable[Assistant]) -> None:
    """Follow the files until this is cancelled. It never raises anything else."""
    folders = [assistant.folder for assistant in assistants]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_follow_facts(resources))
        tasks.create_task(embedding_work.follow(resources))
        tasks.create_task(_follow_files(resources, folders))


async def _follow_facts(resources: AdapterResources) -> None:
    while True:
        await asyncio.sleep(FACTS_S)
        for live in resources.all_knowledge:
            if live.is_due:
                await _refresh(resources, live.assistant, ())


async def _follow_files(resources: AdapterResources, folders: list[Path]) -> None:
    from watchfiles import awatch  # 20 ms, which only a server needs

    try:
        async for changes in awatch(
            *folders,
            watch_filter=None,
            debounce=GROUP_MS,
            step=QUIET_MS,
            ignore_permission_denied=True,
        ):
            await _take(resources, {Path(path) for _, path in changes})
    except (OSError, RuntimeError) as error:
        log.warning("knowledge_not_watched", extra=describe(error))
    while True:
        await asyncio.sleep(EXAMINE_S)
        await asyncio.gather(
            *(_refresh(resources, live.assistant, ()) for live in resources.all_knowledge)
        )


async def _take(resources: AdapterResources, changed: Collection[Path]) -> None:
    """Refresh the knowledge of each assistant in whose folder something has changed."""
    for live in resources.all_knowledge:
        inside = {path for path in changed if path.is_relative_to(live.assistant.folder)}
        if inside:
            await _refresh(resources, live.assistant, inside)


async def _refresh(
    resources: AdapterResources, assistant: Assistant, changed: Collection[Path]
) -> None:
    """Read again what has changed. A folder that cannot be listed is in the log."""
    try:
        await refreshed(await resources.live_knowledge(assistant), changed)
    except EngineError:
        pass
    except Exception as error:  # one assistant's files must not end the watch of the others
        log.error("knowledge_not_read", extra={"assistant": assistant.name, **describe(error)})
