"""Opus in and out: every packet that a client may send, and every loss."""

from __future__ import annotations

import ctypes.util
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.pcm import duration_ms, silence
from vivavoce.transports.webrtc import libopus
from vivavoce.transports.webrtc.opus import (
    LARGEST_PACKET,
    LOSSY_BITRATE,
    OpusDecoder,
    OpusEncoder,
    OpusError,
    packet_ms,
)

from . import packets
from .packets import encode, frames, level, tone

CELT = range(16, 32)  # configurations in the first byte of a packet (RFC 6716 §3.1)


def config(packet: bytes) -> int:
    return packet[0] >> 3


def likeness(heard: bytes, said: bytes) -> float:
    """Return the best correlation of two sounds, for a delay of at most 20 ms."""
    a = np.frombuffer(heard, "<i2").astype(float)
    b = np.frombuffer(said, "<i2").astype(float)[: len(a) - 480]
    return max(float(np.corrcoef(a[n : n + len(b)], b)[0, 1]) for n in range(480))


@pytest.mark.parametrize("fec", [False, True])
def test_what_is_encoded_is_heard(fec: bool) -> None:
    encoder, decoder = OpusEncoder(LOSSY_BITRATE, fec=fec), OpusDecoder()
    said = tone(400)
    heard = b"".join(decoder.decode(encoder.encode(frame)) for frame in frames(said))
    assert len(heard) == len(said)
    assert likeness(heard, said) > 0.98


def test_celt_is_used_on_a_clean_network_and_silk_with_fec() -> None:
    encoder = OpusEncoder()
    clean = [encoder.encode(frame) for frame in frames(tone(200))]
    encoder.tune(LOSSY_BITRATE, fec=True)
    lossy = [encoder.encode(frame) for frame in frames(tone(200))]
    assert all(config(each) in CELT for each in clean)
    assert not any(config(each) in CELT for each in lossy[1:])


def test_lost_sound_comes_back_from_the_packet_after_it() -> None:
    encoder = OpusEncoder(LOSSY_BITRATE, fec=True)
    sent = [encoder.encode(frame) for frame in frames(tone(100) + tone(40, hz=700) + tone(100))]
    decoder, whole = OpusDecoder(), OpusDecoder()
    expected = [whole.decode(each) for each in sent]
    for each in sent[:5]:
        decoder.decode(each)
    recovered, concealed = decoder.recover(sent[6]), OpusDecoder().conceal(20)
    assert likeness(recovered + decoder.decode(sent[6]), b"".join(expected[5:7])) > 0.9
    assert level(concealed) == 0  # nothing was heard before


@pytest.mark.parametrize("ms", [2.5, 10, 20, 60, 120])
def test_lost_sound_is_concealed_in_its_length(ms: float) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for frame in frames(tone(200)):
        decoder.decode(encoder.encode(frame))
    assert len(decoder.conceal(ms)) == ms * 48
    assert len(decoder.conceal(ms)) == ms * 48


@pytest.mark.parametrize("ms", [2.5, 5, 10, 20, 40, 60, 100, 120])
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (48_000, 1), (8_000, 1), (16_000, 2)])
def test_packets_of_every_length_rate_and_number_of_channels_are_heard(
    ms: float, rate: int, channels: int
) -> None:
    times = np.arange(int(ms * rate / 1000)) / rate
    sound = np.repeat(8000 * np.sin(2 * np.pi * 400 * times), channels)
    packet = encode(sound, rate, channels)
    assert packet_ms(packet) == ms
    assert len(OpusDecoder().decode(packet)) == ms * 48


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_sound_or_an_error(data: bytes) -> None:
    decoder = OpusDecoder()
    for read in (decoder.decode, decoder.recover):
        try:
            pcm = read(data)
        except OpusError:
            continue
        assert 2.5 * 48 <= len(pcm) <= 120 * 48


def test_a_decoder_goes_on_after_bytes_that_are_not_opus() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    with pytest.raises(OpusError):
        decoder.decode(b"\xff" * 20)
    said = tone(200)
    heard = b"".join(decoder.decode(encoder.encode(frame)) for frame in frames(said))
    assert likeness(heard, said) > 0.98


def test_a_frame_of_another_length_is_a_bug() -> None:
    with pytest.raises(ValueError, match="960 bytes, not 100"):
        OpusEncoder().encode(bytes(100))


def test_an_answer_fits_into_one_datagram() -> None:
    encoder = OpusEncoder(510_000)
    noise = np.random.default_rng(7).integers(-32768, 32767, packets.FRAME * 20)
    sent = [encoder.encode(frame) for frame in frames(noise.astype("<i2").tobytes())]
    assert max(map(len, sent)) <= LARGEST_PACKET


def test_silence_becomes_one_packet_of_three_bytes() -> None:
    encoder = OpusEncoder()
    for frame in frames(tone(200)):
        encoder.encode(frame)
    sent = [encoder.encode(silence(20)) for _ in range(40)]
    assert {len(each) for each in sent[-10:]} == {3}
    assert len(set(sent[-10:])) == 1


def test_the_library_is_the_one_that_a_wheel_carries() -> None:
    first = next(libopus.candidates())
    assert Path(first).is_file()
    assert Path(first).parent.name == "_native"


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "libopus.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(libopus, "candidates", lambda: iter([str(broken)]))
    with pytest.raises(libopus.OpusMissingError, match=r"libopus\.so.*the extra 'webrtc'"):
        libopus.load.__wrapped__()


def test_the_system_is_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: f"lib{name}.so.0")
    assert list(libopus.candidates()) == ["libopus.so.0"]


def test_packets_last_as_long_as_they_say() -> None:
    assert packet_ms(b"") == 0
    assert packet_ms(b"\xff\xff") == 0
    assert duration_ms(OpusDecoder().decode(OpusEncoder().encode(tone(20)))) == 20
