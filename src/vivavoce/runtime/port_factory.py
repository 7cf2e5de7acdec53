"""Makes the ports of a call's clients, with what all of them share."""

from __future__ import annotations

from collections.abc import Callable

from ..core.effects import ClientId
from ..core.limits import UNLIMITED, ByteAccount
from .client import Client, ClientDriver
from .client_port import ClientPort, Reader
from .dialects import GA, SILENT, Dialect
from .media_client import MediaClient
from .outbox import Connection, Outbox
from .output_encoder import OutputFormats
from .traffic import TrafficCounters


class PortFactory:
    """Each method returns a function from the id of a client to its port."""

    def __init__(
        self,
        formats: OutputFormats,
        clock: Callable[[], float],
        *,
        send_buffer_bytes: int,
        timeout_s: float,
        traffic: TrafficCounters | None,
        account: ByteAccount = UNLIMITED,
        playback_bytes: int | None = None,
    ) -> None:
        """`send_buffer_bytes`: of an outbox. `account` counts the frames that wait for clients.

        `playback_bytes`: of the audio that waits to be played. None: the same as an outbox.
        """
        self._formats = formats
        self._clock = clock
        self._send_buffer_bytes = send_buffer_bytes
        self._timeout_s = timeout_s
        self._traffic = traffic
        self._account = account
        self._playback_bytes = playback_bytes or send_buffer_bytes

    def event_client(
        self,
        driver: ClientDriver,
        connection: Connection,
        reader: Callable[[ClientPort], Reader],
        *,
        sideband: bool = False,
        limit: int | None = None,
        dialect: Dialect = GA,
    ) -> Callable[[ClientId], Client]:
        """Make a client that reads and writes events. `limit`: bytes of its outbox."""
        outbox = self._outbox(connection, limit)
        return lambda client_id: Client(
            driver,
            client_id,
            connection,
            outbox,
            reader,
            sideband=sideband,
            dialect=dialect,
            formats=self._formats,
        )

    def media_client(
        self,
        driver: ClientDriver,
        audio: Connection,
        reader: Callable[[ClientPort], Reader],
        *,
        events: Connection | None = None,
        limit: int | None = None,
    ) -> Callable[[ClientId], MediaClient]:
        """Make a client whose audio the server paces. Without `events` it receives none."""
        make_client = self.event_client(
            driver, events or audio, reader, limit=limit, dialect=GA if events else SILENT
        )

        def make(client_id: ClientId) -> MediaClient:
            client = make_client(client_id)
            limit = self._playback_bytes
            return MediaClient(driver, client, audio, limit=limit, timeout_s=self._timeout_s)

        return make

    def _outbox(self, connection: Connection, limit: int | None) -> Outbox:
        return Outbox(
            connection,
            self._clock,
            limit=limit or self._send_buffer_bytes,
            timeout_s=self._timeout_s,
            traffic=self._traffic,
            account=self._account,
        )
