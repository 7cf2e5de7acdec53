"""Connects a relay with its upstream, and decides for each frame: forward it or take it.

    client ─► RelayReader.frame ──────────────► outbox ─► upstream
    client ◄─ outboxes ◄─ driver ◄─ UpstreamWork.frame ◄─ upstream

A frame that the machine need not read is forwarded inside the callback that brought it: no task,
queue or copy per frame. Taken and forwarded frames leave through the same outbox, which keeps their
order. A client that does not read pauses the upstream, and an upstream that does not read pauses
its clients. After `timeout_s` such an upstream counts as lost.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from typing import TYPE_CHECKING, Protocol, assert_never

from ..core import effects as do
from ..core.effects import UpstreamEffect
from ..core.inputs import FromClient, FromUpstream, UpstreamLost
from ..core.relay import MAX_HELD_BYTES, Direction, Relay, Verdict
from ..core.types import Frame
from ..net.websocket import SLOW_PEER_TIMEOUT_S, FrameReceiver
from ..protocol import codec
from ..protocol.client import AudioAppend, ClientEvent
from ..protocol.close_codes import CloseCode
from .client_port import ClientPort
from .knowledge_work import KnowledgeWork
from .loop_share import LARGE, LoopQueue, LoopShare
from .outbox import LIMIT, Connection, Outbox
from .tool_work import ToolWork

if TYPE_CHECKING:
    from .driver import RelayDriver

log = logging.getLogger("vivavoce.upstream")

PLAYBACK_BYTES = 16 * 1024 * 1024  # of PCM: 349 s, more than a provider's longest answer
"""Limits the audio of an upstream that waits to be played. Beyond it the upstream is not read, so
it must not be reached: `speech_started` would wait behind the audio that it interrupts."""
LOGGED = 120  # characters of a provider's words
_UNPRINTABLE = re.compile(r"[^ -~]")

_UP, _DOWN, _FORWARD = Direction.UP, Direction.DOWN, Verdict.FORWARD


class UpstreamTransport(Connection, Protocol):
    """A connection that this server opened. It delivers nothing before `join`."""

    def join(self, receiver: FrameReceiver) -> None: ...


class UpstreamWork:
    """The `Work` of a relay."""

    def __init__(
        self,
        relay: Relay,
        upstream: UpstreamTransport,
        *,
        tools: ToolWork | None = None,
        knowledge: KnowledgeWork | None = None,
        secret: str = "",
        send_buffer_bytes: int = LIMIT,
        timeout_s: float = SLOW_PEER_TIMEOUT_S,
    ) -> None:
        """`tools` runs the tools of the server. None: it has none.

        `knowledge` searches that of the assistant. None: the relay does not ask for it.

        `secret` is the upstream's key. It is removed from frames that quote it.
        """
        self.relay = relay
        loop = asyncio.get_running_loop()
        self.outbox = Outbox(upstream, loop.time, limit=send_buffer_bytes, timeout_s=timeout_s)
        self._loop = loop
        self._upstream = upstream
        self._tools = tools or ToolWork()
        self._knowledge = knowledge
        self._secret = secret.encode()
        self._glance = relay.glance
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._driver: RelayDriver

    def begin(self, driver: RelayDriver, tasks: asyncio.TaskGroup) -> None:
        self._driver = driver
        self._tools.begin(tasks, driver.feed)
        if self._knowledge is not None:
            self._knowledge.begin(tasks)
        self._upstream.join(self)

    # The upstream's connection calls these

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
        if code not in (CloseCode.NORMAL, CloseCode.GOING_AWAY):
            self._report("upstream_lost", code=int(code), reason=_printable(reason))
        self._driver.feed(UpstreamLost(code, reason))
        self._driver.reconcile()

    # The driver calls these

    def stop(self, effect: do.Cancel) -> None:
        """Ignore this: the upstream cancels its own responses."""

    def perform(self, effect: UpstreamEffect) -> None:
        match effect:
            case do.SendUpstream(data=data):
                self.outbox.put(data)
            case do.CloseUpstream(code=code, reason=reason):
                self.outbox.abort(code, reason)
            case do.CallTool() | do.CancelTool() | do.ReportToolRounds():
                self._tools.perform(effect, self._driver.mailbox.put)
            case do.SearchKnowledge():
                assert self._knowledge is not None, "the relay asks only if it may"
                self._knowledge.search(effect, self._driver.mailbox.put)
            case do.UseKnowledge():
                assert self._knowledge is not None, "the relay searched"
                self._knowledge.use(effect)
            case do.ReportUpstream(event=event, reason=reason):
                said = {"code": effect.code, "type": effect.type, "param": effect.param}
                said = {name: _printable(text) for name, text in said.items() if text}
                self._report(event, reason=reason, **said)
            case _:
                assert_never(effect)

    def update_backpressure(self) -> None:
        """Stop or resume reading from the upstream, as its client reads."""
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
        self._tools.end()
        if self._knowledge is not None:
            self._knowledge.end()
        self.outbox.abort(CloseCode.GOING_AWAY, "the call is over")

    def _too_slow(self) -> None:
        self._timer = None
        self.outbox.abort(CloseCode.TRY_AGAIN_LATER, "too slow")
        self._driver.feed(
            UpstreamLost(CloseCode.TRY_AGAIN_LATER, "the model's provider is too slow")
        )
        self._driver.reconcile()

    def _report(self, event: str, **fields: object) -> None:
        log.warning(event, extra={"call": self._driver.recorder.call_id, **fields})

    def _clean(self, data: bytes) -> bytes:
        return data.replace(self._secret, b"***") if self._secret else data


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("?", text[:LOGGED])


class RelayReader:
    """Passes a client's frames to the upstream: the `Reader` of a relayed call.

    Each frame of a sideband is taken, because the relay must know which client asked for a change.
    The relay decodes and encodes taken frames, so the loop turns between them (see `loop_share`).
    """

    def __init__(
        self,
        driver: RelayDriver,
        upstream_work: UpstreamWork,
        client: ClientPort,
        *,
        queue: LoopQueue | None = None,
    ) -> None:
        self._driver = driver
        self._client = client
        self._relay = upstream_work.relay
        self._glance = upstream_work.relay.glance
        self._outbox = upstream_work.outbox
        self._sideband = client.sideband
        self._takes_all = client.sideband  # true also while a frame waits, to keep the order
        self._early = 0  # bytes that arrived before the upstream's session was open
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
            if self._outbox.forward(data):
                self._driver.reconcile()
        else:
            self._take(bytes(data))

    def event(self, event: ClientEvent) -> None:
        self.frame(codec.encode(event))

    def audio(self, pcm: bytes) -> None:
        """Send audio upstream, in the format of its session. `pcm`: PCM16 at 24 kHz."""
        if audio := self._relay.encode_audio(pcm):
            self.event(AudioAppend(audio=audio))

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
        self._driver.reconcile()  # the client may be read again
