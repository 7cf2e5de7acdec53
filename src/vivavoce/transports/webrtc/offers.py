"""Read an SDP offer, and complete the answer to it. Pure.

aiortc answers every section of an offer, also video, and names no parameters of Opus. So it gets
the offer without the sections that this server rejects, and they return in the answer with port 0
(RFC 3264 §6). The limits here protect from offers that a browser never writes.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from aiortc import sdp

from ...errors import InvalidRequest

LARGEST_OFFER = 64 * 1024  # bytes; a browser's has 2 to 8 KiB
MOST_SECTIONS = 16
MOST_CANDIDATES = 20  # of one section: each costs checks by this server
OPUS = "minptime=10;useinbandfec=1;usedtx=0;stereo=0"
_OPUS_LINE = re.compile(r"^a=rtpmap:(\d+) opus/48000/2$", re.MULTILINE | re.IGNORECASE)
_SECTION = re.compile(r"^m=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that this server can answer. `text` has only the sections that it accepts."""

    text: str
    has_events: bool  # it has a section for data channels
    rejected: tuple[tuple[int, str], ...]  # the place of each other section, and its answer


def read(text: str) -> Offer:
    """Read an offer. Raises `InvalidRequest`."""
    if len(text) > LARGEST_OFFER:
        raise invalid(f"It is longer than {LARGEST_OFFER} bytes.")
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    head, *sections = _SECTION.split(lines if lines.endswith("\n") else lines + "\n")
    if not head.startswith("v=0\n"):
        raise invalid("It is not SDP.")
    if len(sections) > MOST_SECTIONS:
        raise invalid(f"It has more than {MOST_SECTIONS} sections.")
    accepted, rejected = _sort(["m=" + section for section in sections])
    kept = [_with_usable_candidates(section) for section in accepted]
    mids = [mid for section in accepted if (mid := _mid(section))]
    offer = "".join([_bundling(head, mids), *kept]).replace("\n", "\r\n")
    _check(offer)
    answers = tuple((place, _rejection(section)) for place, section in rejected)
    return Offer(offer, any(map(_is_events, accepted)), answers)


def complete(answer: str, offer: Offer) -> str:
    """Return aiortc's answer with the parameters of Opus and the rejected sections."""
    head, *sections = _SECTION.split(answer.replace("\r\n", "\n"))
    sections = [_with_opus("m=" + section) for section in sections]
    for place, section in offer.rejected:  # in their order, so that each place is right
        sections.insert(place, section)
    return "".join([head, *sections]).replace("\n", "\r\n")


def invalid(why: str) -> InvalidRequest:
    """Return the error for an offer that cannot be answered."""
    return InvalidRequest("invalid_offer", f"The SDP offer cannot be answered. {why}", "sdp")


def _sort(sections: list[str]) -> tuple[list[str], list[tuple[int, str]]]:
    """Return the first section with audio and the first with data channels, and the others."""
    accepted, rejected = [], []
    has_audio = has_events = False
    for place, section in enumerate(sections):
        if section.startswith("m=audio ") and not has_audio:
            has_audio = True
            accepted.append(section)
        elif _is_events(section) and not has_events:
            has_events = True
            accepted.append(section)
        else:
            rejected.append((place, section))
    if not has_audio:
        raise invalid("It has no audio: add a track or a transceiver before createOffer().")
    return accepted, rejected


def _is_events(section: str) -> bool:
    return section.startswith("m=application ") and "webrtc-datachannel" in section


def _mid(section: str) -> str | None:
    found = re.search(r"^a=mid:(\S+)$", section, re.MULTILINE)
    return found[1] if found else None


def _bundling(head: str, mids: list[str]) -> str:
    """Return the head of an offer whose bundle, if it has one, names exactly these sections."""
    bundle = "a=group:BUNDLE " + " ".join(mids)
    return re.sub(r"^a=group:BUNDLE\b.*$", lambda _: bundle, head, flags=re.MULTILINE)


def _with_usable_candidates(section: str) -> str:
    """Drop the candidates that this server cannot use: of TCP, and those with a name (mDNS)."""
    lines, left = [], MOST_CANDIDATES
    for line in section.split("\n"):
        if line.startswith("a=candidate:"):
            if not left or not _is_usable(line):
                continue
            left -= 1
        lines.append(line)
    return "\n".join(lines)


def _is_usable(line: str) -> bool:
    match line.split():
        case [_, _, transport, _, host, port, *_] if transport.lower() == "udp" and port.isdigit():
            try:
                ipaddress.ip_address(host)
            except ValueError:
                return False
            return 0 < int(port[:6]) < 65536
    return False


def _check(offer: str) -> None:
    """Raise `InvalidRequest` for what aiortc cannot parse, or would fail to answer later."""
    try:
        description = sdp.SessionDescription.parse(offer)
    except Exception as error:  # aiortc's parser fails by any of them: `KeyError`, `AssertionError`
        raise invalid("It is not valid.") from error
    for media in description.media:
        if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
            raise invalid("It has no ICE user name or password.")
        if media.dtls is None or not media.dtls.fingerprints:
            raise invalid("It has no DTLS fingerprint.")
        if media.dtls.role not in ("auto", "client", "server"):
            raise invalid("Its DTLS role is unknown.")
        if media.kind == "audio":
            if not media.rtcp_mux:
                raise invalid("It does not multiplex RTCP (rtcp-mux).")
            if not any(codec.name.lower() == "opus" for codec in media.rtp.codecs):
                raise invalid("Its audio does not offer Opus.")
    mids = [media.rtp.muxId for media in description.media]
    if not all(mids):
        raise invalid("A section has no mid.")
    if len(set(mids)) < len(mids):
        raise invalid("Two sections have the same mid.")


def _rejection(section: str) -> str:
    """Return the answer to a section that this server rejects."""
    words = section.partition("\n")[0].split()
    kind, protocol, format = [*words[0:1], *words[2:4], "", "", ""][:3]
    mid = _mid(section)
    lines = [f"{kind} 0 {protocol} {format}".rstrip(), "c=IN IP4 0.0.0.0", "a=inactive"]
    return "\n".join([*lines, *([f"a=mid:{mid}"] if mid else []), ""])


def _with_opus(section: str) -> str:
    """Return a section that asks the client for error correction, and for sound in silence."""
    if (found := _OPUS_LINE.search(section)) is None:
        return section
    kept = re.sub(rf"^a=fmtp:{found[1]} .*\n", "", section, flags=re.MULTILINE)
    return kept.replace(found[0], f"{found[0]}\na=fmtp:{found[1]} {OPUS}", 1)
