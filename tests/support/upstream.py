"""An upstream and a client that keep what they were told byte by byte, and when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from vivavoce.runtime.client import Client
from vivavoce.runtime.upstream_work import Far

from .fakes import FakeWire, now

REAL = Path(__file__).parents[1] / "recordings" / "real"


def frame(kind: str, **fields: object) -> bytes:
    """An event in the upstream's own way of writing, which is not ours."""
    return json.dumps({"type": kind, "event_id": f"event_{kind}", **fields}).encode()


SESSION = {"type": "realtime", "object": "realtime.session", "id": "sess_9", "model": "gpt-9"}
CREATED = frame("session.created", session=SESSION | {"instructions": "Be kind.", "new": 1.50})
UPDATED = frame("session.updated", session=SESSION | {"instructions": "Be brief.", "new": 1.50})
SOUND = frame("response.output_audio.delta", response_id="r", item_id="i", output_index=0,
              content_index=0, delta="AAAA" * 640)  # fmt: skip
APPEND = frame("input_audio_buffer.append", audio="AAAA" * 640)
NEWS = frame("response.telepathy.delta", thought=1.0)


def recorded(name: str, direction: str) -> Iterator[bytes]:
    """The frames of one side of a recorded session, as they were written."""
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
    """Says `session.created` when somebody listens, and `session.updated` when it is configured."""

    opens: bool = True
    answer_s: float = 0.0
    listening: bool = False

    @property
    def receiver(self) -> Far:
        assert self.listening
        return cast("Far", self.client)

    def join(self, receiver: Far) -> None:
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
        """What it was told by the client, that is, not by the gateway."""
        return [data for data in self.frames if b"event_vivavoce_" not in data]
