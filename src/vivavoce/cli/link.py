"""`vivavoce link`: print another sign-in link for the page."""

from __future__ import annotations

from ..access import sign_in
from ..app import server_address
from ..app.data_folder import DataFolder
from ..clock import now
from . import lock
from .common import (
    DataDir,
    JsonOption,
    command,
    data_folder_of,
    opened_store,
    print_json,
    run,
    settings,
)
from .operator import operator
from .terminal import err, out


def link(data_dir: DataDir = None, json: JsonOption = False) -> None:
    """Print a link that signs one browser in. Valid once, for 10 minutes."""
    data = data_folder_of(data_dir)
    running = lock.taken(data)
    known = server_address.read(data) if running else None

    async def work() -> str:
        async with opened_store(data) as store:
            return await sign_in.new_code(store, now(), by=operator())

    made = sign_in.link(known.public if known else _later(data), run(work()))
    if not running:
        err.line(f"No server runs on {data.root} now. Start it: {command(data, 'serve')}")
    if json:
        print_json({"link": made})
    else:
        out.line(made)


def _later(data: DataFolder) -> str:
    """Return the address that people will open when a server with the folder's settings runs."""
    server = settings(data).server
    return server_address.of(server, server.port or 8080, dual_stack=True).public
