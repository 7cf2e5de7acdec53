"""The settings of WebRTC: which addresses, ports and servers are accepted."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vivavoce import web_address
from vivavoce.config import WebRtcSection

TURN = "turn:turn.example.com:3478?transport=udp"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("stun:stun.example.com", ("stun.example.com", 3478)),
        ("stun:stun.example.com:19302", ("stun.example.com", 19302)),
        ("stuns:stun.example.com", ("stun.example.com", 5349)),
        ("stun:192.0.2.7:3479", ("192.0.2.7", 3479)),
        ("stun:[2001:db8::7]:3479", ("2001:db8::7", 3479)),
        ("stun:[2001:db8::7]", ("2001:db8::7", 3478)),
    ],
)
def test_a_stun_address_is_read(value: str, place: tuple[str, int]) -> None:
    assert web_address.stun(value) == value
    assert web_address.ice_host_port(value) == place


@pytest.mark.parametrize(
    "value",
    ["stun.example.com", "stun://stun.example.com", "stun:", "stun:a b", "stun:host:0",
     "stun:host:70000", "stun:2001:db8::7", "stun:host?transport=udp", "turn:host", "http://host"],
)  # fmt: skip
def test_another_address_is_refused_for_stun(value: str) -> None:
    with pytest.raises(web_address.InvalidAddressError, match=r"must be|must"):
        web_address.stun(value)


@pytest.mark.parametrize(
    "value", [TURN, "turns:turn.example.com:5349?transport=tcp", "turn:turn.example.com"]
)
def test_a_turn_address_is_read(value: str) -> None:
    assert web_address.turn(value) == value


@pytest.mark.parametrize(
    "value", ["turn:host?transport=sctp", "turn:host?x=1", "stun:host", "turn:user@host:1"]
)
def test_another_address_is_refused_for_turn(value: str) -> None:
    with pytest.raises(web_address.InvalidAddressError):
        web_address.turn(value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"port_range": (50_100, 50_000)}, "must begin with the lower port"),
        ({"port_range": (80, 50_000)}, "greater than or equal to 1024"),
        ({"public_address": "voice.example.com"}, "public_address"),
        ({"bind": ("localhost",)}, "bind"),
        ({"turn": (TURN,)}, "must set both turn and turn_secret"),
        ({"turn_secret": "north-of-the-lake"}, "must set both turn and turn_secret"),
        ({"connect_timeout_s": 0}, "connect_timeout_s"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WebRtcSection.model_validate(settings)


def test_settings_that_belong_together_are_accepted() -> None:
    section = WebRtcSection.model_validate(
        {"turn": (TURN,), "turn_secret": "north-of-the-lake", "port_range": (50_000, 50_000),
         "public_address": "2001:db8::7", "bind": ("127.0.0.1", "::1")}
    )  # fmt: skip
    assert section.port_range == (50_000, 50_000)
