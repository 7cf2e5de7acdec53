"""What the server offers to a transport of another package: calls, under the rules of all calls.

credential, query ─► TransportServices.call ─► TransportCall.attach_media ─► run ─► ending
└─ CallRefused
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol, TypeAlias

from ..protocol.close_codes import CloseCode
from .call_setup import AGAIN_S
from .call_spec import CallRequest
from .client import Client
from .client_port import AudioKind
from .live_call import Readers
from .media_client import MediaClient
from .outbox import Connection
from .refusals import SERVER, CallRefused, busy

log = logging.getLogger("vivavoce.transports")


RUN_WITHIN_S = 10.0  # from the admission: a call that waits longer keeps others out


class AttachableDriver(Protocol):
    """The part of a call's driver that a transport uses."""

    @property
    def ending(self) -> str: ...

    def attach(self, connection: Connection, reader: Readers) -> Client: ...

    def attach_media(
        self, audio: Connection, reader: Readers, *, events: Connection | None = None
    ) -> MediaClient: ...

    def hang_up(self, code: int, reason: str) -> None: ...


class Admitted(Protocol):
    """A call that was admitted, before its client is attached. `AdmittedCall` is one."""

    @property
    def driver(self) -> AttachableDriver: ...

    @property
    def reader(self) -> Readers: ...

    async def live(self) -> None: ...


class CallNames(Protocol):
    """The names of a call. `CallSpec` has them."""

    @property
    def call_id(self) -> str: ...

    @property
    def conversation_id(self) -> str: ...

    @property
    def language(self) -> str: ...


Admit: TypeAlias = Callable[[CallRequest], Awaitable[tuple[CallNames, Admitted]]]


class TransportCall:
    """One call of a transport. Attach its client by one of the methods, then await `run`.

    `id` is its name in logs and in the HTTP API, `conversation_id` the conversation that it
    continues or began, and `language` what the assistant speaks.
    """

    def __init__(self, names: CallNames, call: Admitted, on_late: Callable[[], None]) -> None:
        """`on_late` is called if the call is not run within `RUN_WITHIN_S`."""
        self.id = names.call_id
        self.conversation_id = names.conversation_id
        self.language = names.language
        self._call = call
        self._attached = False
        self._state: Literal["admitted", "run", "late"] = "admitted"
        self._on_late = on_late
        self._timer = asyncio.get_running_loop().call_later(RUN_WITHIN_S, self._expire)

    def attach_media(self, audio: Connection, events: Connection | None = None) -> MediaClient:
        """Attach a client whose audio the server paces. `audio.write` takes 20 ms of PCM16.

        `events` is a second connection of the same client, for events as JSON. Its `close` then
        ends both connections. A client that is attached after the end of the call is closed.
        """
        self._take_place()
        return self._call.driver.attach_media(audio, self._call.reader, events=events)

    def attach(self, connection: Connection) -> Client:
        """Attach a client that reads and writes events as JSON, with its audio in them."""
        self._take_place()
        return self._call.driver.attach(connection, self._call.reader)

    def _take_place(self) -> None:
        if self._attached:
            raise RuntimeError("the call has a client already")
        self._attached = True

    async def run(self) -> str:
        """Run the call to its end, and return why it ended.

        Raises `CallRefused` if that was not begun within `RUN_WITHIN_S` of the admission.
        """
        if self._state == "late":
            raise _not_run()
        if self._state == "run":
            raise RuntimeError("the call runs already")
        self._state = "run"
        self._timer.cancel()
        await self._call.live()
        return self._call.driver.ending

    def _expire(self) -> None:
        self._state = "late"
        self._on_late()

    async def end_late(self) -> None:
        """End a call that was not run in time: others need its place."""
        self._call.driver.hang_up(CloseCode.TRY_AGAIN_LATER, "not run")
        await self._call.live()

    async def abandon(self) -> None:
        """End a call that was not run, so that it is counted no longer."""
        if self._state == "admitted":
            self._call.driver.hang_up(CloseCode.ABNORMAL, "client gone")
            await self.run()


class TransportServices:
    """The services for one transport. `options` is an instance of its `settings_model`."""

    def __init__(
        self,
        name: str,
        options: Any,  # noqa: ANN401  # of the package's own type
        *,
        admit: Admit,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        max_pending: int,
    ) -> None:
        """`max_pending`: calls that may be set up at a time."""
        self.options = options
        self._name = name
        self._admit = admit
        self._spawn = spawn
        self._room = max_pending

    @asynccontextmanager
    async def call(
        self,
        credential: str | None,
        query: Mapping[str, str] | None = None,
        *,
        audio: AudioKind = "media",
        safety_identifier: str | None = None,
    ) -> AsyncIterator[TransportCall]:
        """Set up a call for a client with this credential. Raises `CallRefused`.

        `credential` is an API key or a client secret. `query` has the parameters of
        `WS /v1/realtime`, such as `assistant`, `language` and `greeting`. `safety_identifier` is
        what the header `OpenAI-Safety-Identifier` is over a WebSocket: the end user, for the
        provider of a hosted model. A call that was not run ends with this context, or after
        `RUN_WITHIN_S`.
        """
        asked = {"client_tools": ""} | dict(query or {})  # by default it runs no tool
        request = CallRequest(
            credential, self._name, asked, audio=audio, safety_identifier=safety_identifier
        )
        try:
            names, admitted = await self._set_up(request)
        except CallRefused as refused:
            log.info("refused", extra={"code": refused.code, "transport": self._name})
            raise

        def end_late() -> None:
            log.warning("call_not_run", extra={"call": call.id, "transport": self._name})
            self._spawn(call.end_late(), call.id)

        call = TransportCall(names, admitted, end_late)
        try:
            yield call
        finally:
            await call.abandon()

    async def _set_up(self, request: CallRequest) -> tuple[CallNames, Admitted]:
        if self._room <= 0:
            message = f"Too many calls are being set up. Please try again in {AGAIN_S} seconds."
            raise busy(message, AGAIN_S)
        self._room -= 1
        try:
            return await self._admit(request)
        finally:
            self._room += 1

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task for one connection. The server logs its bug, and waits for it at the end."""
        self._spawn(work, self._name)


def _not_run() -> CallRefused:
    return CallRefused(
        408,
        "call_not_run",
        f"The call was not run within {RUN_WITHIN_S:g} s of its admission.",
        type=SERVER,
        close=CloseCode.TRY_AGAIN_LATER,
    )
