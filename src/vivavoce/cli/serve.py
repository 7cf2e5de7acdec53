"""`vivavoce serve`: serve HTTP and WebSockets on one port, in one process and one loop."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import web_address
from ..app import tls_files
from ..web_address import InvalidAddressError
from . import lock, logs, running
from .common import DataDir, data_folder_of, fail, run, settings

if TYPE_CHECKING:
    from ..config import Settings

FILES = 65_536
NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one")
    ] = None,
    data_dir: DataDir = None,
    config: Annotated[Path | None, typer.Option(help="A settings file, vivavoce.toml")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM")] = None,
) -> None:
    """Serve assistants: the page, the API and the Realtime protocol."""
    data = data_folder_of(data_dir)
    chosen = _chosen(settings(data, config), host, port, tls_cert, tls_key)
    logs.set_up()
    _allow_files()
    listening = _bind(chosen)  # before the folder: a start that fails leaves no files
    with listening, ExitStack() as until_the_end:
        try:
            data.create()
            until_the_end.enter_context(lock.held(data))
            data.address.unlink(missing_ok=True)  # of a server that was killed
            until_the_end.enter_context(running.noted(data))
        except lock.FolderInUseError:
            fail(f"Another server runs on {data.root} already. One folder takes one server: "
                 "choose another with --data-dir.")  # fmt: skip
        except OSError as error:
            fail(f"The data folder {data.root} cannot be used: {error.strerror}.")

        from . import http_server  # slow to load, so only when the start can succeed

        run(http_server.serve(chosen, data, listening), http_server.new_loop)


def _allow_files() -> None:
    """Raise the limit of open files to what the system allows: each connection is one."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # the limit stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _chosen(
    found: Settings, host: str | None, port: int | None, cert: Path | None, key: Path | None
) -> Settings:
    given = {"host": host, "port": port, "tls_cert": cert, "tls_key": key}
    asked = {name: value for name, value in given.items() if value is not None}
    try:
        asked |= {"host": web_address.host(host)} if host is not None else {}
    except InvalidAddressError as error:
        fail(f"The host {host} cannot be used: it {error}. Choose another with --host.")
    server = found.server.model_copy(update=asked)
    if (server.tls_cert is None) != (server.tls_key is None):
        fail("TLS needs both --tls-cert and --tls-key.", 2)
    for file in (server.tls_cert, server.tls_key):
        if file is not None and (reason := tls_files.unreadable_reason(file)) is not None:
            fail(f"{file} {reason}.", 2)
    cert, key = server.tls_cert, server.tls_key
    if cert and key and (reason := tls_files.invalid_reason(cert, key)) is not None:
        fail(f"{reason}.", 2)
    return found.model_copy(update={"server": server})


def _bind(chosen: Settings) -> socket.socket:
    host, port = chosen.server.host, chosen.server.port
    try:
        family = _family(host, port)
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=1024, dualstack_ipv6=both)
    except OSError as error:
        if error.errno in NO_SUCH_ADDRESS or isinstance(error, socket.gaierror):
            fail(f"The host {host} cannot be used: this machine does not have that address. "
                 "Choose another with --host.")  # fmt: skip
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        fail(f"Port {port} of {host} cannot be used: {why}. Choose another with --port.")


def _family(host: str, port: int) -> socket.AddressFamily:
    """Return IPv4 if the host has such an address, otherwise IPv6."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    families = [each[0] for each in found]
    return socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
