"""What a client of a session says, in order: events at once, sound piece by piece."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from ..core.effects import Who
from ..core.inputs import Heard, Input, Unreadable
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


Hold = Callable[[Callable[[], None]], bool]
"""Must sound wait now? Then what it is given is called when it need not any more."""


def at_once(go_on: Callable[[], None]) -> bool:
    """Nothing is ever held: who speaks live is heard live."""
    return False


class SessionReader:
    def __init__(
        self,
        line: Tells,
        client: Client,
        ears: Hears,
        allow: Callable[[Command], Command] | None = None,
        hold: Hold = at_once,
    ) -> None:
        """`allow`: what of an event this client may say. `hold`: when its sound has to wait."""
        self._line = line
        self._allow = allow
        self._who = client.who
        self._ears = ears
        self._hold = hold
        self._backlog: deque[Command | Unreadable | AudioAppend] = deque()
        self._backlog_bytes = 0
        self._hearing: Iterator[Heard] | None = None
        self._gone = False

    @property
    def behind(self) -> bool:
        return self._backlog_bytes > BACKLOG or len(self._backlog) > EVENTS

    def frame(self, data: Frame) -> None:
        event = _read(data)
        if isinstance(event, AudioAppend):
            self._backlog_bytes += len(event.audio)
        self._backlog.append(event)
        if len(self._backlog) == 1 and self._hearing is None:
            self._take()
        elif self.behind:
            self._line.settle()  # while sound is held nobody else looks

    def drop(self) -> None:
        self._gone = True
        self._backlog.clear()
        self._backlog_bytes = 0
        self._hearing = None

    def _take(self) -> None:
        """Tell what came. A long sound is heard in pieces, one per turn of the loop."""
        while self._backlog or self._hearing:
            if self._sound_is_next and self._hold(self._go_on):
                return
            if self._hearing is not None:
                if (heard := next(self._hearing, None)) is None:
                    self._hearing = None
                    continue
                self._line.tell(heard, self._who)
                if self._gone:
                    return
                asyncio.get_running_loop().call_soon(self._go_on)
                return
            event = self._backlog.popleft()
            if isinstance(event, AudioAppend):
                self._backlog_bytes -= len(event.audio)
                self._hear(event.audio)
            elif self._allow is None or isinstance(event, Unreadable):
                self._line.tell(event, self._who)
            else:
                self._line.tell(self._allow(event), self._who)

    @property
    def _sound_is_next(self) -> bool:
        return self._hearing is not None or isinstance(self._backlog[0], AudioAppend)

    def _go_on(self) -> None:
        self._take()
        self._line.settle()  # what waited may have said nothing, and we may read again

    def _hear(self, audio: bytes) -> None:
        """The first piece at once: most sounds are one, and need no turn of their own."""
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
