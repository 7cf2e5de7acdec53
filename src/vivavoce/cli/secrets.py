"""`vivavoce secrets`: the client secrets with which browsers start calls."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..access import client_secrets
from ..access.auth_failure import AuthFailure
from ..clock import now
from ..store.base import SecretRow
from .common import (
    USAGE,
    DataDir,
    JsonOption,
    command,
    data_folder_of,
    fail,
    opened_store,
    print_json,
    run,
    when,
)
from .operator import operator
from .terminal import out

app = typer.Typer(help="Client secrets: list, revoke", no_args_is_help=True)

Listed = list[tuple[SecretRow, AuthFailure | None]]
STDIN = "-"


@app.command("list")
def listed(data_dir: DataDir = None, json: JsonOption = False) -> None:
    """List the client secrets of the last day, without their values."""
    rows = run(_all(data_dir))
    if json:
        print_json([_about(row, refusal) for row, refusal in rows])
        return
    if not rows:
        out.print("There are no client secrets. Programs with an API key and the page mint them.")
    for row, refusal in rows:
        grant = row.grant
        line = (f"{row.id}  {_state(row, refusal):8}  until {when(row.expires_at)}  "
                f"by {row.minted_by or 'this command line'}  {grant.assistant or 'any assistant'}"
                f"  {grant.subject or '–'}")  # fmt: skip
        out.line(line)


@app.command()
def revoke(
    secret: Annotated[str, typer.Argument(help="Its id, or - to read the secret itself")],
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Revoke a client secret, and end the calls that it started within a second."""
    if secret.startswith(client_secrets.PREFIX):
        hint = command(data_folder_of(data_dir), "secrets", "revoke", STDIN)
        fail(f"Other users of this machine can read command lines. Pipe the secret: {hint}", USAGE)
    value = sys.stdin.readline() if secret == STDIN else None

    async def work() -> tuple[SecretRow | None, bool]:
        async with opened_store(data_folder_of(data_dir)) as store:
            if value is None:
                row = await store.secret(secret) if _is_id(secret) else None
            else:
                row = await client_secrets.of_value(store, value)
            if row is None:
                return None, False
            return row, await client_secrets.revoke_as(store, operator(), row.id, now())

    row, ended = run(work())
    if row is None:
        which = "this client secret" if secret == STDIN else f"a client secret {secret}"
        fail(f"There is no record of {which}. It may have ended more than a day ago: "
             "`secrets list` shows the ids, which begin with cs_.")  # fmt: skip
    if not ended:
        fail(f"The client secret {row.id} was revoked already: {when(row.revoked_at)}.")
    if json:
        print_json({"id": row.id, "revoked": True})
    else:
        out.line(f"{row.id} is revoked.")


def _is_id(text: str) -> bool:
    return text.startswith(f"{client_secrets.ID_KIND}_")


async def _all(data_dir: Path | None) -> Listed:
    """Return client secrets without sign-ins, each with the reason if it is not valid."""
    async with opened_store(data_folder_of(data_dir)) as store:
        rows = [row for row in await store.secrets() if _is_id(row.id)]
        return [(row, await client_secrets.refusal_of(store, row, now())) for row in rows]


def _state(row: SecretRow, refusal: AuthFailure | None) -> str:
    if refusal is None:
        return "good"
    expired = row.revoked_at is None and row.expires_at <= now()
    return "expired" if expired else "revoked"


def _about(row: SecretRow, refusal: AuthFailure | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "minted_by": row.minted_by,
        "assistant": row.grant.assistant,
        "user": row.grant.subject,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "state": _state(row, refusal),
    }
