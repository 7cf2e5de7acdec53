"""Headers of RTP packets, as they should be and as they should not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.transports.webrtc.rtp import RtpPacket, build, parse, signed


@settings(deadline=None)
@given(
    st.binary(max_size=100),
    st.integers(0, 127),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_what_is_built_is_parsed(
    payload: bytes, kind: int, sequence: int, timestamp: int, ssrc: int, marker: bool
) -> None:
    data = build(
        payload, payload_type=kind, sequence=sequence, timestamp=timestamp, ssrc=ssrc, marker=marker
    )
    assert parse(data) == RtpPacket(sequence, timestamp, ssrc, kind, payload)
    assert bool(data[1] & 128) == marker


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_a_packet_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(parse(data).payload) <= len(data) - 12


def test_sources_extensions_and_padding_are_skipped() -> None:
    plain = build(b"sound", payload_type=111, sequence=1, timestamp=2, ssrc=3, marker=False)
    extension = b"\xbe\xde\x00\x01\x10\xff\x00\x00"
    data = bytes([0b1011_0001]) + plain[1:12] + b"CSRC" + extension + b"sound" + b"\0\0\x03"
    assert parse(data).payload == b"sound"


@pytest.mark.parametrize("last", [0, 14, 255])
def test_padding_that_cannot_be_is_refused(last: int) -> None:
    data = bytes([0b1010_0000, 111]) + bytes(10) + bytes([last])
    with pytest.raises(ValueError, match="shorter"):
        parse(data)


def test_numbers_that_wrap_are_near() -> None:
    assert signed(0 - 65535, 65536) == 1
    assert signed(65535 - 0, 65536) == -1
    assert signed(5, 65536) == 5
