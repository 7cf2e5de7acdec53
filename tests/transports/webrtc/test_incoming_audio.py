"""The server hears clients whose network or program misbehaves. Time is an argument."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.pcm import duration_ms
from vivavoce.transports.webrtc.incoming_audio import BURST_MS, CONCEALED_MS, IncomingAudio
from vivavoce.transports.webrtc.rtp import RtpPacket

from .packets import FRAME, OPUS, TICKS, encode, level, packet, stream


class Heard:
    """The sound that was passed on, and a clock."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.audio = IncomingAudio(self.pieces.append, OPUS)
        self.now = 0.0

    @property
    def pcm(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def ms(self) -> int:
        return duration_ms(self.pcm)

    def receive(self, *packets: RtpPacket) -> Heard:
        """Receive one packet each 20 ms."""
        for each in packets:
            self.audio.receive(each, self.now)
            self.wait(20)
        return self

    def wait(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.now += 0.02
            self.audio.tick(self.now)


def without(packets: list[RtpPacket], *lost: int) -> list[RtpPacket]:
    return [each for n, each in enumerate(packets) if n not in lost]


def test_sound_is_passed_on_at_once() -> None:
    heard = Heard()
    for n, each in enumerate(stream(20)):
        heard.audio.receive(each, n * 0.02)
        assert heard.ms == 20 * (n + 1)
    assert level(heard.pcm[2400:]) > 5000


@pytest.mark.parametrize("lost", [[5], [5, 9], [5, 6], [5, 6, 7, 8]])
def test_lost_packets_keep_their_length_and_their_sound(lost: list[int]) -> None:
    heard = Heard().receive(*without(stream(30), *lost))
    assert heard.ms == 600
    assert heard.audio.counts.lost == len(lost)
    bridged = heard.pcm[960 * 5 : 960 * 6]
    assert level(bridged) > 2000


def test_a_packet_lost_once_comes_back_by_fec() -> None:
    heard = Heard().receive(*without(stream(30), 10))
    assert heard.audio.counts.recovered == 1
    whole = Heard().receive(*stream(30))
    a, b = (np.frombuffer(each.pcm, "<i2").astype(float) for each in (heard, whole))
    place = slice(FRAME * 10, FRAME * 11)
    assert np.corrcoef(a[place], b[place])[0, 1] > 0.9


def test_fec_restores_the_lost_sound_and_concealment_only_continues() -> None:
    """Use a sweep: it changes all the time, so a guess differs from the lost sound."""
    packets, place = stream(30, changes=True), slice(FRAME * 10, FRAME * 11)
    whole, recovered = Heard().receive(*packets), Heard().receive(*without(packets, 10))
    plain = stream(30, changes=True, fec=False)
    invented = Heard().receive(*without(plain, 10))
    said = np.frombuffer(whole.pcm, "<i2").astype(float)[place]
    by_fec, by_guess = (
        np.corrcoef(said, np.frombuffer(each.pcm, "<i2").astype(float)[place])[0, 1]
        for each in (recovered, invented)
    )
    assert by_fec > 0.9 > 0.6 > by_guess


def test_of_two_lost_packets_one_is_concealed_and_one_recovered() -> None:
    counts = Heard().receive(*without(stream(30), 5, 6)).audio.totals()
    assert (counts["lost"], counts["recovered"], counts["concealed"]) == (2, 1, 1)


def test_after_a_loss_sound_is_as_prompt_as_before() -> None:
    heard = Heard()
    packets = without(stream(40), 10)
    for each in packets:
        heard.receive(each)
    assert heard.ms == 800  # nothing stays behind


def test_a_long_gap_is_not_filled_with_invented_sound() -> None:
    packets = stream(60)
    heard = Heard().receive(*packets[:10], *packets[40:])
    assert heard.ms == 600
    assert heard.audio.counts.lost == 0


def test_a_gap_of_200_ms_is_concealed() -> None:
    lost = CONCEALED_MS // 20
    packets = stream(40)
    heard = Heard().receive(*packets[:10], *packets[10 + lost :])
    assert heard.ms == 800
    assert heard.audio.counts.lost == lost


@pytest.mark.parametrize("first", [0, 65_530, 2**32 // TICKS - 10])
def test_numbers_and_timestamps_that_wrap_change_nothing(first: int) -> None:
    heard = Heard().receive(*without(stream(40, first=first), 12))
    assert heard.ms == 800
    assert heard.audio.counts.lost == 1


def test_packets_out_of_order_and_twice_are_heard_once_and_in_order() -> None:
    packets = stream(30)
    mixed = [*packets[:5], packets[6], packets[5], packets[5], *packets[7:], packets[3]]
    assert Heard().receive(*mixed).pcm == Heard().receive(*packets).pcm


def test_a_client_that_stops_is_heard_as_silent_so_its_turn_can_end() -> None:
    heard = Heard().receive(*stream(10))
    heard.wait(2000)
    assert heard.ms == pytest.approx(2200, abs=40)
    assert level(heard.pcm[-48_000:]) == 0


def test_a_network_that_hesitates_is_not_heard_as_silence() -> None:
    packets = stream(40)
    heard = Heard().receive(*packets[:10])
    heard.wait(400)
    for each in packets[10:30]:  # they come at once
        heard.audio.receive(each, heard.now)
    assert heard.ms == 600


def test_dtx_is_silence_of_the_right_length() -> None:
    packets = stream(10)
    pause = packet(10, packets[0].payload[:1])  # no frame: the encoder says that silence begins
    heard = Heard().receive(*packets, pause)
    heard.wait(380)
    later = RtpPacket(11, 30 * TICKS, 1, OPUS, packets[5].payload)
    heard.receive(later)
    assert heard.ms == pytest.approx(620, abs=40)


def test_what_waits_for_a_packet_that_never_comes_is_heard_soon() -> None:
    packets = stream(10)
    heard = Heard().receive(*packets[:5], packets[6])
    assert heard.ms == 100
    heard.wait(80)
    assert heard.ms == 140


def test_bytes_that_are_not_opus_are_counted_and_the_rest_is_heard() -> None:
    packets = stream(20)
    packets[10] = packet(10, b"\xff" * 20)
    heard = Heard().receive(*packets)
    assert heard.audio.counts.invalid == 1
    assert heard.ms == 380


def test_packets_of_other_payload_types_are_not_decoded() -> None:
    heard = Heard()
    for kind in (0, 8, 9, 13, 63, 126):
        heard.receive(RtpPacket(kind, 0, 1, kind, bytes(160)))
    assert heard.ms == 0
    assert heard.audio.counts.received == 0


@pytest.mark.parametrize("ms", [2.5, 10, 60, 120])
def test_a_client_may_choose_its_packets_length(ms: float) -> None:
    sound = np.repeat(8000 * np.sin(np.arange(int(48 * ms)) / 20), 2)
    payload = encode(sound, 48_000, 2)
    heard = Heard()
    for n in range(20):
        sent = RtpPacket(n, int(n * ms * 48), 1, OPUS, payload)
        heard.audio.receive(sent, n * ms / 1000)
    assert len(heard.pcm) == 20 * ms * 48


def test_a_client_cannot_send_faster_than_real_time_for_long() -> None:
    payload = encode(np.zeros(5760), 48_000, 1)
    heard = Heard()
    for n in range(1000):  # 2 minutes of sound within one second
        heard.audio.receive(RtpPacket(n, n * 5760, 1, OPUS, payload), n / 1000)
    assert heard.ms <= BURST_MS + 1200
    assert heard.audio.counts.excessive > 900


def test_timestamps_that_jump_cannot_make_much_of_little() -> None:
    payload = stream(1)[0].payload
    heard = Heard()
    for n in range(5000):
        heard.audio.receive(RtpPacket(n % 65536, n * 9000 % 2**32, 1, OPUS, payload), n / 5000)
    assert heard.ms <= BURST_MS + 1200


def test_sources_that_alternate_are_heard_and_nothing_grows() -> None:
    one, two = stream(50), stream(50, ssrc=2)
    heard = Heard()
    for pair in zip(one, two, strict=True):
        for each in pair:
            heard.audio.receive(each, heard.now)
        heard.wait(20)
    assert heard.ms <= 2000
    assert len(heard.audio._window) == 0


def test_nothing_is_heard_while_the_reader_is_behind() -> None:
    heard = Heard()
    heard.audio.paused = True
    heard.receive(*stream(10))
    assert heard.ms == 0
    heard.audio.paused = False
    heard.receive(*stream(10, first=10))
    assert heard.ms == 200


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.2), st.floats(0, 0.05))
def test_loss_and_jitter_change_the_length_by_no_more_than_the_edges(
    seed: int, loss: float, jitter_s: float
) -> None:
    dice = Random(seed)
    packets = SENT
    times = [
        (n * 0.02 + jitter_s * dice.random(), n)
        for n in range(len(packets))
        if dice.random() >= loss
    ]
    heard = Heard()
    for at, n in sorted(times):
        while heard.now + 0.02 <= at:
            heard.wait(20)
        heard.audio.receive(packets[n], at)
    heard.wait(100)
    first, last = times[0][1], max(n for _, n in times)
    assert abs(heard.ms - 20 * (last - first + 1)) <= 60


SENT = stream(200)
