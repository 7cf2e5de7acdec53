"""Calls over WebRTC with real Opus on loopback: processor time, even packets, added delay.

`python -m benchmarks webrtc [CALLS …]`. One process has the server's sound path and plays back what
it hears (`webrtc_echo`). This one has the peers. They send packets that were encoded before, so
that they cost little, and one of them sends a tone each second, whose way there and back is timed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aioice.ice
import numpy as np
import psutil
import soundfile
import uvloop
from tests.support.lossy import Lossy

from vivavoce.audio.pcm import SAMPLE_RATE, to_pcm16
from vivavoce.transports.webrtc.opus import FRAME_MS, OpusDecoder, OpusEncoder, OpusError
from vivavoce.transports.webrtc.peer_audio import PeerAudio
from vivavoce.transports.webrtc.rtp import RtpPacket
from vivavoce.transports.webrtc.without_pyav import aiortc

from .figures import Target, figure, table, verdict

SOUND = Path(__file__).parents[1] / "tests" / "sounds" / "registration_slt.wav"
SETTLES_S = 2.0
MEASURES_S = 10.0
FRAME = FRAME_MS * SAMPLE_RATE // 1000
TONE_MS = 60
LOUD = 3000  # of 32,768: the tone is louder, and what surrounds it is not

CPU = Target(1.5)  # % of a core per call
ADDED = Target(60)  # ms


@dataclass(frozen=True)
class Network:
    name: str
    loss: float = 0.0
    jitter_s: float = 0.0


CLEAN = Network("clean")
NETWORKS = (
    CLEAN,
    Network("1 % loss", loss=0.01),
    Network("5 % loss", loss=0.05),
    Network("50 ms jitter", jitter_s=0.05),
)


@dataclass
class Measured:
    calls: int
    network: Network
    cpu: float = 0.0  # % of a core, of the echo
    packets: float = 0.0  # per second and call
    gaps_ms: list[float] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)


def _frames(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Iterator[bytes]:
    pcm = to_pcm16(samples)
    size = 2 * FRAME
    for start in range(0, len(pcm) - size + 1, size):
        yield pcm[start : start + size]


def speech() -> list[bytes]:
    """Encode a recording, with FEC as browsers send it."""
    samples, _ = soundfile.read(SOUND, dtype="float32")
    encoder = OpusEncoder(32_000, fec=True)
    return [encoder.encode(frame) for frame in _frames(samples * 32767)]


def ticking() -> list[bytes]:
    """Encode a second of soft noise that begins with a tone."""
    noise = np.random.default_rng(7).normal(0, 100, SAMPLE_RATE).astype(np.float32)
    tone = np.arange(TONE_MS * SAMPLE_RATE // 1000, dtype=np.float32)
    noise[: len(tone)] += 12_000 * np.sin(2 * np.pi * 1000 / SAMPLE_RATE * tone)
    encoder = OpusEncoder(32_000, fec=True)
    twice = [encoder.encode(frame) for frame in _frames(np.concatenate([noise, noise]))]
    return twice[len(twice) // 2 :]


class Prerecorded:
    """Sends packets that were encoded before, one each 20 ms. It replaces `OutgoingAudio`."""

    def __init__(self, audio: PeerAudio, packets: list[bytes]) -> None:
        self._audio = audio
        self._packets = packets
        self._number = 0
        self._due = 0.0
        self.began: list[float] = []  # when the first packet was sent, in each round

    def start(self, now: float) -> None:
        self._due = now

    def tick(self, now: float) -> float:
        if now >= self._due:
            place = self._number % len(self._packets)
            if not place:
                self.began.append(now)
            self._audio._send(self._packets[place], self._number * 960, False)
            self._number += 1
            self._due += FRAME_MS / 1000
        return self._due

    def report_loss(self, fraction: float, now: float) -> None: ...


class Ear:
    """Notes when packets arrive, and when a tone does. It replaces `IncomingAudio`."""

    def __init__(self, payload_type: int, listens: bool) -> None:
        self.payload_type = payload_type
        self.arrived: list[float] = []
        self.tones: list[float] = []
        self._decoder = OpusDecoder() if listens else None
        self._quiet_ms = 0

    def receive(self, packet: RtpPacket, now: float) -> None:
        self.arrived.append(now)
        if self._decoder is None:
            return
        try:
            pcm = np.frombuffer(self._decoder.decode(packet.payload), "<i2")
        except OpusError:
            return
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > LOUD)
        if len(loud) and self._quiet_ms > 300:
            self.tones.append(now + float(loud[0]) / SAMPLE_RATE)
        self._quiet_ms = 0 if len(loud) else self._quiet_ms + FRAME_MS

    def tick(self, now: float) -> None: ...


class _Mute:
    """An `AudioClient` that wants nothing."""

    def feed_audio(self, pcm: bytes) -> None: ...

    def writable(self) -> None: ...


@dataclass
class Peer:
    connection: aiortc.RTCPeerConnection
    audio: PeerAudio
    sends: Prerecorded

    @property
    def ear(self) -> Ear:
        ear = self.audio.incoming
        assert isinstance(ear, Ear)
        return ear


@contextmanager
def echo() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.webrtc_echo"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        try:
            yield process
        finally:
            assert process.stdin
            process.stdin.close()


async def call(
    process: subprocess.Popen[str], network: Network, number: int, packets: list[bytes]
) -> Peer:
    """Call the echo. The first call also listens."""
    connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("audio", "sendrecv")
    audio = PeerAudio(transceiver)
    sends = Prerecorded(audio, packets)
    audio.outgoing = sends  # type: ignore[assignment]
    receive = transceiver.receiver.receive

    async def listen(parameters: object) -> None:
        await receive(parameters)  # type: ignore[arg-type]
        assert audio.incoming
        audio.incoming = Ear(audio.incoming.payload_type, number == 0)  # type: ignore[assignment]

    transceiver.receiver.receive = listen  # type: ignore[method-assign]
    audio.connect(_Mute())
    await connection.setLocalDescription(await connection.createOffer())
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(connection.localDescription.sdp) + "\n")
    process.stdin.flush()
    line = await asyncio.to_thread(process.stdout.readline)
    lossy = Lossy(network.loss, network.jitter_s, seed=number)
    lossy.hurt(transceiver.receiver.transport.transport)
    await connection.setRemoteDescription(aiortc.RTCSessionDescription(json.loads(line), "answer"))
    return Peer(connection, audio, sends)


async def measure(calls: int, network: Network) -> Measured:
    said, tone = speech(), ticking()
    with echo() as process:
        server = psutil.Process(process.pid)
        peers = [
            await call(process, network, number, said if number else tone)
            for number in range(calls)
        ]
        await asyncio.sleep(SETTLES_S)
        before, began = server.cpu_times(), time.monotonic()
        await asyncio.sleep(MEASURES_S)
        after, took = server.cpu_times(), time.monotonic() - began
        measured = _read(peers, began, took, network)
        used = after.user + after.system - before.user - before.system
        measured.cpu = used / took * 100 / calls
        await asyncio.gather(*(peer.connection.close() for peer in peers))
    return measured


def _read(peers: list[Peer], began: float, took: float, network: Network) -> Measured:
    found = Measured(len(peers), network)
    for peer in peers:
        times = [at for at in peer.ear.arrived if began <= at < began + took]
        found.packets += len(times) / took / len(peers)
        found.gaps_ms += [(b - a) * 1000 for a, b in itertools.pairwise(times)]
    listener = peers[0]
    for tone in listener.ear.tones:
        sent = [at for at in listener.sends.began if at < tone]
        if sent and tone >= began:
            found.delays_ms.append((tone - sent[-1]) * 1000)
    return found


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] if values else 0.0


def tables(measured: Iterable[Measured]) -> str:
    found = list(measured)
    clean = [m for m in found if m.network == CLEAN]
    base = float(np.median(clean[-1].delays_ms)) if clean and clean[-1].delays_ms else None
    rows = []
    for m in found:
        delay = float(np.median(m.delays_ms)) if m.delays_ms else None
        same = m is clean[-1] if clean else False
        added = [] if same or base is None or delay is None else [delay - base]
        rows.append(
            [
                f"{m.calls}, {m.network.name}",
                figure([m.cpu]),
                verdict([m.cpu], CPU if m.network == CLEAN else None),
                f"{m.packets:.1f}",
                f"{np.median(m.gaps_ms):.1f} / {_p99(m.gaps_ms):.1f}",
                figure(m.delays_ms),
                figure(added),
                verdict(added, ADDED if m.network.loss == 0.01 else None),
            ]
        )
    head = [
        "calls, network",
        "CPU per call, % of a core",
        f"{CPU}",
        "packets per second",
        "gap between packets, ms, median / p99",
        "there and back, ms, median / p95",
        "added, ms",
        f"1 % loss: {ADDED}",
    ]
    return table(head, rows)


def main(*calls: str) -> str:
    aioice.ice.get_host_addresses = lambda **_: ["127.0.0.1"]
    counts = [int(each) for each in calls] or [1, 10, 20]
    pairs = [(count, CLEAN) for count in counts]
    pairs += [(counts[-1], network) for network in NETWORKS if network != CLEAN]
    return tables([uvloop.run(measure(count, network)) for count, network in pairs])
