"""What a client of a session says, in order: events at once, sound piece by piece."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from ..core.effects import Who
from ..core.inputs import Heard, Input, Unreadable
from ..core.judgement import no_sound
from ..errors import InvalidRequest
from ..protocol import codec
from ..protocol.client import AudioAppend, Command
from .client import Client, Frame

BACKLOG = 1024 * 1024  # bytes of sound taken in but not yet heard; above it we stop reading
EVENTS = 256  # events that wait behind such sound; above it we stop reading


class Hears(Protocol):
    """Makes of appended bytes what a machine can hear, a piece at a time."""

    def take(self, data: bytes) -> Iterator[Heard]: ...


class Tells(Protocol):
    def tell(self, event: Input, who: Who | None = None) -> None: ...

    def settle(self) -> None: ...


class SessionReader:
    def __init__(
        self,
        line: Tells,
        client: Client,
        ears: Hears | None,
        allow: Callable[[Command], Command] | None = None,
        *,
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        """`ears`: None for a control connection, which brings no sound. `allow`: what of an event
        this client may say. `behind`: does what it says bring more, to the recogniser or to others'
        outboxes, than they can take for now?"""
        self._line = line
        self._allow = allow
        self._who = client.who
        self._ears = ears
        self._backlog: deque[Command | Unreadable | AudioAppend] = deque()
        self._backlog_bytes = 0
        self._hearing: Iterator[Heard] | None = None
        self._gone = False
        self._outbox = client.outbox
        self._traffic = client.outbox.traffic
        self._others_behind = behind
        self._telling = False
        self._sounding = False  # the next piece of a long sound is on its way

    @property
    def behind(self) -> bool:
        return self._backlog_bytes > BACKLOG or len(self._backlog) > EVENTS or self._held

    @property
    def _held(self) -> bool:
        """What it says next would fill memory: with answers, or with sound that nobody hears."""
        return self._outbox.crowded or self._others_behind()

    @property
    def backlog(self) -> int:
        """Bytes of sound taken in and not yet heard."""
        return self._backlog_bytes

    def frame(self, data: Frame) -> None:
        self._traffic.frames_in += 1
        self._traffic.bytes_in += len(data)
        event = _read(data)
        if isinstance(event, AudioAppend):
            if self._ears is None:
                event = Unreadable(no_sound(event.event_id))
            else:
                self._backlog_bytes += len(event.audio)
        self._backlog.append(event)
        if len(self._backlog) == 1 and self._hearing is None:
            self._take()

    def go_on(self) -> None:
        if not self._telling and not self._sounding and (self._backlog or self._hearing):
            self._take()

    def drop(self) -> None:
        self._gone = True
        self._backlog.clear()
        self._backlog_bytes = 0
        self._hearing = None

    def _take(self) -> None:
        """Tell what came. A long sound is heard in pieces, one per turn of the loop."""
        self._telling = True
        try:
            self._tell()
        finally:
            self._telling = False

    def _tell(self) -> None:
        while (self._backlog or self._hearing) and not self._held:
            if self._hearing is not None:
                if (heard := next(self._hearing, None)) is None:
                    self._hearing = None
                    continue
                self._line.tell(heard, self._who)
                if self._gone:
                    return
                self._sounding = True
                asyncio.get_running_loop().call_soon(self._sound_on)
                return
            event = self._backlog.popleft()
            if isinstance(event, AudioAppend):
                self._backlog_bytes -= len(event.audio)
                self._hear(event.audio)
            elif self._allow is None or isinstance(event, Unreadable):
                self._line.tell(event, self._who)
            else:
                self._line.tell(self._allow(event), self._who)

    def _sound_on(self) -> None:
        self._sounding = False
        self._take()
        self._line.settle()  # what waited may have said nothing, and we may read again

    def _hear(self, audio: bytes) -> None:
        """The first piece at once: most sounds are one, and need no turn of their own."""
        assert self._ears is not None
        pieces = self._ears.take(audio)
        first, second = next(pieces, None), None
        if first is not None:
            self._line.tell(first, self._who)
            second = next(pieces, None)
        if second is not None and not self._gone:  # telling may have ended the call
            self._hearing = _again(second, pieces)


def _again(first: Heard, rest: Iterator[Heard]) -> Iterator[Heard]:
    yield first
    yield from rest


def _read(data: Frame) -> Command | AudioAppend | Unreadable:
    try:
        return codec.decode(data)
    except InvalidRequest as error:
        return Unreadable(error)
