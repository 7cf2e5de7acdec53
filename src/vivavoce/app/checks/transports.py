"""Start and stop each transport of `vivavoce.toml`, so that a used port or a wrong key is seen."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

from ...bounded_work import within
from ...engines.registry import installed
from ...engines.transport_spec import Endpoint, TransportSpec
from ...runtime.call_spec import CallRequest
from ...runtime.refusals import busy
from ...runtime.transport_services import Admitted, CallNames, TransportServices
from ..transports import START_WITHIN_S, STOP_WITHIN_S, reason_of, started
from .addresses import is_running
from .base import Check, CheckContext, CheckFailedError


def checks(context: CheckContext) -> Mapping[str, Check]:
    """Return a check for each transport that the settings configure."""
    names = sorted(context.settings.transports.names())
    return {f"transport {name}": partial(_check, name) for name in names}


async def _check(name: str, context: CheckContext) -> str:
    found = installed()
    spec = found.transports.get(name)
    if spec is None:
        reason = found.reasons().get(("transport", name), "is not installed")
        raise CheckFailedError(reason, f"Install its package, or remove [transports.{name}].")
    if await is_running(context):
        return "not tried, because the server runs and uses its address"
    if (error := await _try(name, spec, context)) is not None:
        raise CheckFailedError(reason_of(error), _fix(name, error))
    return "starts and stops"


async def _try(
    name: str, spec: TransportSpec[TransportServices], context: CheckContext
) -> Exception | None:
    """Return what the transport raised at its start or stop. None: it did both."""
    tasks: set[asyncio.Task[None]] = set()

    def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        tasks.add(task)
        return task

    services = TransportServices(
        name, spec.options(context.settings), admit=_refuse, spawn=spawn, max_pending=1
    )
    made: list[Endpoint] = []
    about = {"transport": name}
    failure: Exception | None = None
    try:
        await within(START_WITHIN_S, started(spec, services, made), about)
    except Exception as error:
        failure = error
    try:
        for endpoint in made:
            await within(STOP_WITHIN_S, endpoint.stop(), about)
    except Exception as error:
        failure = failure or error
    finally:
        for task in tasks:
            task.cancel()
    return failure


async def _refuse(request: CallRequest) -> tuple[CallNames, Admitted]:
    raise busy("This server is only being checked.", 5)


def _fix(name: str, error: Exception) -> str:
    table = f"[transports.{name}] in vivavoce.toml"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"Stop the program that uses its address, or choose another one: {table}."
    return f"See {table}, and the files that it names. Its package may also be broken."
