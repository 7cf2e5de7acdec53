"""Reads one client of a session, in order: events at once, audio piece by piece.

    frame ─► [ audio audio event ] ─► feed, while the recogniser takes more audio
                     └─ an interruption overtakes audio that is held back

Events with audio wait while the recogniser is behind, and later events wait behind them. All that
waits is counted in bytes.

Each client has a share of the loop's time. Beyond it, a client waits for a turn (`loop_share`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeAlias

from ..core.effects import ClientId
from ..core.inputs import AudioReceived, ClientInput, InvalidFrame
from ..core.types import Frame
from ..core.validation import no_sound
from ..errors import InvalidRequest
from ..protocol.client import (
    AudioAppend,
    AudioClear,
    AudioCommit,
    ClientEvent,
    Command,
    ItemCreate,
    PlayoutClear,
    ResponseCancel,
    ResponseCreate,
)
from ..protocol.items import Message
from .client_port import ClientPort
from .loop_share import LARGE, LoopQueue, LoopShare

# Above these bounds of its backlog a client is not read. 2 MiB are half a minute of live audio. A
# recogniser that hangs is given up earlier, so an interruption is still read.
BACKLOG = 2 * 1024 * 1024  # bytes
EVENTS = 2048
EVENT_BYTES = 512  # counted for an event that a port has decoded

_INTERRUPTIONS = (ResponseCancel, PlayoutClear)

QueuedEvent: TypeAlias = Command | InvalidFrame | AudioAppend
Waiting: TypeAlias = QueuedEvent | bytes
"""`bytes`: a large frame that is not decoded yet."""


class InputDecoder(Protocol):
    """Turns appended audio into inputs of the machine, a piece at a time."""

    def decode(self, data: bytes) -> Iterator[AudioReceived]: ...

    def held_back(self) -> Iterator[AudioReceived]:
        """Yield the audio that the filters hold back."""


class InputSink(Protocol):
    """Takes the inputs. `CallDriver` is one."""

    def feed(self, event: ClientInput, client_id: ClientId | None = None) -> None: ...

    def reconcile(self) -> None: ...


class SessionReader:
    """The `Reader` of a client whose call has a session of this server."""

    def __init__(
        self,
        driver: InputSink,
        client: ClientPort,
        pipeline: InputDecoder | None,
        allow: Callable[[Command], Command] | None = None,
        *,
        behind: Callable[[], bool] = lambda: False,
        crowded: Callable[[], bool] | None = None,
        held_back: Callable[[], Iterator[AudioReceived]] | None = None,
        queue: LoopQueue | None = None,
    ) -> None:
        """`pipeline` is None for a sideband, which may not append audio.

        `allow` removes from an event what this client may not change. It raises `InvalidRequest`
        for an event that this client may not send. `behind` is true while the
        recogniser takes no more audio. `crowded` is true while the outboxes of other clients are
        over their high-water mark. `held_back` returns the audio in the filters of the call's own
        client, for a sideband that commits or clears it. `queue` holds the clients that use a large
        share of the loop.
        """
        self._driver = driver
        self._allow = allow
        self._client_id = client.id
        self._pipeline = pipeline
        self._held_back = pipeline.held_back if pipeline else (held_back or _nothing)
        self._backlog: deque[tuple[Waiting, int]] = deque()  # each with the size of its frame
        self._backlog_bytes = 0
        self._interruptions = 0  # in the backlog
        self._piece: AudioReceived | None = None  # the next piece of a long append
        self._pieces: Iterator[AudioReceived] = iter(())  # the pieces after it
        self._append_bytes = 0  # size of its frame, until the last piece has been fed
        self._gone = False
        self._client = client
        self._traffic = client.traffic
        self._recogniser_behind = behind
        self._others_crowded = crowded
        self._share = LoopShare(self._on_turn, queue)

    @property
    def is_behind(self) -> bool:
        waiting = self._backlog_bytes + self._append_bytes
        return waiting > BACKLOG or len(self._backlog) > EVENTS or self._crowded

    @property
    def _crowded(self) -> bool:
        """True if the next event could add frames to an outbox over its high-water mark."""
        if self._client.over_high_water:
            return True
        return self._others_crowded is not None and self._others_crowded()

    @property
    def _must_wait_for_recogniser(self) -> bool:
        """True if the next event has audio, and the recogniser is behind."""
        has_audio = self._piece is not None or _has_audio(self._backlog[0][0])
        return has_audio and self._recogniser_behind()

    @property
    def backlog(self) -> int:
        """Bytes of the frames that were read and not fed to the machine yet."""
        return self._backlog_bytes + self._append_bytes

    def frame(self, data: Frame) -> None:
        if self._gone:
            return
        self._traffic.frames_in += 1
        self._traffic.bytes_in += len(data)
        if len(data) > LARGE:
            # Decoding takes long, so the frame waits for a turn.
            self._enqueue(bytes(data), len(data))
            self._share.turn()
        else:
            waits = self._share.working or self._share.turning
            with self._share:
                self._enqueue(self._read(data), len(data))
                if not waits:
                    self._feed_waiting()
        self._pause()

    def event(self, event: ClientEvent) -> None:
        if not self._gone:
            self._enqueue(event, _size(event))
            self.resume()
            self._pause()

    def audio(self, pcm: bytes) -> None:
        self.event(AudioAppend(audio=pcm))

    def _pause(self) -> None:
        """Stop reading if too much waits. Feeding does that too, but nothing may have been fed."""
        if (self._backlog or self._piece) and self.is_behind:
            self._driver.reconcile()

    def resume(self) -> None:
        if self._share.working or self._share.turning:
            return
        if self._backlog or self._piece:
            with self._share:
                self._feed_waiting()

    def discard(self) -> None:
        self._gone = True
        self._backlog.clear()
        self._backlog_bytes = self._interruptions = 0
        self._piece, self._append_bytes = None, 0

    def _feed_waiting(self) -> None:
        """Feed what waits. A long append is fed in pieces, one per turn of the loop."""
        while (self._backlog or self._piece) and not self._crowded:
            if self._share.used_up:
                self._share.turn()
                return
            if self._piece is None:
                self._read_first()
            if self._must_wait_for_recogniser:
                self._feed_interruptions()
                return
            if self._piece is None:
                event, size = self._pop()
                assert not isinstance(event, bytes)
                if not isinstance(event, AudioAppend):
                    self._feed(event)
                    continue
                self._begin_append(event.audio, size)
            if self._piece is not None:
                self._feed_piece(self._piece)
                if self._backlog or self._piece:
                    self._share.pause()
                    return

    def _read(self, data: Frame) -> QueuedEvent:
        event = self._decode(data)
        if isinstance(event, AudioAppend) and self._pipeline is None:
            return InvalidFrame(no_sound(event.event_id))
        return event

    def _decode(self, data: Frame) -> QueuedEvent:
        try:
            return self._client.dialect.decode(data)
        except InvalidRequest as error:
            # Two thousand of these may wait. The stack frames that an exception and its cause keep
            # are three times as large as the rest.
            error.__context__ = None
            return InvalidFrame(error.with_traceback(None))

    def _read_first(self) -> None:
        if self._backlog and isinstance(data := self._backlog[0][0], bytes):
            _, size = self._pop()
            self._backlog.appendleft((self._read(data), size))
            self._count(*self._backlog[0])

    def _enqueue(self, event: Waiting, size: int) -> None:
        self._backlog.append((event, size))
        self._count(event, size)

    def _count(self, event: Waiting, size: int) -> None:
        self._backlog_bytes += size
        self._interruptions += isinstance(event, _INTERRUPTIONS)

    def _pop(self) -> tuple[Waiting, int]:
        event, size = self._backlog.popleft()
        self._backlog_bytes -= size
        self._interruptions -= isinstance(event, _INTERRUPTIONS)
        return event, size

    def _feed(self, event: Command | InvalidFrame) -> None:
        if isinstance(event, AudioCommit | AudioClear):
            for piece in self._held_back():
                if not self._gone:  # feeding may have ended the call
                    self._driver.feed(piece, self._client_id)
        if self._gone:
            return
        if self._allow is not None and not isinstance(event, InvalidFrame):
            try:
                event = self._allow(event)
            except InvalidRequest as error:
                event = InvalidFrame(error.with_traceback(None))
        self._driver.feed(event, self._client_id)

    def _feed_interruptions(self) -> None:
        """Let `response.cancel` and `output_audio_buffer.clear` overtake audio that is held back.

        A cancel without an id cancels the response that runs when its turn comes. That may be the
        response of a held `response.create`, so the cancel stays behind it.
        """
        if not self._interruptions:
            return
        waiting: deque[tuple[Waiting, int]] = deque()
        interruptions: list[ResponseCancel | PlayoutClear] = []
        creates_response = False
        while self._backlog:
            event, size = self._pop()
            if isinstance(event, PlayoutClear) or (
                isinstance(event, ResponseCancel) and (event.response_id or not creates_response)
            ):
                interruptions.append(event)
            else:
                waiting.append((event, size))
            creates_response = creates_response or isinstance(event, ResponseCreate)
        for event, size in waiting:
            self._enqueue(event, size)
        for interruption in interruptions:
            if not self._gone:  # feeding may have ended the call
                self._feed(interruption)

    def _on_turn(self) -> None:
        self.resume()
        self._driver.reconcile()  # even if nothing was fed, the client may be read again

    def _begin_append(self, audio: bytes, size: int) -> None:
        assert self._pipeline is not None
        self._pieces = self._pipeline.decode(audio)
        self._next_piece(size)

    def _feed_piece(self, piece: AudioReceived) -> None:
        self._driver.feed(piece, self._client_id)
        if not self._gone:  # feeding may have ended the call
            self._next_piece(self._append_bytes)

    def _next_piece(self, size: int) -> None:
        self._piece = next(self._pieces, None)
        self._append_bytes = 0 if self._piece is None else size


def _nothing() -> Iterator[AudioReceived]:
    return iter(())


def _has_audio(event: Waiting) -> bool:
    """Return whether the event gives a recogniser something to do."""
    match event:
        case AudioAppend() | AudioCommit():
            return True
        case ItemCreate(item=item):
            return _any_audio((item,))
        case ResponseCreate(response=options):
            return options is not None and _any_audio(options.input or ())
        case _:
            return False


def _any_audio(items: Iterable[object]) -> bool:
    return any(part.audio for item in items if isinstance(item, Message) for part in item.content)


def _size(event: ClientEvent) -> int:
    """Return the bytes that a decoded event counts while it waits. Only audio is large."""
    return len(event.audio) if isinstance(event, AudioAppend) else EVENT_BYTES
