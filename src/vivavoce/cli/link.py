"""`vivavoce link`: print another sign-in link for the page."""

from __future__ import annotations

from ..access import sign_in
from ..clock import now
from . import lock
from .common import (
    DataDir,
    JsonOption,
    command,
    data_folder_of,
    err,
    opened_store,
    out,
    print_json,
    run,
)


def link(data_dir: DataDir = None, json: JsonOption = False) -> None:
    """Print a link that signs one browser in. Valid once, for 10 minutes."""
    data = data_folder_of(data_dir)
    url = data.address.read_text("utf-8") if data.address.is_file() else "http://localhost:8080"

    async def work() -> str:
        async with opened_store(data) as store:
            return await sign_in.new_code(store, now())

    made = sign_in.link(url, run(work()))
    if not lock.taken(data):
        err.print(f"No server runs on {data.root} now. Start it: {command(data, 'serve')}",
                  markup=False)  # fmt: skip
    if json:
        print_json({"link": made})
    else:
        out.print(made)
