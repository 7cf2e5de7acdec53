"""`vivavoce keys`: API keys for programs.

The server looks into the database at every use, and twice a second for running calls.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from ..access import keys
from ..app.data_folder import DataFolder
from ..clock import now
from ..store.base import KeyRow
from .common import (
    USAGE,
    DataDir,
    JsonOption,
    catalogue,
    command,
    confirm_new_folder,
    data_folder_of,
    fail,
    opened_store,
    print_json,
    run,
    when,
)
from .operator import operator
from .terminal import out

app = typer.Typer(help="API keys: create, list, revoke", no_args_is_help=True)

_UNITS = {"m": 60, "h": 3600, "d": 86400}


def lasting(text: str) -> timedelta:
    """Parse `30d`, `12h` or `90m`."""
    amount, unit = text[:-1], text[-1:]
    if not amount.isdecimal() or unit not in _UNITS or int(amount) == 0:
        raise typer.BadParameter("use a number and a unit, such as 30d, 12h or 90m")
    if len(amount) > 5:
        raise typer.BadParameter("use at most five digits")
    return timedelta(seconds=int(amount) * _UNITS[unit])


@app.command()
def create(
    name: Annotated[str, typer.Option(help="A name that says what the key is for")] = "",
    assistant: Annotated[str | None, typer.Option(help="Valid for this assistant only")] = None,
    expires: Annotated[
        str | None, typer.Option(help="Time until it expires: 30d, 12h, 90m")
    ] = None,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    ends = lasting(expires) if expires else None
    data = data_folder_of(data_dir)
    if assistant is not None:
        _there(assistant, data)
    confirm_new_folder(data)

    async def work() -> tuple[str, KeyRow]:
        async with opened_store(data, create=True) as store:
            at = now()
            until = at + ends if ends else None
            return await keys.create(
                store, name, at, assistant=assistant, expires_at=until, by=operator()
            )

    key, row = run(work())
    if json:
        print_json({"id": row.id, "key": key, "name": row.name, "expires_at": row.expires_at})
    else:
        out.line(key)


def _there(assistant: str, data: DataFolder) -> None:
    """Refuse an unknown assistant: every request with such a key would be refused."""
    there = catalogue(data)
    names = sorted({one.name for one in there} | set(there.broken))
    if assistant not in names:
        fail(f"There is no assistant {assistant} in {data.root}. There are: {', '.join(names)}.",
             USAGE)  # fmt: skip


@app.command("list")
def listed(data_dir: DataDir = None, json: JsonOption = False) -> None:
    """List all keys, without their values."""

    async def work() -> list[KeyRow]:
        async with opened_store(data_folder_of(data_dir)) as store:
            return await store.keys()

    rows = run(work())
    if json:
        print_json([
            {"id": r.id, "name": r.name, "assistant": r.assistant, "created_at": r.created_at,
             "expires_at": r.expires_at, "revoked_at": r.revoked_at,
             "last_used_at": r.last_used_at}
            for r in rows
        ])  # fmt: skip
        return
    if not rows:
        make = command(data_folder_of(data_dir), "keys", "create")
        out.line(f"There are no keys. This makes one: {make}")
    for row in rows:
        line = (f"{row.id}  {row.name or '–':20}  {_state(row, now()):8}  "
                f"made {when(row.created_at)}  used {when(row.last_used_at)}")  # fmt: skip
        out.line(line)


def _state(row: KeyRow, at: datetime) -> str:
    if row.revoked_at:
        return "revoked"
    return "expired" if row.expires_at and row.expires_at <= at else "good"


@app.command()
def revoke(key_id: str, data_dir: DataDir = None, json: JsonOption = False) -> None:
    """Revoke a key at once, in a running server too, and end its calls within a second."""

    async def work() -> tuple[bool, list[KeyRow]]:
        async with opened_store(data_folder_of(data_dir)) as store:
            revoked = await keys.revoke(store, key_id, now(), by=operator())
            return revoked, await store.keys()

    ended, rows = run(work())
    if not ended:
        for row in rows:
            if row.id == key_id:
                fail(f"The key {key_id} was revoked already: {when(row.revoked_at)}.")
        fail(f"There is no key {key_id}. `keys list` shows their ids, which begin with key_.")
    if json:
        print_json({"id": key_id, "revoked": True})
    else:
        out.line(f"{key_id} is revoked.")
