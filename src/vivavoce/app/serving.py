"""Everything a server needs, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..access import door
from ..access.upkeep import Upkeep
from ..assistants import SHIPPED, Assistant, Catalogue
from ..config import Settings
from ..core.values import Caller
from ..engines.boundary import contained
from ..errors import StoreError, VivavoceError
from ..http import application
from ..http.services import Services
from ..runtime import lag
from ..runtime.admission import Admission
from ..runtime.credentials_in_use import watch
from ..runtime.hub import Hub
from ..runtime.load import Load, Tolerance
from ..runtime.metrics import Metrics
from ..runtime.planning import Planner, ids, now
from ..runtime.reception import Reception
from ..runtime.refusals import refused
from ..runtime.writer import Writer
from ..store.base import Store
from ..store.sql.store import SqlStore
from ..transports.websocket import Door
from .build import Builder
from .folder import Folder
from .parts import Parts, known

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger("vivavoce")


class Server:
    """The application and what its WebSockets come in by."""

    def __init__(self, settings: Settings, folder: Folder) -> None:
        self.settings = settings
        self.folder = folder
        origins = settings.server.allowed_origins
        if settings.server.public_url:
            origins = (*origins, settings.server.public_url.rstrip("/"))
        self._origins = origins
        self._door: Door | None = None
        self.services: Services | None = None
        self._store: SqlStore | None = None
        self.app: FastAPI = application.make(self._serving, origins=origins)

    async def open(self) -> None:
        """First of all the database: without it nothing starts. Raises `StoreError`."""
        self.folder.create()
        self._store = await SqlStore.open(self.folder.database)

    def door(self) -> Door:
        assert self._door is not None, "the lifespan has begun"
        return self._door

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[Services]:
        store = self._store
        assert store is not None, "it was opened"
        async with AsyncExitStack() as stack:
            stack.push_async_callback(store.close)
            services = await self._open(stack, store)
            self.services = services
            yield services

    async def _open(self, stack: AsyncExitStack, store: Store) -> Services:
        settings, make_id = self.settings, ids()
        catalogue = Catalogue([SHIPPED, self.folder.assistants], known())
        for name, error in catalogue.broken.items():
            log.error("assistant_broken", extra={"assistant": name, "mistakes": str(error)})
        calls = settings.calls
        load = Load(Tolerance(calls.busy_late_ms / 1000, calls.busy_wait_s))
        metrics = Metrics(load)
        parts = await stack.enter_async_context(Parts(settings, self.folder, metrics))
        writer = await stack.enter_async_context(Writer(store, on_commit=metrics.committed))
        hub = await stack.enter_async_context(Hub())
        metrics.watch(
            asyncio.get_running_loop().time,
            calls=lambda: len(hub),
            recognisers_busy=lambda: parts.recognisers_busy,
        )
        upkeep = Upkeep(store, now)

        async def last_notes() -> None:
            with suppress(StoreError):  # it has been told, loudly; only last_used_at is lost
                await upkeep.write()

        stack.push_async_callback(last_notes)
        _beside(stack, upkeep.run(), "upkeep")
        default = catalogue.get(settings.calls.default_assistant)
        _beside(stack, watch(store, hub.in_use, hub.revoke), "revocations")
        _beside(stack, _warm_and_watch(parts, default, metrics), "lag")

        async def identify(credential: str | None) -> Caller:
            caller = await door.identify(store, credential, now())
            if not isinstance(caller, Caller):
                raise refused(caller)
            upkeep.note(caller)
            return caller

        reception = Reception(
            identify=identify,
            planner=Planner(
                catalogue, store, default_assistant=calls.default_assistant, make_id=make_id
            ),
            admission=Admission(
                hub,
                calls_at_once=calls.at_once,
                calls_per_key=calls.per_key,
                load=load,
                hears=parts.hears,
            ),
            store=store,
            hub=hub,
            build=Builder(parts, writer, calls, make_id, metrics),
            make_id=make_id,
            counts=metrics,
        )
        secure = settings.server.tls_cert is not None or (
            (settings.server.public_url or "").startswith("https:")
        )
        self._door = Door(
            reception,
            hub,
            largest=settings.calls.frame_bytes,
            patience_s=settings.calls.slow_client_s,
            strangers=settings.calls.strangers,
            secure=secure,
            origins=self._origins,
            make_id=make_id,
        )

        return Services(
            store=store,
            catalogue=catalogue,
            reception=reception,
            hub=hub,
            upkeep=upkeep,
            now=now,
            make_id=make_id,
            notes=parts.notes,
            ready=store.ping,
            metrics=metrics.exposition,
            open_metrics=settings.server.open_metrics,
            secure=secure,
            origins=self._origins,
        )


def _beside(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """A task that lives beside the calls, and ends before what it works with is closed."""
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)


async def _warm_and_watch(parts: Parts, default: Assistant | None, metrics: Metrics) -> None:
    """What loads itself is late by nature; that says nothing of the calls that come."""
    await _warm(parts, default)
    await lag.watch(metrics.ran)


async def _warm(parts: Parts, assistant: Assistant | None) -> None:
    """What cannot be had now is said by the call that needs it, and by `vivavoce doctor`."""
    if assistant is not None:
        try:
            with contained("engine", passing=VivavoceError):
                await parts.warm(assistant)
        except VivavoceError as error:
            log.warning("not_warm", extra={"assistant": assistant.name, "why": str(error)})
    # What is loaded by now stays. Looking through it for garbage again and again would stop all
    # calls for some 70 ms each time.
    gc.freeze()
    # Of an event with 50,000 objects, each 700th had those before it looked through: half the time
    # that it took to read.
    gc.set_threshold(10_000, 10, 10)
