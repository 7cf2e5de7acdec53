"""One peer connection as the two connections of a client: its audio and its events.

RTP in ──► incoming ──► client.feed_audio
RTP out ◄─ outgoing ◄── audio.write
oai-events ◄──► EventChannel ◄──► client
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from ...failures import log_failure
from ...protocol.close_codes import CloseCode
from . import ice, offers, sctp_bounds
from .event_channel import TOO_LARGE, EventChannel, Goodbye
from .ice import IceSettings
from .peer_audio import PeerAudio

if TYPE_CHECKING:
    from ...runtime.media_client import MediaClient

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.02
DRAINED_LOOKS = 50  # within a second the last events reach a client that reads


class AudioConnection:
    """The `Connection` that carries a client's sound. Its `close` ends the whole peer."""

    def __init__(self, sound: PeerAudio, end: Callable[[int, str], None]) -> None:
        self._sound = sound
        self.write = sound.write
        self.pause_reading = sound.pause_reading
        self.resume_reading = sound.resume_reading
        self.close = end

    @property
    def full(self) -> bool:
        return self._sound.full


class Peer:
    """Answers one offer. `join` its client, wait until it is `ready`, and `close` it."""

    def __init__(self, settings: IceSettings) -> None:
        """Create a peer that listens by these settings. Raises `OpusMissingError`."""
        self._settings = settings
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))  # none: not Google's
        self._client: MediaClient | None = None
        self._ready = asyncio.Event()
        self._ending: tuple[int, str] | None = None
        transceiver = self._pc.addTransceiver("audio", direction="sendrecv")
        codecs = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "audio/opus"])
        self._sound = PeerAudio(transceiver)
        self.audio = AudioConnection(self._sound, self.end)
        self.events: EventChannel | None = None
        self._pc.on("connectionstatechange", self._on_state)
        self._pc.on("datachannel", self._on_channel)

    def packets(self) -> dict[str, int]:
        """Return how many packets of sound the client has sent, by their fate."""
        incoming = self._sound.incoming
        return incoming.totals() if incoming else {}

    @property
    def connected(self) -> bool:
        return self._pc.connectionState == "connected"

    async def answer(self, offer: offers.Offer) -> str:
        """Return the SDP answer. Raises `InvalidRequest` and `NoPortError`."""
        if offer.has_events:
            self.events = EventChannel(self.end)
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(offer.text, "offer"))
            listening = ice.connections(self._pc)
        except Exception as error:  # aiortc fails by any of them: `ValueError`, `KeyError`
            raise offers.invalid("It is not valid.") from error
        for connection in listening:
            ice.listen(connection, self._settings)
        if self._pc.sctp is not None:
            sctp_bounds.bound(self._pc.sctp, self._on_excess)
        try:
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except ice.NoPortError:
            raise
        except Exception as error:  # as above
            raise offers.invalid("It is not valid.") from error
        return offers.complete(self._pc.localDescription.sdp, offer)

    def join(self, client: MediaClient, goodbye: Goodbye | None = None) -> None:
        """Set the client, whose connections these are. `goodbye` makes its last event."""
        self._client = client
        self._sound.connect(client)
        if self.events is not None:
            self.events.join(client, goodbye)

    async def ready(self, within_s: float) -> bool:
        """Wait until the peer is connected, or over. Return False after `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    def end(self, code: int, reason: str) -> None:
        """Note that the client or the server has ended it. `close` does the rest."""
        if self._ending is None:
            self._ending = code, reason
            self._ready.set()
            self._sound.stop()
            if self._client is not None:
                self._client.lost(code, reason)

    async def close(self) -> None:
        """Send the last events, and close the connection. It never fails."""
        self.end(CloseCode.NORMAL, "")
        for _ in range(DRAINED_LOOKS):  # aiortc has no event for this
            if not (self.connected and self._sends()):
                break
            await asyncio.sleep(LOOK_EVERY_S)
        try:
            await self._pc.close()
        except Exception as bug:
            log_failure(log, "peer_not_closed", bug)

    def _sends(self) -> bool:
        """Return whether the client has not confirmed all messages yet."""
        sctp = self._pc.sctp
        if sctp is None or sctp.state != "connected":
            return False
        return bool(sctp._data_channel_queue or sctp._outbound_queue or sctp._sent_queue)

    # aiortc calls these

    def _on_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected":
            self._ready.set()
        elif state == "failed":  # nothing has come from the client for half a minute (RFC 7675)
            self.end(CloseCode.ABNORMAL, "")
        elif state == "closed":  # the client closed it
            self.end(CloseCode.NORMAL, "")

    def _on_excess(self) -> None:
        if self.events is not None:
            self.events.refuse_message()
        else:
            self.end(CloseCode.MESSAGE_TOO_BIG, TOO_LARGE)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if self.events is not None:
            self.events.opened(channel, channel.transport._remote_max_message_size or 0)
