"""Delivers events to webhooks: signed, at least once, and in order for each call.

The headers are those of Standard Webhooks. A delivery that fails is repeated with growing pauses,
and later events of its call wait for it. After the last attempt it is dead: it stays visible, and
the call's next event follows. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from standardwebhooks.webhooks import Webhook as Signer

from ..errors import StoreError
from ..failures import log_failure
from ..net.egress import place, shown
from ..net.errors import NetError
from ..net.http import HttpClient, RequestLimits
from ..store.events import Delivery
from .event_log import EventLog, payload

log = logging.getLogger(__name__)

MINUTE, HOUR = 60.0, 3600.0
PAUSES_S = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR)
GONE = 410  # the receiver wants no more of this event
AT_ONCE = 8  # deliveries to one webhook
ANSWER = RequestLimits(quiet_s=10.0, total_s=15.0, max_bytes=64 * 1024)
LOOK_EVERY_S = 60.0
AGAIN_S = 5.0  # after a failure of the store


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Hold the address of a webhook, and the secret that signs events (`whsec_…` or base64)."""

    url: str
    secret: str


class WebhookSender:
    """Delivers the events of one webhook, one task for each."""

    def __init__(
        self,
        target: WebhookTarget,
        events: EventLog,
        http: HttpClient,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._url = target.url
        self._server = shown(*place(target.url))  # for the log: a path may be a secret
        self._signer = Signer(target.secret)
        self._events = events
        self._http = http
        self._now = now
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Deliver what is due, until cancelled."""
        while True:
            try:
                signal = self._events.next_change
                if not await self._deliver_due():
                    await self._events.changed(signal, await self._pause_s())
            except StoreError:
                log.warning("webhook_store_unavailable", extra={"webhook": self._server})
                await asyncio.sleep(AGAIN_S)

    async def _deliver_due(self) -> bool:
        """Attempt each delivery that is due. Return False if there is none."""
        due = await self._events.outbox.due(self._url, self._now())
        async with asyncio.TaskGroup() as tasks:
            attempts = [tasks.create_task(self._attempt(delivery)) for delivery in due]
        for failure in filter(None, (each.result() for each in attempts)):
            raise failure
        return bool(due)

    async def _pause_s(self) -> float:
        """Return the seconds until the next delivery is due."""
        at = await self._events.outbox.next_due(self._url)
        if at is None:
            return LOOK_EVERY_S
        return min(max((at - self._now()).total_seconds(), 0.05), LOOK_EVERY_S)

    async def _attempt(self, delivery: Delivery) -> StoreError | None:
        """Post an event, and record how that ended. Return the failure of the store, if any.

        Raising it would cancel the other attempts, which may have arrived.
        """
        async with self._slots:
            error = await self._posted(delivery)
            try:
                if error is None:
                    await self._events.outbox.delivered(delivery)
                else:
                    await self._failed(delivery, error)
            except StoreError as failure:
                return failure
        return None

    async def _posted(self, delivery: Delivery) -> NetError | None:
        """Post an event. Return why it did not arrive."""
        try:
            await self._post(delivery)
        except NetError as error:
            return error
        except Exception as bug:  # of one event: the others must arrive all the same
            log_failure(log, "webhook_post_failed", bug, delivery=delivery.stored.event.id)
            return NetError("broken", "the server could not send it")
        return None

    async def _post(self, delivery: Delivery) -> None:
        event = delivery.stored.event
        body, at = payload(event), self._now()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signer.sign(event.id, at, body.decode()),
        }
        await self._http.request("POST", self._url, headers=headers, content=body, bounds=ANSWER)

    async def _failed(self, delivery: Delivery, error: NetError) -> None:
        attempts = delivery.attempts + 1
        dead = attempts > len(PAUSES_S) or error.status == GONE
        pause = timedelta(seconds=0 if dead else PAUSES_S[attempts - 1])
        now = self._now()
        tried = replace(
            delivery,
            attempts=attempts,
            error=str(error)[:200],
            next_at=None if dead else now + pause,
            dead_at=now if dead else None,
        )
        about = {"webhook": self._server, "event": delivery.stored.event.id, "attempts": attempts}
        log.warning("webhook_dead" if dead else "webhook_failed", extra=about)
        await self._events.outbox.failed(tried)
