"""Everything a server needs, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import web_address
from ..access import authentication
from ..access.audit import RefusalLog
from ..access.credential_policy import CredentialPolicy
from ..access.hosts import Hosts
from ..access.transport_security import TransportSecurity
from ..assistants import Assistant
from ..assistants.catalogue import Catalogue
from ..clock import ids, now
from ..config import Settings
from ..core.types import Caller
from ..engines.boundary import contained
from ..engines.registry import installed
from ..engines.voice_samples import VoiceSamples
from ..errors import ConfigError, StoreError, VivavoceError
from ..failures import log_failure
from ..http import application
from ..http.request_timeouts import TimedHttpProtocol
from ..http.services import Services
from ..runtime import loop_lag, other_processes
from ..runtime.admission import Admission
from ..runtime.assistant_variables import AssistantVariables
from ..runtime.call_counters import InProcessCallCounters
from ..runtime.call_registry import InProcessCallRegistry
from ..runtime.call_resolver import CallResolver
from ..runtime.call_setup import CallSetup
from ..runtime.connection_reports import ConnectionReports
from ..runtime.credential_maintenance import CredentialMaintenance
from ..runtime.event_bus import InProcessEventBus
from ..runtime.event_log import EventLog
from ..runtime.group_commit import GroupCommitter
from ..runtime.load import LoadMonitor, LoadThresholds
from ..runtime.metrics import Metrics
from ..runtime.refusals import refused
from ..runtime.secret_budget import SecretBudget
from ..runtime.tool_history import ToolHistory
from ..runtime.visitor_limits import VisitorLimits
from ..store.base import Store
from ..tools.ledger import ToolLedger
from ..transports.picows_protocol import protocol_class
from ..transports.websocket import WebSocketEndpoint
from . import webrtc
from .adapters import Adapters
from .build import CallBuilder
from .catalogue import load_catalogue
from .data_folder import DataFolder
from .storage import find_damage, open_store
from .tool_servers import connect_tools
from .transports import open_transports
from .webhooks import senders, subscribers, targets

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)


class Server:
    """The ASGI application and the endpoint of its WebSockets."""

    def __init__(self, settings: Settings, folder: DataFolder) -> None:
        self.settings = settings
        self.folder = folder
        origins = settings.server.allowed_origins
        if settings.server.public_url:
            origins = (*origins, web_address.origin_of(settings.server.public_url))
        self._origins = origins
        public_url = settings.server.public_url or ""
        self._security = TransportSecurity(settings.server.tls_cert is not None, public_url)
        self._hosts = Hosts(
            (*settings.server.allowed_hosts, *_own_names(settings.server.host)),
            (public_url, *settings.server.allowed_origins),
        )
        self._endpoint: WebSocketEndpoint | None = None
        self.services: Services | None = None
        self.failure: ConfigError | None = None  # why it could not start
        self._store: Store | None = None
        self.app: FastAPI = application.make(
            self._serving, origins=origins, hosts=self._hosts, secure=self._security.strict
        )

    async def open(self) -> None:
        """Open the database first: without it no other part starts. Raises `StoreError`."""
        self.folder.create()
        self._store = await open_store(self.folder)

    def uvicorn_options(self) -> dict[str, Any]:
        """Return the application and its two protocols, as uvicorn names them."""
        largest = self.settings.calls.max_message_bytes
        websocket = protocol_class(self._require_endpoint, largest)
        return {
            "app": self.app,
            "ws": websocket,
            "http": partial(TimedHttpProtocol, secure=self._security.strict),
        }

    def _require_endpoint(self) -> WebSocketEndpoint:
        assert self._endpoint is not None, "the lifespan has begun"
        return self._endpoint

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[Services]:
        store = self._store
        assert store is not None, "it was opened"
        async with AsyncExitStack() as stack:
            stack.push_async_callback(store.close)
            try:
                services = await self._open(stack, store)
            except ConfigError as error:
                self.failure = error
                raise
            self.services = services
            yield services

    async def _open(self, stack: AsyncExitStack, store: Store) -> Services:
        settings, calls, make_id = self.settings, self.settings.calls, ids()
        catalogue = self._load_catalogue()
        load = LoadMonitor(LoadThresholds(calls.overload_lag_ms / 1000, calls.overload_wait_s))
        metrics = Metrics(load)
        adapters = await stack.enter_async_context(Adapters(settings, self.folder, metrics))
        writer = await stack.enter_async_context(
            GroupCommitter(store, on_commit=metrics.observe_commit)
        )
        hooks = targets(settings.webhooks, self.folder)
        events = EventLog(
            store.outbox,
            writer.submit,
            make_id=make_id,
            now=now,
            webhooks=subscribers(settings.webhooks),
        )
        ledger = await _open_ledger(stack, store, writer, make_id, events)
        registry = await stack.enter_async_context(InProcessCallRegistry())
        metrics.watch(
            asyncio.get_running_loop().time,
            calls=lambda: len(registry),
            recognisers_busy=lambda: adapters.recognisers_busy,
        )
        maintenance = CredentialMaintenance(store, now)
        stack.push_async_callback(_write_last_notes, maintenance)
        _beside(stack, maintenance.run(), "upkeep")
        secret_budget = SecretBudget()
        secret_budget.load(await store.secrets(), now())
        _beside(stack, _report_damage(self.folder), "damage")
        _beside(stack, _watch_other_processes(store, registry), "other processes")
        default = catalogue.get(calls.default_assistant)
        _beside(stack, _warm_and_watch(adapters, catalogue, default, metrics), "lag")
        _beside(stack, adapters.follow_knowledge(list(catalogue)), "knowledge")
        policy, refusals = CredentialPolicy(calls.client_mcp_servers), RefusalLog()
        _beside(stack, events.forget_old(), "old_events")
        private = settings.net.allow_private
        for sender in senders(stack, hooks, events, allow_private=private):
            _beside(stack, sender.run(), "webhook")
        variables = AssistantVariables(store, registry)
        call_setup = CallSetup(
            identify=_identifier(store, maintenance, refusals),
            policy=policy,
            resolver=self._resolver(catalogue, store, policy, adapters, make_id, variables),
            admission=self._admission(registry, adapters, load),
            store=store,
            registry=registry,
            build=CallBuilder(
                adapters, writer, calls, make_id, metrics, InProcessEventBus(), ledger, events
            ),
            make_id=make_id,
            counts=metrics,
            complete_history=ToolHistory(ledger, writer.submit, make_id=make_id, now=now),
            listener=events,
            variables=variables,
        )
        widget_origins = frozenset(o for one in catalogue for o in one.widget.origins)
        self._endpoint = self._make_endpoint(call_setup, registry, make_id, widget_origins)
        await stack.enter_async_context(
            open_transports(settings, installed(), call_setup, registry)
        )
        return Services(
            store=store,
            policy=policy,
            catalogue=catalogue,
            call_setup=call_setup,
            registry=registry,
            variables=variables,
            maintenance=maintenance,
            secret_budget=secret_budget,
            visitor_limits=VisitorLimits(),
            connection_reports=ConnectionReports(),
            quality=metrics.quality,
            now=now,
            make_id=make_id,
            default_assistant=calls.default_assistant,
            hears=adapters.hears,
            notes=adapters.notes,
            samples=VoiceSamples(adapters.voices, adapters.voice),
            tools=adapters.tools,
            ledger=ledger,
            events=events,
            webhooks=settings.webhooks,
            knowledge=adapters.live_knowledge,
            webrtc=webrtc.signalling(
                settings, call_setup, registry, make_id, metrics.count_packets
            ),
            ice_servers=webrtc.ice_servers(settings),
            ready=store.ping,
            metrics=metrics.exposition,
            public_metrics=settings.server.public_metrics,
            security=self._security,
            origins=self._origins,
            widget_origins=widget_origins,
            refusals=refusals,
        )

    def _load_catalogue(self) -> Catalogue:
        catalogue = load_catalogue(self.folder)
        for name, error in catalogue.broken.items():
            log.error("assistant_broken", extra={"assistant": name, "mistakes": str(error)})
        return catalogue

    def _resolver(
        self,
        catalogue: Catalogue,
        store: Store,
        policy: CredentialPolicy,
        adapters: Adapters,
        make_id: Callable[[str], str],
        variables: AssistantVariables,
    ) -> CallResolver:
        return CallResolver(
            catalogue,
            store,
            policy=policy,
            default_assistant=self.settings.calls.default_assistant,
            make_id=make_id,
            max_minutes=self.settings.calls.max_minutes,
            server_tools=adapters.tools,
            variables=variables.of,
            voices=adapters.voices,
        )

    def _admission(
        self, registry: InProcessCallRegistry, adapters: Adapters, load: LoadMonitor
    ) -> Admission:
        calls = self.settings.calls
        return Admission(
            registry,
            InProcessCallCounters(),
            max_calls=calls.max_calls,
            max_calls_per_key=calls.max_calls_per_key,
            max_calls_per_user=calls.max_calls_per_user,
            max_calls_per_secret=calls.max_calls_per_secret,
            load=load,
            needs_stt_worker=adapters.needs_stt_worker,
        )

    def _make_endpoint(
        self,
        call_setup: CallSetup,
        registry: InProcessCallRegistry,
        make_id: Callable[[str], str],
        widget_origins: frozenset[str],
    ) -> WebSocketEndpoint:
        calls = self.settings.calls
        return WebSocketEndpoint(
            call_setup,
            registry,
            largest=calls.max_message_bytes,
            timeout_s=calls.slow_client_timeout_s,
            max_pending=calls.max_pending_connections,
            security=self._security,
            origins=(*self._origins, *widget_origins),
            hosts=self._hosts,
            make_id=make_id,
        )


def _identifier(
    store: Store, maintenance: CredentialMaintenance, refusals: RefusalLog
) -> Callable[[str | None], Awaitable[Caller]]:
    """Return the function that finds the caller of a credential, and notes its use."""

    async def identify(credential: str | None) -> Caller:
        caller = await authentication.identify(store, credential, now())
        if not isinstance(caller, Caller):
            if credential:
                refusals.record("credential_refused", caller.code, time.monotonic())
            raise refused(caller)
        maintenance.note(caller)
        return caller

    return identify


async def _write_last_notes(maintenance: CredentialMaintenance) -> None:
    with suppress(StoreError):  # it is logged already, and only last_used_at is lost
        await maintenance.write()


async def _open_ledger(
    stack: AsyncExitStack,
    store: Store,
    writer: GroupCommitter,
    make_id: Callable[[str], str],
    events: EventLog,
) -> ToolLedger:
    """Settle what an earlier process left, and record from now on."""
    ledger = ToolLedger(
        store.tool_runs, writer.submit, make_id=make_id, now=now, on_change=events.run_changed
    )
    await stack.enter_async_context(ledger)
    await ledger.recover()
    return ledger


def _own_names(host: str) -> tuple[str, ...]:
    """Return the names of this machine, and the one that the server listens on."""
    machine = socket.gethostname()
    return (host, machine, f"{machine.partition('.')[0]}.local")


def _beside(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Start a background task that ends before the parts that it uses are closed."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_log_bug)

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)


async def _watch_other_processes(store: Store, registry: InProcessCallRegistry) -> None:
    """End calls, sidebands and requests by what another process revokes or deletes."""
    await other_processes.watch(
        store,
        other_processes.revocations(store, registry.in_use, registry.revoke),
        other_processes.deletions(store, registry),
    )


async def _report_damage(folder: DataFolder) -> None:
    """Look for damage that SQLite would find only when it reads the place. Calls go on."""
    if (damage := await find_damage(folder)) is not None:
        log.error("database_damaged", extra={"why": damage})


def _log_bug(task: asyncio.Task[None]) -> None:
    """Log why a background task ended early: the server does not await its result."""
    if not task.cancelled() and (bug := task.exception()) is not None:
        log_failure(log, "background_task_failed", bug, task=task.get_name())


async def _warm_and_watch(
    adapters: Adapters, catalogue: Catalogue, default: Assistant | None, metrics: Metrics
) -> None:
    """Measure event-loop lag only after warm-up: loading models blocks the loop."""
    await connect_tools(adapters, catalogue)
    await _warm(adapters, default)
    await loop_lag.watch(metrics.report_lag)


async def _warm(adapters: Adapters, assistant: Assistant | None) -> None:
    """Load what calls need. A part that fails is logged; calls and `vivavoce doctor` report it."""
    if assistant is not None:
        try:
            with contained("engine", passing=VivavoceError):
                await adapters.preload(assistant)
        except VivavoceError as error:
            log.warning("not_warm", extra={"assistant": assistant.name, "why": str(error)})
    # Everything that is loaded now stays. Without `freeze`, each full garbage collection scans it
    # and stops all calls for about 70 ms.
    gc.freeze()
    # With the default threshold of 700, decoding an event of 50,000 objects spent half of its time
    # in garbage collections.
    gc.set_threshold(10_000, 10, 10)
