"""The bounds of the data channel, with the far end in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vivavoce.transports.webrtc.event_channel import (
    HIGH_WATER,
    LARGEST_MESSAGE,
    MOST_HELD,
    EventChannel,
)

MESSAGE = "x" * 100_000


@dataclass
class Far:
    """The client's channel, and the client of the server: what each of them has got."""

    label: str = "oai-events"
    readyState: str = "open"  # as aiortc spells it
    bufferedAmount: int = 0
    bufferedAmountLowThreshold: int = 0
    sent: list[str] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    ready: int = 0
    closed: list[tuple[int, str]] = field(default_factory=list)
    does: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def on(self, event: str, what: Callable[..., Any]) -> None:
        self.does[event] = what

    def send(self, text: str) -> None:
        self.sent.append(text)

    def frame(self, data: bytes) -> None:
        self.frames.append(data)

    def writable(self) -> None:
        self.ready += 1

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    def says(self, *messages: str | bytes) -> None:
        for message in messages:
            self.does["message"](message)


def connected(largest: int = 0) -> tuple[EventChannel, Far]:
    far = Far()
    channel = EventChannel(far.close)
    channel.opened(far, largest)  # type: ignore[arg-type]
    channel.join(far)  # type: ignore[arg-type]
    return channel, far


def test_messages_wait_while_the_client_is_not_read_and_keep_their_order() -> None:
    channel, far = connected()
    channel.pause_reading()
    far.says("one", b"two")
    assert far.frames == []
    channel.resume_reading()
    assert far.frames == [b"one", b"two"]


def test_a_client_that_sends_over_1_mib_while_it_is_not_read_is_closed() -> None:
    channel, far = connected()
    channel.pause_reading()
    far.says(*[MESSAGE] * (MOST_HELD // len(MESSAGE)))
    assert far.closed == []
    far.says(MESSAGE)
    assert far.closed == [(1013, "too fast")]
    channel.resume_reading()
    assert far.frames == [], "nothing of a closed client is read"


def test_what_was_read_is_held_no_longer() -> None:
    channel, far = connected()
    for _ in range(50):
        channel.pause_reading()
        far.says(MESSAGE)
        channel.resume_reading()
    assert (len(far.frames), far.closed) == (50, [])


def test_writing_waits_at_256_kib_and_goes_on_when_they_were_taken() -> None:
    channel, far = connected()
    far.bufferedAmount = HIGH_WATER - 1
    assert not channel.full
    far.bufferedAmount = HIGH_WATER
    assert channel.full
    before = far.ready
    far.does["bufferedamountlow"]()
    assert far.ready == before + 1
    assert far.bufferedAmountLowThreshold == HIGH_WATER // 2


def test_a_channel_that_is_not_open_is_full() -> None:
    far = Far()
    channel = EventChannel(far.close)
    assert channel.full
    far.readyState = "connecting"
    channel.opened(far, 0)  # type: ignore[arg-type]
    assert channel.full


def test_another_channel_is_ignored() -> None:
    far, other = Far(), Far(label="chat")
    channel = EventChannel(far.close)
    channel.opened(other, 0)  # type: ignore[arg-type]
    assert other.does == {}
    channel.opened(far, 0)  # type: ignore[arg-type]
    second = Far()
    channel.opened(second, 0)  # type: ignore[arg-type]
    assert second.does == {}


def test_an_event_is_shortened_to_what_the_client_takes() -> None:
    channel, far = connected(largest=2000)
    channel.write(json.dumps({"type": "error", "text": "y" * 5000}).encode())
    (sent,) = far.sent
    assert len(sent) <= 2000
    assert json.loads(sent)["type"] == "error"


def test_a_message_over_256_kib_is_answered_with_an_error_and_the_end() -> None:
    _, far = connected()
    far.says("x" * LARGEST_MESSAGE)
    assert far.closed == []
    far.says("x" * (LARGEST_MESSAGE + 1))
    assert far.closed == [(1009, "message too large")]
    assert json.loads(far.sent[-1])["error"]["code"] == "message_too_large"
    assert len(far.frames) == 1
