"""`vivavoce link`: print another sign-in link for the page."""

from __future__ import annotations

from ..access import sign_in
from ..clock import now
from . import lock
from .common import DataDir, JsonOption, command, data_folder_of, opened_store, print_json, run
from .terminal import err, out


def link(data_dir: DataDir = None, json: JsonOption = False) -> None:
    """Print a link that signs one browser in. Valid once, for 10 minutes."""
    data = data_folder_of(data_dir)
    running = lock.taken(data)
    known = running and data.address.is_file()
    url = data.address.read_text("utf-8") if known else "http://localhost:8080"

    async def work() -> str:
        async with opened_store(data) as store:
            return await sign_in.new_code(store, now())

    made = sign_in.link(url, run(work()))
    if not running:
        err.line(f"No server runs on {data.root} now. Start it: {command(data, 'serve')}")
    if json:
        print_json({"link": made})
    else:
        out.line(made)
