"""`vivavoce audit`: list the acts with credentials and records, each with its actor."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from ..clock import now
from ..store.base import AuditPage
from .common import DataDir, JsonOption, data_folder_of, opened_store, print_json, run, when
from .keys import lasting
from .terminal import out


def audit(
    actor: Annotated[
        str | None, typer.Option(help="Only of this one: the id of a credential, or cli:USER")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only this one, such as key_created")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only later ones: 7d, 12h, 90m, or a time (RFC 3339)")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """List acts with credentials and records, the newest first."""
    after = None if since is None else _moment(since, now())

    async def work() -> AuditPage:
        async with opened_store(data_folder_of(data_dir)) as store:
            return await store.acts(actor=actor, action=action, since=after, limit=limit)

    page = run(work())
    if json:
        print_json([
            {"id": row.id, "at": row.at, "actor": row.actor, "action": row.action,
             "target": row.target, "detail": row.detail}
            for row in page.data
        ])  # fmt: skip
        return
    if not page.data:
        out.print("There are no such acts.")
    for row in page.data:
        detail = "".join(f"  {name}={value}" for name, value in row.detail.items())
        out.line(f"{when(row.at)}  {row.action:20}  {row.target or '–'}  by {row.actor}{detail}")
    if page.has_more:
        out.print(f"There are more: --limit {limit * 2}")


def _moment(text: str, at: datetime) -> datetime:
    """Parse a time, or a time span that ends at `at`. A time without a zone is local."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        pass
    span: timedelta = lasting(text)
    return at - span
