"""Send clients one packet each 20 ms, in speech and in silence. Time is an argument."""

from __future__ import annotations

import numpy as np
import pytest

from vivavoce.transports.webrtc.opus import OpusDecoder
from vivavoce.transports.webrtc.outgoing_audio import CLEAN_AFTER_S, OutgoingAudio

from .packets import TICKS, frames, level, tone

SILK = range(16)


class Sent:
    """The packets that were sent, with the time of each."""

    def __init__(self) -> None:
        self.packets: list[tuple[float, bytes, int, bool]] = []
        self.audio = OutgoingAudio(self._send, timestamp=1000)
        self.now = 0.0
        self.audio.start(0.0)
        self.due = 0.0

    def _send(self, payload: bytes, timestamp: int, marker: bool) -> None:
        self.packets.append((self.now, payload, timestamp, marker))

    def run(self, until: float, writes: list[tuple[float, bytes]] = []) -> Sent:  # noqa: B006
        """Call `tick` when it asks for it, and `write` at its times."""
        waiting = sorted(writes)
        while True:
            at = waiting[0][0] if waiting else until
            self.now = max(self.now, min(at, self.due, until))
            if waiting and at <= self.due:
                self.audio.write(waiting.pop(0)[1], self.now)
            elif self.due <= until:
                self.due = self.audio.tick(self.now)
            else:
                return self

    @property
    def times(self) -> list[float]:
        return [at for at, *_ in self.packets]

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload, _, _ in self.packets]

    @property
    def timestamps(self) -> list[int]:
        return [timestamp for _, _, timestamp, _ in self.packets]

    def heard(self) -> bytes:
        decoder = OpusDecoder()
        return b"".join(decoder.decode(payload) for payload in self.payloads)


def speech(at: float, ms: int) -> list[tuple[float, bytes]]:
    return [(at + 0.02 * n, frame) for n, frame in enumerate(frames(tone(ms)))]


def test_silence_is_one_packet_each_20_ms() -> None:
    sent = Sent().run(1.01)
    assert sent.times == pytest.approx([0.02 * n for n in range(51)])
    assert sent.timestamps == [1000 + n * TICKS for n in range(51)]
    assert len(sent.payloads[-1]) == 3


@pytest.mark.parametrize("at", [0.2, 0.201, 0.207, 0.2199])
def test_speech_is_sent_at_once_and_the_count_of_packets_stays(at: float) -> None:
    sent = Sent().run(2.01, speech(at, 400))
    assert at in sent.times
    assert len(sent.packets) == 101
    assert [b - a for a, b in zip(sent.timestamps, sent.timestamps[1:], strict=False)] == [
        TICKS
    ] * 100
    gaps = np.diff(sent.times)
    assert gaps.max() <= 0.0401
    assert sum(marker for *_, marker in sent.packets) == 1


def test_many_short_answers_do_not_run_ahead() -> None:
    writes = [each for n in range(20) for each in speech(0.1 + 0.093 * n, 40)]
    sent = Sent().run(3.0, writes)
    for at, _, timestamp, _ in sent.packets:
        assert at - 0.011 <= (timestamp - 1000) / 48_000 <= at + 0.021


def test_an_engine_that_pauses_is_bridged_with_silence() -> None:
    sent = Sent().run(1.01, [*speech(0.1, 100), *speech(0.5, 100)])
    assert len(sent.packets) == 51
    assert sum(marker for *_, marker in sent.packets) == 2


def test_speech_that_is_cut_ends_without_a_click() -> None:
    sent = Sent().run(1.0, speech(0.1, 210)[:10])
    heard = np.frombuffer(sent.heard(), "<i2").astype(np.int32)
    spoken = np.abs(np.diff(heard[: 480 * 14])).max()
    ending = np.abs(np.diff(heard[480 * 14 :])).max()
    assert spoken > 500
    assert ending <= spoken * 1.1
    assert level(heard[-4800:].astype("<i2").tobytes()) < 2


def test_cached_silence_leaves_the_speech_after_it_as_it_was() -> None:
    sent = Sent().run(3.0, [*speech(0.1, 400), *speech(2.0, 400)])
    heard = np.frombuffer(sent.heard(), "<i2").astype(float)
    first, again = heard[480 * 6 : 480 * 24], heard[480 * 101 : 480 * 119]
    assert np.corrcoef(first, again)[0, 1] > 0.98


def test_a_loop_that_stood_still_goes_on_from_now() -> None:
    sent = Sent().run(0.5)
    count = len(sent.packets)
    sent.now = sent.due = 1.51
    sent.run(2.0)
    assert len(sent.packets) - count <= 26
    assert sent.timestamps[-1] == pytest.approx(1000 + 48_000 * 2.0, abs=2 * TICKS)


def test_the_network_decides_between_celt_and_silk_with_fec() -> None:
    def uses_silk(sent: Sent, start: float) -> set[bool]:
        spoken = range(round(start * 1000) + 40, round(start * 1000) + 300)
        return {
            (payload[0] >> 3) in SILK
            for at, payload, *_ in sent.packets
            if round(at * 1000) in spoken
        }

    sent = Sent().run(0.5, speech(0.1, 300))
    assert uses_silk(sent, 0.1) == {False}
    sent.audio.report_loss(0.05, 0.5)
    sent.run(1.0, speech(0.6, 300))
    assert uses_silk(sent, 0.6) == {True}
    sent.audio.report_loss(0.0, 1.0)
    sent.audio.report_loss(0.0, 1.0 + CLEAN_AFTER_S)
    sent.run(1.5, speech(1.1, 300))
    assert uses_silk(sent, 1.1) == {False}


def test_one_clean_report_does_not_end_the_protection() -> None:
    sent = Sent()
    sent.audio.report_loss(0.05, 0.0)
    sent.audio.report_loss(0.0, 1.0)
    sent.audio.report_loss(0.01, 5.0)  # some are lost still, so the time starts again
    sent.audio.report_loss(0.0, 6.0)
    sent.audio.report_loss(0.0, 6.0 + CLEAN_AFTER_S - 1)
    assert sent.audio._lossy
    sent.audio.report_loss(0.0, 6.0 + CLEAN_AFTER_S)
    assert not sent.audio._lossy
