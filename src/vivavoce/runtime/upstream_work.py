"""The other side of a relay's line: the connection to the upstream, and who looks at each frame.

    client ─► TrunkReader.frame ─► outbox ─► upstream          what nobody has to know is forwarded
    client ◄─ outboxes ◄─ line ◄── Trunk.frame ◄─ upstream     inside the callback that brought it

No task, queue or copy per frame. Order is kept because what is taken and what is forwarded leave
through the same outbox. A client that does not read pauses the upstream, and an upstream that does
not read pauses its clients; after `timeout_s` it counts as lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol, assert_never

from ..core import effects as do
from ..core.effects import UpstreamEffect
from ..core.inputs import FromClient, FromUpstream, UpstreamLost
from ..core.relay import MAX_HELD_BYTES, Direction, Relay, Verdict
from ..core.types import Frame
from ..protocol import server
from ..protocol.close_codes import CloseCode
from .client import Client
from .loop_share import LARGE, LoopQueue, LoopShare
from .outbox import LIMIT, SLOW_PEER_TIMEOUT_S, Outbox, Transport

if TYPE_CHECKING:
    from .driver import RelayDriver

_UP, _DOWN, _FORWARD = Direction.UP, Direction.DOWN, Verdict.FORWARD


class Far(Protocol):
    """What a connection to an upstream calls."""

    def frame(self, data: Frame) -> None: ...

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None: ...


class UpstreamTransport(Transport, Protocol):
    """A transport that we opened: it says nothing until somebody is there to listen."""

    def join(self, receiver: Far) -> None: ...


class UpstreamWork:
    """The `Work` of a relay."""

    def __init__(
        self,
        relay: Relay,
        upstream: UpstreamTransport,
        *,
        secret: str = "",
        send_buffer_bytes: int = LIMIT,
        timeout_s: float = SLOW_PEER_TIMEOUT_S,
    ) -> None:
        """`secret`: the key of the upstream, which is taken out of whatever quotes it."""
        self.relay = relay
        loop = asyncio.get_running_loop()
        self.outbox = Outbox(upstream, loop.time, limit=send_buffer_bytes, timeout_s=timeout_s)
        self._loop = loop
        self._upstream = upstream
        self._secret = secret.encode()
        self._glance = relay.glance
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._driver: RelayDriver

    def begin(self, driver: RelayDriver, tasks: asyncio.TaskGroup) -> None:
        self._driver = driver
        self._upstream.join(self)

    # What the upstream brings

    def frame(self, data: Frame) -> None:
        if self._glance(_DOWN, data) is _FORWARD:
            self._driver.forward(data)
        else:
            self._driver.feed(FromUpstream(self._clean(bytes(data))))

    def writable(self) -> None:
        self.outbox.flush()
        self._driver.reconcile()

    def lost(self, code: int, reason: str) -> None:
        self.outbox.forget()
        reason = self._clean(reason.encode()).decode("utf-8", "ignore")
        self._driver.feed(UpstreamLost(code, reason))
        self._driver.reconcile()

    # What the line asks

    def stop(self, effect: do.Cancel) -> None:
        """A relay cancels nothing: its upstream does."""

    def perform(self, effect: UpstreamEffect) -> None:
        match effect:
            case do.SendUpstream(data=data):
                self.outbox.put(data)
            case do.CloseUpstream(code=code, reason=reason):
                self.outbox.abort(code, reason)
            case _:
                assert_never(effect)

    def shape(self, event: server.ServerEvent) -> tuple[server.ServerEvent, ...]:
        return (event,)

    def update_backpressure(self) -> None:
        """Stop reading from an upstream whose client does not read."""
        if self.outbox.closed:
            return
        pause = not self._driver.has_room()
        if pause != self._paused:
            self._paused = pause
            (self._upstream.pause_reading if pause else self._upstream.resume_reading)()
        due = self.outbox.deadline()
        if due is None and self._timer:
            self._timer.cancel()
            self._timer = None
        elif due is not None and self._timer is None:
            self._timer = self._loop.call_at(due, self._too_slow)

    def end(self) -> None:
        if self._timer:
            self._timer.cancel()
        self.outbox.abort(CloseCode.GOING_AWAY, "the call is over")

    def _too_slow(self) -> None:
        self._timer = None
        self.outbox.abort(CloseCode.TRY_AGAIN_LATER, "too slow")
        self._driver.feed(
            UpstreamLost(CloseCode.TRY_AGAIN_LATER, "the model's provider is too slow")
        )
        self._driver.reconcile()

    def _clean(self, data: bytes) -> bytes:
        return data.replace(self._secret, b"***") if self._secret else data


class RelayReader:
    """Brings what a client says to the upstream: the `Reader` of a relayed call.

    Each frame of a control connection is taken: the relay has to know who asked for which change.
    The relay decodes and encodes taken frames, so the loop turns between them (see `loop_share`).
    """

    def __init__(
        self,
        driver: RelayDriver,
        upstream_work: UpstreamWork,
        client: Client,
        *,
        queue: LoopQueue | None = None,
    ) -> None:
        self._driver = driver
        self._client = client
        self._relay = upstream_work.relay
        self._glance = upstream_work.relay.glance
        self._outbox = upstream_work.outbox
        self._sideband = client.sideband
        self._takes_all = client.sideband  # also while anything waits: order is kept
        self._early = 0  # bytes that came before the call was open
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._share = LoopShare(self._turned, queue)

    @property
    def is_behind(self) -> bool:
        full = self._outbox.full or (self._sideband and self._driver.over_high_water())
        early = self._early > MAX_HELD_BYTES and not self._relay.flowing
        waits = self._waiting_bytes > MAX_HELD_BYTES
        return full or early or waits or self._relay.over_limit

    def frame(self, data: Frame) -> None:
        if not self._takes_all and self._glance(_UP, data) is _FORWARD:
            self._outbox.forward(data)
            if self._outbox.full:
                self._driver.reconcile()
        else:
            self._take(bytes(data))

    def resume(self) -> None:
        if self._share.working or self._share.turning:
            return
        while self._waiting:
            if self._share.used_up:
                self._share.turn()
                return
            data = self._waiting.popleft()
            self._waiting_bytes -= len(data)
            with self._share:
                self._driver.feed(FromClient(data, self._sideband), self._client.id)
        self._takes_all = self._sideband

    def discard(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    def _take(self, data: bytes) -> None:
        if not self._relay.flowing:
            self._early += len(data)
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self._takes_all = True
        if len(data) > LARGE:
            self._share.turn()
        self.resume()
        if self._waiting or not self._relay.flowing:
            self._client.update_backpressure()

    def _turned(self) -> None:
        self.resume()
        self._driver.reconcile()  # we may read again
