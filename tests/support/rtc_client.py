"""A browser's side of a call over WebRTC: microphone, loudspeaker and the channel for events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from vivavoce.transports.webrtc import ice  # before aiortc: without PyAV
from vivavoce.transports.webrtc.ice import LOOPBACK, IceSettings
from vivavoce.transports.webrtc.peer_audio import PeerAudio

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription  # isort: skip

from .served import Served

RATE = 24_000
PACKET = 960  # bytes of 20 ms
ANSWER_TIMEOUT_S = 30.0
HERE = IceSettings(bind=(LOOPBACK,))


class Microphone:
    """Sends the given sound, 20 ms at a time. In silence the peer sends silent packets itself."""

    def __init__(self, sound: PeerAudio) -> None:
        self._sound = sound
        self._said = bytearray()
        self._speaking: asyncio.Task[None] | None = None

    def say(self, pcm: bytes) -> None:
        self._said += pcm
        if self._speaking is None or self._speaking.done():
            self._speaking = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._said:
            if not self._sound.full:
                self._sound.write(bytes(self._said[:PACKET]).ljust(PACKET, b"\0"))
                del self._said[:PACKET]
            due += 0.02
            await asyncio.sleep(due - loop.time())

    async def stop(self) -> None:
        self._said.clear()
        if self._speaking is not None:
            await self._speaking


def listen_only_there(connection: Any) -> None:  # noqa: ANN401  # aioice's Connection
    """Make a connection have no address of this machine, but that of its TURN server alone."""
    gather = connection.get_component_candidates

    async def gather_there(component: int, **named: Any) -> Any:  # noqa: ANN401
        return await gather(component=component, **named | {"addresses": []})

    connection.get_component_candidates = gather_there


class RtcClient:
    """One peer connection. `events`: what the server has sent. `heard`: its audio, 24 kHz."""

    def __init__(
        self, *, audio: bool = True, channel: bool = True, relay: RTCIceServer | None = None
    ) -> None:
        """`relay`: the TURN server through which everything goes."""
        self._relay = relay
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[relay] if relay else []))
        self.events: list[dict[str, Any]] = []
        self.heard = bytearray()
        self.call_id = ""
        self.response: httpx2.Response | None = None
        self._news = asyncio.Event()
        self._seen = 0
        self.connected = asyncio.Event()
        self.ended = asyncio.Event()
        self.microphone: Microphone | None = None
        self._sound: PeerAudio | None = None
        if audio:
            self._sound = PeerAudio(self.pc.addTransceiver("audio"))
            self._sound.connect(self)
            self.microphone = Microphone(self._sound)
        self.channel = self.pc.createDataChannel("oai-events") if channel else None
        if self.channel is not None:
            self.channel.on("message", self._received)
        self.pc.on("connectionstatechange", self._on_state)

    async def offer(self) -> str:
        """Return an offer without candidates, as browsers' SDKs send it."""
        offer = await self.pc.createOffer()
        for connection in ice.connections(self.pc):
            if self._relay is None:
                ice.listen(connection, HERE)
            else:
                listen_only_there(connection)
        await self.pc.setLocalDescription(offer)
        return "".join(
            line
            for line in self.pc.localDescription.sdp.splitlines(keepends=True)
            if not line.startswith(("a=candidate", "a=end-of-candidates"))
        )

    async def take(self, answer: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def close(self) -> None:
        if self.microphone is not None:
            await self.microphone.stop()
        if self._sound is not None:
            self._sound.stop()
        await self.pc.close()

    def say(self, pcm: bytes) -> None:
        assert self.microphone is not None
        self.microphone.say(pcm)

    def feed_audio(self, pcm: bytes) -> None:
        self.heard += pcm

    def writable(self) -> None: ...

    async def until(self, *kinds: str) -> dict[str, Any]:
        """Read on to an event of one of these types."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._next(kinds)
        except TimeoutError:
            raise AssertionError(f"none of {kinds} in {self.types}") from None

    async def _next(self, kinds: tuple[str, ...]) -> dict[str, Any]:
        while True:
            while self._seen < len(self.events):
                event = self.events[self._seen]
                self._seen += 1
                assert event["type"] != "error" or "error" in kinds, event
                if event["type"] in kinds:
                    return event
            self._news.clear()
            await self._news.wait()

    def send(self, kind: str, **fields: Any) -> None:  # noqa: ANN401
        assert self.channel is not None
        self.channel.send(json.dumps({"type": kind, **fields}))

    def type_text(self, text: str) -> None:
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        self.send("conversation.item.create", item=item)
        self.send("response.create")

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def _received(self, message: str | bytes) -> None:
        self.events.append(json.loads(message))
        self._news.set()

    def _on_state(self) -> None:
        if self.pc.connectionState == "connected":
            self.connected.set()
        elif self.pc.connectionState in ("closed", "failed"):
            self.ended.set()


@asynccontextmanager
async def calling(served: Served, credential: str, **query: str) -> AsyncIterator[RtcClient]:
    """Begin a call, as a page does with its secret, and end it."""
    async with calling_by(RtcClient(), served, credential, **query) as client:
        yield client


@asynccontextmanager
async def calling_by(
    client: RtcClient, served: Served, credential: str, **query: str
) -> AsyncIterator[RtcClient]:
    """Tell a story with a client that exists."""
    try:
        async with httpx2.AsyncClient() as http:
            response = await http.post(
                f"{served.url}/v1/realtime/calls",
                params=query,
                content=await client.offer(),
                headers={
                    "Authorization": f"Bearer {credential}",
                    "Content-Type": "application/sdp",
                },
            )
        assert response.status_code == 201, response.text
        client.response = response
        client.call_id = response.headers["location"].rpartition("/")[2]
        await client.take(response.text)
        yield client
    finally:
        await client.close()
