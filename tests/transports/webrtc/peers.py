"""Two peers of one process, connected by real sockets, ICE, DTLS and SRTP on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import aioice.ice
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpTransceiver

from tests.support.lossy import Lossy
from vivavoce.testing.live import live
from vivavoce.transports.webrtc.peer_audio import PeerAudio


def story(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine, which must leave no task behind."""

    @wraps(test)
    def run(*arguments: object, **named: object) -> None:
        live(test(*arguments, **named), within_s=20)

    return run


@dataclass
class Peer:
    """One end. It is the `AudioClient` of its sound."""

    connection: RTCPeerConnection
    transceiver: RTCRtpTransceiver
    audio: PeerAudio
    heard: bytearray = field(default_factory=bytearray)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _hears: asyncio.Event = field(default_factory=asyncio.Event)

    def feed_audio(self, pcm: bytes) -> None:
        self.heard += pcm
        self._hears.set()

    def writable(self) -> None:
        self.ready.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until something is true, and look at each sound that is heard."""
        while not enough():
            self._hears.clear()
            await self._hears.wait()

    async def until_loud(self, ms: int) -> None:
        """Wait until `ms` of sound above silence were heard."""
        await self.until(lambda: self.loud_ms() >= ms)

    def loud_ms(self) -> int:
        """Return the length of what was heard and not silent."""
        samples = np.abs(np.frombuffer(bytes(self.heard), "<i2").astype(np.int32))
        peaks = samples[: len(samples) // 120 * 120].reshape(-1, 120).max(axis=1)
        return int((peaks > 1000).sum()) * 5

    @classmethod
    def of(cls, connection: RTCPeerConnection, transceiver: RTCRtpTransceiver) -> Peer:
        peer = cls(connection, transceiver, PeerAudio(transceiver))
        peer.audio.connect(peer)
        return peer


@asynccontextmanager
async def call(lossy: Lossy | None = None) -> AsyncIterator[tuple[Peer, Peer]]:
    """Connect a client and a server. `lossy` is what the client's media goes through."""
    alone = RTCConfiguration(iceServers=[])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])
        one, other = RTCPeerConnection(alone), RTCPeerConnection(alone)
        try:
            client = Peer.of(one, one.addTransceiver("audio", "sendrecv"))
            await one.setLocalDescription(await one.createOffer())
            await other.setRemoteDescription(one.localDescription)
            [transceiver] = other.getTransceivers()
            transceiver.direction = "sendrecv"
            server = Peer.of(other, transceiver)
            await other.setLocalDescription(await other.createAnswer())
            if lossy:
                lossy.hurt(client.transceiver.receiver.transport.transport)
            await one.setRemoteDescription(other.localDescription)
            yield client, server
        finally:
            await one.close()
            await other.close()
