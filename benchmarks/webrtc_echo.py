"""The other process of `benchmarks webrtc`: it plays back what each peer says.

It reads one offer per line, as JSON, and writes one answer. Sound takes the server's whole path:
RTP, Opus, PCM, `Playback`, Opus, RTP.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aioice.ice
import uvloop

from vivavoce.audio.pcm import BYTES_PER_MS
from vivavoce.runtime.playback import Playback
from vivavoce.transports.webrtc.peer_audio import PeerAudio
from vivavoce.transports.webrtc.without_pyav import aiortc

LINE = 64 * 1024  # bytes of an offer
BEHIND_MS = 100


class Echo:
    """Plays back what a peer says. It is the peer's `AudioClient`.

    After the machine stood still, it skips what is more than `BEHIND_MS` old. An answer is never
    skipped, but the delay of an echo would grow with each pause of the machine.
    """

    def __init__(self, audio: PeerAudio) -> None:
        limit = BEHIND_MS * BYTES_PER_MS
        self._playback = Playback(audio, lambda *_: None, lambda: None, limit=limit, timeout_s=10)

    def feed_audio(self, pcm: bytes) -> None:
        if not self._playback.full:
            self._playback.play("echo", pcm)

    def writable(self) -> None:
        self._playback.resume()


async def answer(sdp: str) -> tuple[aiortc.RTCPeerConnection, str]:
    peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    await peer.setRemoteDescription(aiortc.RTCSessionDescription(sdp, "offer"))
    [transceiver] = peer.getTransceivers()
    transceiver.direction = "sendrecv"
    audio = PeerAudio(transceiver)
    audio.connect(Echo(audio))
    await peer.setLocalDescription(await peer.createAnswer())
    return peer, peer.localDescription.sdp


async def serve() -> None:
    lines = asyncio.StreamReader(limit=LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    peers = []
    while line := await lines.readline():
        peer, sdp = await answer(json.loads(line))
        peers.append(peer)
        print(json.dumps(sdp), flush=True)
    await asyncio.gather(*(peer.close() for peer in peers))


if __name__ == "__main__":
    aioice.ice.get_host_addresses = lambda **_: ["127.0.0.1"]
    uvloop.run(serve())
