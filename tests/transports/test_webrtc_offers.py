"""Offers that browsers write, and offers that no browser writes."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vivavoce.errors import InvalidRequest
from vivavoce.transports.webrtc import offers
from vivavoce.transports.webrtc.ice import LOOPBACK, IceSettings
from vivavoce.transports.webrtc.peer import Peer

HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mids}\r\n"
TRANSPORT = (
    "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\na=setup:actpass\r\n"
)
AUDIO = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n" + TRANSPORT + "a=mid:{mid}\r\na=sendrecv\r\n"
    "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" + TRANSPORT + "a=mid:{mid}\r\na=sendrecv\r\n"
    "a=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
)
EVENTS = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    + TRANSPORT
    + "a=mid:{mid}\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
)


def written(*sections: str) -> str:
    mids = " ".join(map(str, range(len(sections))))
    parts = [section.format(mid=mid) for mid, section in enumerate(sections)]
    return HEAD.format(mids=mids) + "".join(parts)


def test_an_offer_of_the_sdk_is_taken_as_it_is() -> None:
    offer = offers.read(written(AUDIO, EVENTS))
    assert offer == offers.Offer(written(AUDIO, EVENTS), True, ())


def test_video_and_second_sections_return_with_port_0() -> None:
    offer = offers.read(written(VIDEO, AUDIO, AUDIO, EVENTS))
    assert re.findall(r"^m=(\w+)", offer.text, re.MULTILINE) == ["audio", "application"]
    assert "a=group:BUNDLE 1 3\r\n" in offer.text
    answer = HEAD.format(mids="1 3") + AUDIO.format(mid=1) + EVENTS.format(mid=3)
    complete = offers.complete(answer, offer)
    assert re.findall(r"^m=(\w+ \d+)", complete, re.MULTILINE) == [
        "video 0", "audio 9", "audio 0", "application 9",
    ]  # fmt: skip
    assert re.findall(r"^a=mid:(\d)", complete, re.MULTILINE) == ["0", "1", "2", "3"]


def test_an_answer_asks_for_error_correction() -> None:
    offer = offers.read(written(AUDIO))
    plain = written(AUDIO).replace("a=fmtp:111 minptime=10;useinbandfec=1\r\n", "")
    for answer in (plain, written(AUDIO)):
        complete = offers.complete(answer, offer)
        assert re.findall(r"^a=fmtp:(.*)\r$", complete, re.MULTILINE) == [f"111 {offers.OPUS}"]
    assert not offer.has_events


def test_candidates_that_cannot_be_used_are_dropped() -> None:
    usable = "a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host"
    useless = [
        "a=candidate:1 1 tcp 2130706431 192.0.2.7 9 typ host tcptype active",
        "a=candidate:1 1 udp 2130706431 0b1c.local 5000 typ host",
        "a=candidate:1 1 udp 2130706431 192.0.2.7 0 typ host",
        "a=candidate:1 1 udp 2130706431 192.0.2.7 99999999 typ host",
        "a=candidate:",
    ]
    lines = "".join(f"{line}\r\n" for line in [usable, *useless, *[usable] * 40])
    text = offers.read(written(AUDIO + lines)).text
    assert re.findall(r"^(a=candidate:.*)\r$", text, re.MULTILINE) == [usable] * 20


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no audio|not SDP"),
        ("hello", "not SDP"),
        (written(), "no audio"),
        (written(EVENTS), "no audio"),
        (written(AUDIO).replace("opus/48000/2", "speex/8000"), "does not offer Opus"),
        (written(AUDIO).replace("a=rtcp-mux\r\n", ""), "rtcp-mux"),
        (written(AUDIO).replace("a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n", ""), "ICE"),
        (re.sub(r"a=fingerprint.*\r\n", "", written(AUDIO)), "fingerprint"),
        (written(AUDIO).replace("a=setup:actpass\r\n", ""), "fingerprint|role"),
        (written(AUDIO).replace("a=setup:actpass", "a=setup:odd"), "not valid"),
        (written(AUDIO, EVENTS).replace("a=mid:1", "a=mid:0"), "same mid"),
        (written(AUDIO).replace("a=mid:0\r\n", ""), "no mid|not valid"),
        (written(*[AUDIO] * 17), "more than 16 sections"),
        (written(AUDIO) + "a=x\r\n" * 20_000, "longer than"),
        (written(AUDIO).replace("a=mid:0\r\n", "a=mid:0\r\na=ssrc:x y:z\r\n"), "not valid"),
    ],
)
def test_an_offer_that_cannot_be_answered_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as refused:
        offers.read(text)
    assert (refused.value.code, refused.value.param) == ("invalid_offer", "sdp")


LINES = written(AUDIO, VIDEO, EVENTS).splitlines(keepends=True)


@given(
    st.lists(st.sampled_from(LINES), max_size=60),
    st.lists(st.tuples(st.integers(0, 2000), st.text(max_size=8)), max_size=6),
)
def test_damaged_offers_are_read_or_refused(
    lines: list[str], changes: list[tuple[int, str]]
) -> None:
    """Refuse or answer lines in any order, with changed characters."""
    text = "".join(LINES[:6] + lines)
    for place, change in changes:
        text = text[:place] + change + text[place + len(change) :]
    try:
        offer = offers.read(text)
    except InvalidRequest:
        return
    offers.complete(offer.text, offer)


@settings(max_examples=40)
@example([], [(316, "0")])
@example([], [(428, "0")])
@given(
    st.lists(st.sampled_from(LINES[12:]), max_size=8),
    st.lists(st.tuples(st.integers(100, 2000), st.sampled_from("0 9:=/a\n")), max_size=3),
)
def test_a_peer_answers_or_refuses_what_was_read(
    lines: list[str], changes: list[tuple[int, str]]
) -> None:
    text = "".join(LINES + lines)
    for place, change in changes:
        text = text[:place] + change + text[place + 1 :]

    async def main() -> None:
        peer = Peer(IceSettings(bind=(LOOPBACK,)))
        try:
            await peer.answer(offers.read(text))
        except InvalidRequest:
            pass
        finally:
            await peer.close()

    asyncio.run(main())
