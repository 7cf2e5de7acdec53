"""Run the server: listen, print the address, and end at a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import typer
import uvicorn

from ..access import sign_in
from ..app import server_address
from ..app.data_folder import DataFolder
from ..app.server import Server
from ..app.server_address import ServerAddress
from ..bounded_work import contain_exits
from ..clock import now
from ..config import Settings
from . import logs
from .common import command, warn
from .operator import operator
from .terminal import err, escape_markup, out

log = logging.getLogger(__name__)

LEAVE_WITHIN_S = 8
TASKS_END_WITHIN_S = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def new_loop() -> asyncio.AbstractEventLoop:
    """Use uvloop if it is installed: I/O is cheaper, and no thread waits for a child process."""
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class UvicornServer(uvicorn.Server):
    """End at a signal without killing the process, as uvicorn would, so that we can clean up."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in _signals()}
        for number in before:
            signal.signal(number, lambda n, frame: loop.call_soon_threadsafe(self._leave, n))
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def _leave(self, number: int) -> None:
        log.info("server_stopping", extra={"signal": signal.Signals(number).name})
        self.force_exit = self.should_exit  # the second signal
        self.should_exit = True


def _signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end the server. `nohup` makes it ignore the end of its terminal."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        return (*SIGNALS, signal.SIGHUP)
    return SIGNALS


async def serve(chosen: Settings, data: DataFolder, listening: socket.socket) -> None:
    """Serve until a signal arrives."""
    logs.watch(asyncio.get_running_loop())
    contain_exits(asyncio.get_running_loop())
    server = Server(chosen, data)
    await server.open()
    uvicorn_server = UvicornServer(
        uvicorn.Config(
            **server.uvicorn_options(),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=LEAVE_WITHIN_S,
            ssl_certfile=chosen.server.tls_cert,
            ssl_keyfile=chosen.server.tls_key,
        )
    )
    # One line says what is wrong with the settings. uvicorn would log a traceback before it.
    logging.getLogger("uvicorn.error").addFilter(lambda record: server.failure is None)
    address = server_address.of(
        chosen.server, listening.getsockname()[1], dual_stack=is_dual_stack(listening)
    )
    announcing = asyncio.create_task(_announce(uvicorn_server, server, chosen, data, address))
    try:
        await uvicorn_server.serve(sockets=[listening])
    except SystemExit:  # uvicorn has logged that the application did not start
        if server.failure is not None:
            raise server.failure from None
        raise
    finally:
        announcing.cancel()
        await asyncio.wait([announcing])
        data.address.unlink(missing_ok=True)
    if not uvicorn_server.started:
        raise typer.Exit(1)
    log.info("server_stopped")
    await end_tasks()


async def end_tasks() -> None:
    """Cancel all other tasks. End the process at once if one of them ignores that.

    Everything is stored and closed by now. The event loop would wait for such a task without end.
    The task may belong to a tool or a transport of any package.
    """
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    left = (await asyncio.wait(tasks, timeout=TASKS_END_WITHIN_S))[1] if tasks else ()
    if left:
        log.error("tasks_left_behind", extra={"tasks": len(left)})
        logging.shutdown()
        os._exit(0)


def is_dual_stack(listening: socket.socket) -> bool:
    """Return whether a socket of IPv6 takes connections of IPv4 too."""
    if listening.family != socket.AF_INET6:
        return False
    return not listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


async def _announce(
    uvicorn_server: uvicorn.Server,
    server: Server,
    chosen: Settings,
    data: DataFolder,
    address: ServerAddress,
) -> None:
    """Print the address and a sign-in link when the server listens."""
    while not uvicorn_server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    assert server.services is not None
    server_address.write(data, address)
    code = await sign_in.new_code(server.services.store, now(), by=operator())
    out.print(f"\n  Vivavoce is listening on {escape_markup(address.listening)}")
    if address.public != address.listening:
        out.print(f"  Its public address is {escape_markup(address.public)}")
    out.print("")
    out.print("  Open this link to sign in (once, within 10 minutes):")
    out.print(f"  [bold]{escape_markup(sign_in.link(address.public, code))}[/bold]\n")
    for what, words in (("Another link", ["link"]), ("A key for programs", ["keys", "create"])):
        out.print(f"  {what + ':':20}[bold]{escape_markup(command(data, *words))}[/bold]")
    out.print(f"  {'Stop:':20}Ctrl+C\n")
    default = chosen.calls.default_assistant
    if server.services.catalogue.get(default) is None:
        there = ", ".join(one.name for one in server.services.catalogue)
        warn(f"calls.default_assistant is '{default}', and there is no such assistant: calls that "
             f"name none are refused. There are: {there}.")  # fmt: skip
    for name, error in server.services.catalogue.broken.items():
        warn(f"the assistant '{name}' has mistakes and is not served:")
        for mistake in error.mistakes:
            err.line(str(mistake))
