"""Check that each webhook has a secret, and that it received what happened."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ...errors import ConfigError
from ..storage import open_store
from ..webhooks import targets
from .base import Check, CheckContext, CheckFailedError


def checks(context: CheckContext) -> Mapping[str, Check]:
    """Return a check for each webhook of the settings."""
    webhooks = context.settings.webhooks
    return {f"webhook {each.url}": partial(_check, url=each.url) for each in webhooks}


async def _check(context: CheckContext, *, url: str) -> str:
    chosen = [each for each in context.settings.webhooks if each.url == url]
    try:
        targets(chosen, context.data)
    except ConfigError as error:
        reasons = "; ".join(mistake.message for mistake in error.mistakes)
        fix = "Set the secret that signs the events, in the server's environment or in its file."
        raise CheckFailedError(reasons, fix) from None
    if not context.data.is_used():
        return "has a secret"
    store = await open_store(context.data, migrate=False)
    try:
        waiting, dead = (await store.outbox.counts()).get(url, (0, 0))
        newest = next((d for d in await store.outbox.dead() if d.webhook == url), None)
    finally:
        await store.close()
    if dead and newest is not None:
        raise CheckFailedError(
            f"{dead} events were given up, the last one with: {newest.error}",
            "Repair the receiver. GET /api/webhooks names the events that it has not received.",
        )
    return f"has a secret; {waiting} events wait for delivery"
