"""An upstream and a client that keep every frame they got, and its time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from vivavoce.net.websocket import FrameReceiver
from vivavoce.runtime.client import Client

from .fakes import FakeWire, now

REAL = Path(__file__).parents[1] / "recordings" / "real"


def frame(kind: str, **fields: object) -> bytes:
    """Return an event in the upstream's spelling, which differs from the server's."""
    return json.dumps({"type": kind, "event_id": f"event_{kind}", **fields}).encode()


SESSION = {"type": "realtime", "object": "realtime.session", "id": "sess_9", "model": "gpt-9"}
CREATED = frame("session.created", session=SESSION | {"instructions": "Be kind.", "new": 1.50})
UPDATED = frame("session.updated", session=SESSION | {"instructions": "Be brief.", "new": 1.50})
SOUND = frame("response.output_audio.delta", response_id="r", item_id="i", output_index=0,
              content_index=0, delta="AAAA" * 640)  # fmt: skip
APPEND = frame("input_audio_buffer.append", audio="AAAA" * 640)
NEWS = frame("response.telepathy.delta", thought=1.0)


def recorded(name: str, direction: str) -> Iterator[bytes]:
    """Yield the frames of one side of a recorded session, byte for byte."""
    for line in (REAL / f"{name}.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["kind"] == "message" and entry["direction"] == direction:
            yield json.dumps(entry["data"]).encode()


@dataclass
class RawWire(FakeWire):
    """The far end of a connection, whichever side it is on."""

    got: list[tuple[float, bytes]] = field(default_factory=list)

    def _hear(self, data: bytes) -> None:
        self.got.append((now(), data))

    @property
    def frames(self) -> list[bytes]:
        return [data for _, data in self.got]

    @property
    def kinds(self) -> list[str]:
        return [json.loads(data)["type"] for data in self.frames]

    def at(self, data: bytes) -> float:
        return next(at for at, other in self.got if other == data)


@dataclass
class FakeUpstream(RawWire):
    """Sends `session.created` after `join`, and `session.updated` when it is configured."""

    opens: bool = True
    answer_s: float = 0.0
    listening: bool = False

    @property
    def receiver(self) -> FrameReceiver:
        assert self.listening
        return cast("FrameReceiver", self.client)

    def join(self, receiver: FrameReceiver) -> None:
        self.client = cast("Client", receiver)  # it has the same three methods
        self.listening = True
        if self.opens:
            receiver.frame(memoryview(CREATED))

    def says(self, *frames: bytes) -> None:
        for data in frames:
            self.receiver.frame(memoryview(data))

    def _hear(self, data: bytes) -> None:
        super()._hear(data)
        if self.opens and len(self.got) == 1:
            import asyncio

            loop = asyncio.get_running_loop()
            loop.call_later(self.answer_s, self.says, UPDATED)

    def asked(self) -> Iterable[bytes]:
        """Return the frames that the client sent, without those of the gateway."""
        return [data for data in self.frames if b"event_vivavoce_" not in data]
