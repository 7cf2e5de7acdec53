"""The sound of one call, on the private parts of aiortc 1.16.0. No other module touches them.

    client ◄─ feed_audio ─ IncomingAudio ◄─ RTCDtlsTransport._handle_rtp_data
    write ──► OutgoingAudio ─────────────► RTCDtlsTransport._send_rtp

aiortc's own path decodes in one thread per call, encodes in others, and after one lost packet
delays the sound by 200 ms for the rest of the call. ICE, DTLS, SRTP and RTCP stay aiortc's. Methods
of this one call's objects are replaced; aiortc's classes stay as they are. Its version is pinned,
and `tests/transports/webrtc/test_aiortc_parts.py` fails when one of these parts changes.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from aiortc import RTCRtpCodecParameters, RTCRtpTransceiver, clock
from aiortc.rtcrtpreceiver import StreamStatistics

from ...core.types import Frame
from ...failures import log_failure
from .incoming_audio import IncomingAudio
from .outgoing_audio import PACKET_S, OutgoingAudio
from .rtp import SEQUENCES, TIMESTAMPS, RtpPacket, build, parse

if TYPE_CHECKING:
    from aiortc.rtcrtpparameters import RTCRtpReceiveParameters

log = logging.getLogger(__name__)

CLOCK = 48_000  # of Opus in RTP (RFC 7587 §4.1)


class AudioClient(Protocol):
    """The receiver of the sound. `MediaClient` is one."""

    def feed_audio(self, pcm: bytes) -> None: ...

    def writable(self) -> None: ...


class PeerAudio:
    """A `Connection` that carries the sound of one peer. `write` takes 20 ms of PCM16 at 24 kHz.

    Make it before the answer is set as the local description. Sound flows when aiortc has set up
    the peer's keys, and until `stop`.
    """

    def __init__(self, transceiver: RTCRtpTransceiver) -> None:
        """Take over an audio transceiver. Raises `OpusMissingError`."""
        self._loop = asyncio.get_running_loop()
        self._sender: Any = transceiver.sender
        self._receiver: Any = transceiver.receiver
        self.outgoing = OutgoingAudio(self._send, timestamp=secrets.randbelow(TIMESTAMPS))
        self.incoming: IncomingAudio | None = None
        self._client: AudioClient | None = None
        self._payload_type = 0
        self._sequence = secrets.randbelow(SEQUENCES // 2)  # far from the wrap (RFC 3711 §3.3.1)
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._started = False
        self._failed = False
        self._handle_report = self._sender._handle_rtcp_packet
        replaced: tuple[tuple[Any, str, Any], ...] = (
            (self._sender, "_run_rtp", self._run_sender),
            (self._sender, "_handle_rtcp_packet", self._on_report),
            (self._receiver, "receive", self._receive),
        )
        for owner, name, ours in replaced:
            setattr(owner, name, ours)

    def connect(self, client: AudioClient) -> None:
        """Pass on the user's sound to this client. Sound that came before is not kept."""
        self._client = client
        if self._started and not self._stopped:
            client.writable()

    # The connection, as `Playback` and `MediaClient` see it

    @property
    def full(self) -> bool:
        """True until the peer is connected, so that no speech is lost before."""
        return not self._started or self._stopped

    def write(self, data: Frame) -> None:
        if not self.full:
            self.outgoing.write(bytes(data), self._loop.time())

    def pause_reading(self) -> None:
        """Drop what the peer sends: nothing can make it send less."""
        if self.incoming:
            self.incoming.paused = True

    def resume_reading(self) -> None:
        if self.incoming:
            self.incoming.paused = False

    def close(self, code: int, reason: str) -> None:
        self.stop()

    def stop(self) -> None:
        """Send and pass on nothing any more. The owner closes the peer connection."""
        self._stopped = True
        self._client = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What aiortc calls

    async def _run_sender(self, codec: RTCRtpCodecParameters) -> None:
        """Send until aiortc cancels this task, in place of `RTCRtpSender._run_rtp`."""
        self._payload_type = codec.payloadType or 0
        self._sender._RTCRtpSender__rtp_started.set()
        try:
            self._start()
            await self._loop.create_future()
        except asyncio.CancelledError:
            pass
        finally:
            self.stop()
            self._sender._RTCRtpSender__rtp_exited.set()

    async def _receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Register for packets, in place of `RTCRtpReceiver.receive` and without its thread."""
        opus = next((each for each in parameters.codecs if each.name.lower() == "opus"), None)
        if opus is None:
            return  # the peer sends nothing that is understood
        self.incoming = IncomingAudio(self._pass_on, opus.payloadType or 0)
        transport = self._receiver.transport
        transport._register_rtp_receiver(self._receiver, parameters)
        transport._handle_rtp_data = self._on_packet
        self._receiver._RTCRtpReceiver__rtcp_task = asyncio.ensure_future(
            self._receiver._run_rtcp()
        )
        self._receiver._RTCRtpReceiver__started = True

    async def _on_packet(self, data: bytes, arrival_time_ms: int) -> None:
        """Take a decrypted packet, in place of `RTCDtlsTransport._handle_rtp_data`."""
        try:
            packet = parse(data)
        except ValueError:
            return
        if self.incoming is None or self._stopped:
            return
        if packet.payload_type == self.incoming.payload_type:
            self._count(packet)
        try:
            self.incoming.receive(packet, self._loop.time())
        except Exception as bug:
            self._note(bug)

    async def _on_report(self, packet: Any) -> None:  # noqa: ANN401  # one of aiortc's RTCP packets
        """Read how much the peer has lost, and let aiortc read the rest."""
        for report in getattr(packet, "reports", ()):
            if report.ssrc == self._sender._ssrc:
                self.outgoing.report_loss(report.fraction_lost / 256, self._loop.time())
        await self._handle_report(packet)

    # Our side

    def _start(self) -> None:
        self._started = True
        self.outgoing.start(self._loop.time())
        self._tick()
        if self._client:
            self._client.writable()

    def _tick(self) -> None:
        now = self._loop.time()
        due = now + PACKET_S
        try:
            due = self.outgoing.tick(now)
            if self.incoming:
                self.incoming.tick(now)
        except Exception as bug:
            self._note(bug)
        if not self._stopped:
            self._timer = self._loop.call_at(due, self._tick)

    def _note(self, bug: Exception) -> None:
        """Log the first bug of this call. One packet must not end the sound, nor fill the log."""
        if not self._failed:
            self._failed = True
            log_failure(log, "sound_failed", bug)

    def _pass_on(self, pcm: bytes) -> None:
        if self._client:
            self._client.feed_audio(pcm)

    def _count(self, packet: RtpPacket) -> None:
        """Count for the RTCP reports. One source is kept: a peer could name any number."""
        streams = self._receiver._RTCRtpReceiver__remote_streams
        if packet.ssrc not in streams:
            streams.clear()
            streams[packet.ssrc] = StreamStatistics(CLOCK)
        streams[packet.ssrc].add(packet)

    def _send(self, payload: bytes, timestamp: int, marker: bool) -> None:
        if self._stopped:
            return
        packet = build(
            payload,
            payload_type=self._payload_type,
            sequence=self._sequence,
            timestamp=timestamp,
            ssrc=self._sender._ssrc,
            marker=marker,
        )
        self._sequence = (self._sequence + 1) % SEQUENCES
        try:
            _run_at_once(self._sender.transport._send_rtp(packet))
        except ConnectionError:
            return  # the connection is lost or not there yet, and aiortc says so
        self._count_sent(len(payload), timestamp)

    def _count_sent(self, size: int, timestamp: int) -> None:
        """Keep the numbers that aiortc's sender reports to the peer (RFC 3550 §6.4.1)."""
        sender = self._sender
        sender._RTCRtpSender__ntp_timestamp = clock.current_ntp_time()
        sender._RTCRtpSender__rtp_timestamp = timestamp
        sender._RTCRtpSender__octet_count += size
        sender._RTCRtpSender__packet_count += 1


def _run_at_once(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits. A task for each packet would cost more than the packet."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("aiortc waits while it sends a packet")
