"""From the RTP packets of one client to PCM16 at 24 kHz. Time is an argument: seconds.

    receive ─► PacketWindow ─► OpusDecoder ─► on_pcm
    tick ────► what waits too long, and silence for a client that sends nothing

The server plays nothing, so there is no jitter buffer: sound is passed on as soon as it is in
order. Turns are judged by the length of what was heard, so a client that stops sending (DTX, or a
network that is gone) must be heard as silent. Otherwise its turn would never end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from ...audio.pcm import duration_ms, silence
from .opus import FRAME_MS, LARGEST_MS, OpusDecoder, OpusError
from .packet_window import InOrder, PacketWindow
from .rtp import TICKS_PER_MS, TIMESTAMPS, RtpPacket, signed

CONCEALED_MS = 200  # of lost sound in a row; after a longer gap the stream goes on without it
HELD_S = 0.04  # that a packet waits for an earlier one at most
STALLED_S = 0.5  # without any packet: a network that hesitates is not heard as silence
DTX_S = 0.08  # the same after a packet that announces silence
DTX_BYTES = 2  # an encoder in DTX sends no frame, or an empty one (RFC 6716 §3.1, RFC 7587 §3.1.3)
FILLED_MS = 1000  # of silence at a time
BURST_MS = 3000  # of sound that may come at once, after a network stood still
FASTER = 1.05  # than real time: clocks differ


@dataclass(slots=True)
class Counts:
    """Numbers of packets of one stream, by their fate."""

    received: int = 0
    lost: int = 0
    recovered: int = 0  # of the lost ones, from the copy in the next packet
    concealed: int = 0  # of the lost ones, by what the decoder continues
    invalid: int = 0
    excessive: int = 0  # faster than real time


class IncomingAudio:
    """The sound of one client. `on_pcm` takes PCM16 at 24 kHz, 2.5 to 1,000 ms of it."""

    def __init__(self, on_pcm: Callable[[bytes], None], payload_type: int) -> None:
        """`payload_type`: the number of Opus in the session description.

        Raises `OpusMissingError`.
        """
        self.counts = Counts()
        self.paused = False  # True: what is received is dropped, because the reader is behind
        self._on_pcm = on_pcm
        self.payload_type = payload_type
        self._decoder = OpusDecoder()
        self._window = PacketWindow()
        self._expected: int | None = None  # the timestamp after what was heard; None: anything
        self._heard_until: float | None = None  # the end of the last packet, or of what was filled
        self._patience_s = STALLED_S
        self._credit_ms = float(BURST_MS)
        self._credit_at: float | None = None

    def totals(self) -> dict[str, int]:
        """Return the numbers of packets by their fate, for the log and the metrics."""
        return {**asdict(self.counts), "late": self.late}

    @property
    def late(self) -> int:
        """The number of packets that came after their turn, or twice. They were dropped."""
        return self._window.late

    def receive(self, packet: RtpPacket, now: float) -> None:
        """Take a packet in whatever order. Packets of another payload type are dropped."""
        if packet.payload_type != self.payload_type or not packet.payload or self.paused:
            return
        self.counts.received += 1
        self._heard_until = now + FRAME_MS / 1000
        for each in self._window.put(packet):
            self._hear(each, now)

    def tick(self, now: float) -> None:
        """Call this every 20 ms or so: it ends waiting, and fills in silence."""
        if self._heard_until is None:
            return
        idle = now - self._heard_until
        if idle > HELD_S and len(self._window):
            for each in self._window.flush():
                self._hear(each, now)
        if idle > self._patience_s:
            self._fill(idle, now)

    def _fill(self, idle: float, now: float) -> None:
        """Pass on silence in place of what does not come, up to now."""
        self._patience_s = 0.0  # from here on without waiting, until a packet comes
        self._expected = None
        ms = int(idle * 1000) // FRAME_MS * FRAME_MS
        self._heard_until = now - (idle - ms / 1000)
        ms = min(FILLED_MS, ms)
        if ms and self._take_credit(ms, now):
            self._on_pcm(silence(ms))

    def _hear(self, each: InOrder, now: float) -> None:
        packet = each.packet
        if each.begins:
            self._decoder.reset()
            self._expected = None
        self.counts.lost += each.lost
        gap = self._gap_ms(packet)
        try:
            if gap and self._take_credit(gap, now):
                self._bridge(packet, gap, each.lost)
            if self._take_credit(FRAME_MS, now):
                self._decode(packet, now)
        except OpusError:
            self.counts.invalid += 1
            self._expected = None

    def _gap_ms(self, packet: RtpPacket) -> int:
        """Return the missing sound before this packet; 0 if it is over `CONCEALED_MS`."""
        if self._expected is None:
            return 0
        gap = signed(packet.timestamp - self._expected, TIMESTAMPS) // TICKS_PER_MS
        return gap if 0 < gap <= CONCEALED_MS else 0

    def _bridge(self, packet: RtpPacket, gap: int, lost: int) -> None:
        """Pass on something in place of `gap` ms. Silence if the sender sent nothing (DTX)."""
        if not lost:
            self._on_pcm(silence(gap))
            return
        recovered = min(gap, FRAME_MS)
        concealed = gap - recovered
        self.counts.concealed += -(-concealed // FRAME_MS)
        while concealed > 0:
            piece = self._decoder.conceal(min(concealed, LARGEST_MS))
            concealed -= max(1, duration_ms(piece))
            self._on_pcm(piece)
        self._on_pcm(self._decoder.recover(packet.payload, recovered))
        self.counts.recovered += 1

    def _decode(self, packet: RtpPacket, now: float) -> None:
        pcm = self._decoder.decode(packet.payload)
        ms = duration_ms(pcm)
        self._credit_ms -= ms - FRAME_MS
        self._patience_s = DTX_S if len(packet.payload) <= DTX_BYTES else STALLED_S
        self._expected = (packet.timestamp + ms * TICKS_PER_MS) % TIMESTAMPS
        self._on_pcm(pcm)

    def _take_credit(self, ms: int, now: float) -> bool:
        """Take `ms` from what the client may send in real time. False: nothing is left."""
        elapsed = 0.0 if self._credit_at is None else now - self._credit_at
        self._credit_at = now
        self._credit_ms = min(BURST_MS, self._credit_ms + elapsed * 1000 * FASTER)
        if self._credit_ms < ms:
            self.counts.excessive += 1
            return False
        self._credit_ms -= ms
        return True
