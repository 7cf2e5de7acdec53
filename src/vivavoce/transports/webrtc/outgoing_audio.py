"""From PCM16 at 24 kHz to the RTP packets of one client: one every 20 ms, without a gap.

    write ─► OpusEncoder ─┐
    tick ──► silence ─────┴─► send(payload, timestamp, marker)

`Playback` writes speech in real time, at deadlines of its own. Between its packets this class sends
silence, because a receiver that gets nothing conceals a loss. Time is an argument: seconds.

Deadlines are absolute: packet n is due at start + n · 20 ms. Speech is sent when it comes, so it
may be up to 20 ms early. The first silence after it is due by the same count, which makes up for
that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...audio.pcm import BYTES_PER_MS, silence
from .opus import CLEAN_BITRATE, FRAME_MS, LOSSY_BITRATE, OpusEncoder
from .rtp import TICKS_PER_MS, TIMESTAMPS

PACKET_S = FRAME_MS / 1000
GRACE_S = 0.01  # that speech may be late before silence takes its place
CATCH_UP_S = 0.2  # what is later than this is not sent any more
FADE_MS = 10
LOSSY = 0.02  # of packets, in one report of the receiver: from here on SILK with FEC
CLEAN = 0.005
CLEAN_AFTER_S = 10.0
_SILENT = silence(FRAME_MS)
_TICKS = FRAME_MS * TICKS_PER_MS
_FADE = np.linspace(1, 0, FADE_MS * BYTES_PER_MS // 2, dtype=np.float32)


class OutgoingAudio:
    """The sound for one client. `send` gets a payload, its timestamp and the marker bit."""

    def __init__(self, send: Callable[[bytes, int, bool], None], *, timestamp: int = 0) -> None:
        """`timestamp`: of the first packet; a random one. Raises `OpusMissingError`."""
        self._send = send
        self._encoder = OpusEncoder()
        self._timestamp = timestamp
        self._due = 0.0
        self._next_speech = 0.0  # when it comes, if there is more of it
        self._tail = b""  # the end of the speech that was sent last; empty in silence
        self._silence = b""  # what the encoder makes of silence, once that no longer changes
        self._quiet = b""  # the silent packet that was encoded last
        self._lossy = False
        self._fec = False  # as the encoder is set now
        self._clean_since: float | None = None

    def start(self, now: float) -> None:
        """Begin to send: the connection is there."""
        self._due = now

    def write(self, pcm: bytes, now: float) -> None:
        """Send 20 ms of speech."""
        self._tune(self._lossy)
        self._align(now)
        self._next_speech = now + PACKET_S
        marker = not self._tail
        self._tail = pcm[-FADE_MS * BYTES_PER_MS :]
        self._silence = self._quiet = b""
        self._emit(self._encoder.encode(pcm), marker=marker)

    def tick(self, now: float) -> float:
        """Send silence if it is due, and return when to call this again."""
        due = max(self._due, self._next_speech + GRACE_S) if self._tail else self._due
        if now < due:
            return due
        self._align(now)
        self._emit(self._silent())
        return self._due

    def report_loss(self, fraction: float, now: float) -> None:
        """Note which part of the packets the receiver has lost, by its RTCP report."""
        if fraction >= LOSSY:
            self._lossy, self._clean_since = True, None
        elif fraction > CLEAN:
            self._clean_since = None
        elif self._clean_since is None:
            self._clean_since = now
        elif now - self._clean_since >= CLEAN_AFTER_S:
            self._lossy = False

    def _silent(self) -> bytes:
        """Return a packet of silence. The first one after speech ends it without a click.

        The encoder must have made what the decoder hears, because both predict the next packet from
        it. So the cached packet is used only when the encoder itself would repeat it.
        """
        if self._tail:
            pcm, self._tail = _fade(self._tail), b""
            return self._encoder.encode(pcm)
        if self._silence:
            return self._silence
        self._tune(False)  # only CELT ends in a packet that stays the same, and it has 3 bytes
        packet = self._encoder.encode(_SILENT)
        self._silence = packet if packet == self._quiet else b""
        self._quiet = packet
        return packet

    def _tune(self, fec: bool) -> None:
        if fec != self._fec:
            self._fec = fec
            self._encoder.tune(LOSSY_BITRATE if fec else CLEAN_BITRATE, fec=fec)

    def _align(self, now: float) -> None:
        """Skip what is long due: a receiver needs the present, not what it missed."""
        if now - self._due > CATCH_UP_S:
            skipped = int((now - self._due) / PACKET_S)
            self._due += skipped * PACKET_S
            self._timestamp += skipped * _TICKS

    def _emit(self, payload: bytes, *, marker: bool = False) -> None:
        timestamp = self._timestamp % TIMESTAMPS
        self._timestamp += _TICKS
        self._due += PACKET_S
        self._send(payload, timestamp, marker)


def _fade(tail: bytes) -> bytes:
    """Return 20 ms that go on from the end of the speech, mirrored in time, and become silent."""
    mirrored = np.frombuffer(tail, "<i2")[::-1] * _FADE[: len(tail) // 2]
    return mirrored.astype("<i2").tobytes().ljust(len(_SILENT), b"\0")
