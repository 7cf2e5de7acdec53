"""Starts the transports that `vivavoce.toml` configures, and stops them when the server stops."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from ..bounded_work import LateError, within
from ..config import Settings
from ..engines.registry import Registry
from ..engines.transport_spec import Endpoint, TransportSpec
from ..errors import ConfigError, Mistake
from ..failures import log_failure
from ..runtime.call_registry import InProcessCallRegistry
from ..runtime.call_setup import CallSetup
from ..runtime.call_spec import CallRequest
from ..runtime.transport_services import Admitted, CallNames, TransportServices

log = logging.getLogger("vivavoce.transports")

START_WITHIN_S = 10.0
STOP_WITHIN_S = 5.0


@asynccontextmanager
async def open_transports(
    settings: Settings, adapters: Registry, call_setup: CallSetup, registry: InProcessCallRegistry
) -> AsyncIterator[None]:
    """Start each configured transport. One that fails is logged, and the others work.

    Raises `ConfigError` if it is `required`. At the end, the calls are hung up first.
    """

    async def admit(request: CallRequest) -> tuple[CallNames, Admitted]:
        call = await call_setup.admit_in_time(request)
        return call.spec, call

    async with AsyncExitStack() as stack:
        for name in sorted(settings.transports.names()):
            if (spec := adapters.transports.get(name)) is None:  # its package is broken
                reason = adapters.reasons().get(("transport", name), "is not installed")
                _failed(settings, name, reason)
                continue
            services = TransportServices(
                name,
                spec.options(settings),
                admit=admit,
                spawn=registry.spawn,
                max_pending=settings.calls.max_pending_connections,
            )
            await _open(stack, settings, spec, services)
        stack.push_async_callback(registry.shutdown)
        yield


async def _open(
    stack: AsyncExitStack,
    settings: Settings,
    spec: TransportSpec[TransportServices],
    services: TransportServices,
) -> None:
    """Start one transport. Code of any package runs here, so any exception may arrive."""
    made: list[Endpoint] = []
    try:
        await within(START_WITHIN_S, started(spec, services, made), {"transport": spec.name})
    except asyncio.CancelledError:  # the server stops while it starts
        await _stop_all(spec.name, made)
        raise
    except Exception as error:
        log_failure(log, "transport_failed", error, transport=spec.name)
        reason = reason_of(error)
    else:
        stack.push_async_callback(_stop_all, spec.name, made)
        log.info("transport_started", extra={"transport": spec.name})
        return
    await _stop_all(spec.name, made)
    _failed(settings, spec.name, reason)  # outside of `except`: no log quotes the package's error


async def started(
    spec: TransportSpec[TransportServices], services: TransportServices, made: list[Endpoint]
) -> None:
    """Make the endpoint and start it. It is in `made` as soon as it must be stopped."""
    endpoint = await spec.make(services)
    made.append(endpoint)
    await endpoint.start()


async def _stop_all(name: str, made: list[Endpoint]) -> None:
    for endpoint in made:
        try:
            await within(STOP_WITHIN_S, endpoint.stop(), {"transport": name})
        except Exception as error:
            log_failure(log, "transport_not_stopped", error, transport=name)


def _failed(settings: Settings, name: str, reason: str) -> None:
    """Name a transport that does not work. Raise `ConfigError` if the server needs it."""
    log.error("transport_not_started", extra={"transport": name, "reason": reason})
    if settings.transports.required(name):
        raise ConfigError([Mistake("settings", f"transports.{name}", None, reason)])


def reason_of(error: BaseException) -> str:
    """Say why in words that hold no secret: a package's own message may quote its options."""
    match error:
        case LateError():
            return f"has not started within {START_WITHIN_S:g} seconds"
        case OSError(errno=int(number)):
            return f"cannot start: {os.strerror(number)}"
        case RuntimeError(__cause__=BaseException() as cause):  # `within` raised it from this
            return f"cannot start: {type(cause).__name__}"
        case _:
            return f"cannot start: {type(error).__name__}"
