"""The loudspeaker and microphone of a client, as a connection for audio alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from vivavoce.audio import pcm as audio

from .fakes import now


@dataclass
class MediaWire:
    """Keeps each packet of audio and its time."""

    full: bool = False
    reading: bool = True
    packets: list[tuple[float, bytes]] = field(default_factory=list)
    closed: tuple[int, str] | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.full
        self.packets.append((round(now(), 3), bytes(data)))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = code, reason

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.packets]

    @property
    def ms(self) -> int:
        return sum(audio.duration_ms(pcm) for _, pcm in self.packets)
