"""What a client of a session says, in order: events at once, sound piece by piece.

    frame ─► [ sound sound event ] ─► tell, while the recogniser takes more sound
                     └─ an interruption does not wait behind sound that has to

Only what brings sound waits for a recogniser, and what came after it waits behind it. Everything
that waits counts in bytes, as long as it waits.

After some work for one client the loop turns, and the rest waits (see `loop_share`).
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
from ..protocol import codec
from ..protocol.client import (
    AudioAppend,
    AudioCommit,
    Command,
    ItemCreate,
    PlayoutClear,
    ResponseCancel,
    ResponseCreate,
)
from ..protocol.items import Message
from .client import Client
from .loop_share import LARGE, LoopQueue, LoopShare

# Of frames taken in, not yet told; above it we stop reading. That is half a minute of live sound:
# whoever interrupts while a recogniser hangs is read before it is given up on.
BACKLOG = 2 * 1024 * 1024  # bytes
EVENTS = 2048

QueuedEvent: TypeAlias = Command | InvalidFrame | AudioAppend
Waiting: TypeAlias = QueuedEvent | bytes
"""`bytes`: a large frame that nobody has read yet."""


class InputDecoder(Protocol):
    """Makes of appended bytes what a machine can hear, a piece at a time."""

    def decode(self, data: bytes) -> Iterator[AudioReceived]: ...


class InputSink(Protocol):
    def feed(self, event: ClientInput, client_id: ClientId | None = None) -> None: ...

    def reconcile(self) -> None: ...


class SessionReader:
    def __init__(
        self,
        driver: InputSink,
        client: Client,
        pipeline: InputDecoder | None,
        allow: Callable[[Command], Command] | None = None,
        *,
        behind: Callable[[], bool] = lambda: False,
        crowded: Callable[[], bool] = lambda: False,
        queue: LoopQueue | None = None,
    ) -> None:
        """`ears`: None for a control connection, which brings no sound. `allow`: what of an event
        this client may say. `behind`: can the recogniser take no more sound for now? `crowded`:
        do others' outboxes hold so much that nothing this client says may bring them more?
        `queue`: where clients that ask for much wait for each other."""
        self._driver = driver
        self._allow = allow
        self._client_id = client.id
        self._pipeline = pipeline
        self._backlog: deque[tuple[Waiting, int]] = deque()  # each with the bytes of its frame
        self._backlog_bytes = 0
        self._interruptions = 0  # of the backlog
        self._piece: AudioReceived | None = None  # of a long sound, the next
        self._pieces: Iterator[AudioReceived] = iter(())  # and those after it
        self._hearing_bytes = 0  # that sound's frame, until its last piece is told
        self._gone = False
        self._outbox = client.outbox
        self._traffic = client.outbox.traffic
        self._recogniser_behind = behind
        self._others_crowded = crowded
        self._share = LoopShare(self._turned, queue)

    @property
    def is_behind(self) -> bool:
        return self.backlog > BACKLOG or len(self._backlog) > EVENTS or self._crowded

    @property
    def _crowded(self) -> bool:
        """Whatever it says next would fill memory with answers."""
        return self._outbox.over_high_water or self._others_crowded()

    @property
    def _held(self) -> bool:
        """What comes next is sound, and nobody can hear it yet."""
        sound = self._piece is not None or _brings_sound(self._backlog[0][0])
        return sound and self._recogniser_behind()

    @property
    def backlog(self) -> int:
        """Bytes of frames taken in and not yet told."""
        return self._backlog_bytes + self._hearing_bytes

    def frame(self, data: Frame) -> None:
        if self._gone:
            return
        self._traffic.frames_in += 1
        self._traffic.bytes_in += len(data)
        if len(data) > LARGE:
            self._wait(bytes(data), len(data))  # to read it takes long: it waits for its turn
            self._share.turn()
        else:
            with self._share:
                self._wait(self._read(data), len(data))
        self.resume()
        if self.is_behind:
            self._driver.reconcile()  # nothing may have been told, and reading has to stop

    def resume(self) -> None:
        if self._share.working or self._share.turning:
            return
        if self._backlog or self._piece:
            with self._share:
                self._tell()

    def discard(self) -> None:
        self._gone = True
        self._backlog.clear()
        self._backlog_bytes = self._interruptions = 0
        self._piece, self._hearing_bytes = None, 0

    def _tell(self) -> None:
        """Tell what came. A long sound is heard in pieces, one per turn of the loop."""
        while (self._backlog or self._piece) and not self._crowded:
            if self._share.used_up:
                self._share.turn()
                return
            if self._piece is None:
                self._read_first()
            if self._held:
                self._let_interruptions_by()
                return
            if self._piece is None:
                event, size = self._next()
                assert not isinstance(event, bytes)
                if not isinstance(event, AudioAppend):
                    self._say(event)
                    continue
                self._begin_to_hear(event.audio, size)
            if self._piece is not None:
                self._hear(self._piece)
                if self._backlog or self._piece:
                    self._share.pause()
                    return

    def _read(self, data: Frame) -> QueuedEvent:
        event = _read(data)
        if isinstance(event, AudioAppend) and self._pipeline is None:
            return InvalidFrame(no_sound(event.event_id))
        return event

    def _read_first(self) -> None:
        if self._backlog and isinstance(data := self._backlog[0][0], bytes):
            _, size = self._next()
            self._backlog.appendleft((self._read(data), size))
            self._count(*self._backlog[0])

    def _wait(self, event: Waiting, size: int) -> None:
        self._backlog.append((event, size))
        self._count(event, size)

    def _count(self, event: Waiting, size: int) -> None:
        self._backlog_bytes += size
        self._interruptions += isinstance(event, ResponseCancel | PlayoutClear)

    def _next(self) -> tuple[Waiting, int]:
        event, size = self._backlog.popleft()
        self._backlog_bytes -= size
        self._interruptions -= isinstance(event, ResponseCancel | PlayoutClear)
        return event, size

    def _say(self, event: Command | InvalidFrame) -> None:
        if self._allow is None or isinstance(event, InvalidFrame):
            self._driver.feed(event, self._client_id)
        else:
            self._driver.feed(self._allow(event), self._client_id)

    def _let_interruptions_by(self) -> None:
        """`response.cancel` and `output_audio_buffer.clear` overtake held sound; nothing else does.

        A cancel without an id means the answer that runs when it comes to it, which may be one
        that is asked for by a held `response.create`: behind that it keeps its place.
        """
        if not self._interruptions:
            return
        waiting: deque[tuple[Waiting, int]] = deque()
        interruptions: list[ResponseCancel | PlayoutClear] = []
        asked = False
        while self._backlog:
            event, size = self._next()
            if isinstance(event, PlayoutClear) or (
                isinstance(event, ResponseCancel) and (event.response_id or not asked)
            ):
                interruptions.append(event)
            else:
                waiting.append((event, size))
            asked = asked or isinstance(event, ResponseCreate)
        for event, size in waiting:
            self._wait(event, size)
        for interruption in interruptions:
            if not self._gone:  # telling may have ended the call
                self._say(interruption)

    def _turned(self) -> None:
        self.resume()
        self._driver.reconcile()  # what waited may have said nothing, and we may read again

    def _begin_to_hear(self, audio: bytes, size: int) -> None:
        assert self._pipeline is not None
        self._pieces = self._pipeline.decode(audio)
        self._look_for_piece(size)

    def _hear(self, piece: AudioReceived) -> None:
        self._driver.feed(piece, self._client_id)
        if not self._gone:  # telling may have ended the call
            self._look_for_piece(self._hearing_bytes)

    def _look_for_piece(self, size: int) -> None:
        self._piece = next(self._pieces, None)
        self._hearing_bytes = 0 if self._piece is None else size


def _brings_sound(event: Waiting) -> bool:
    """Does it give a recogniser something to do?"""
    match event:
        case AudioAppend() | AudioCommit():
            return True
        case ItemCreate(item=item):
            return _sounds((item,))
        case ResponseCreate(response=options):
            return options is not None and _sounds(options.input or ())
        case _:
            return False


def _sounds(items: Iterable[object]) -> bool:
    return any(part.audio for item in items if isinstance(item, Message) for part in item.content)


def _read(data: Frame) -> Command | AudioAppend | InvalidFrame:
    try:
        return codec.decode(data)
    except InvalidRequest as error:
        # Two thousand of these may wait. The stack frames that an exception and its cause keep are
        # three times as large as the rest.
        error.__context__ = None
        return InvalidFrame(error.with_traceback(None))
