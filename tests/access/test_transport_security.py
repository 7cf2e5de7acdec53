"""A server has two addresses, and each request says by `Host` which of them it came to."""

from __future__ import annotations

import pytest

from vivavoce.access.transport_security import TransportSecurity

BEHIND_A_PROXY = TransportSecurity(public_url="https://voice.example.com/assistant")


@pytest.mark.parametrize(
    ("host", "origin", "secure"),
    [
        ("voice.example.com", None, True),
        ("VOICE.example.com:443", None, True),
        ("voice.example.com", "http://voice.example.com", True),
        ("voice.example.com:8080", None, False),
        ("localhost:8080", None, False),
        ("localhost:8080", "http://localhost:8080", False),
        ("localhost:8080", "https://voice.example.com", True),
        ("[::1]:8080", None, False),
        ("[::1", None, False),
        ("a:b", None, False),
        (None, None, False),
    ],
)
def test_O1_request_to_the_public_address_came_over_tls(
    host: str | None, origin: str | None, secure: bool
) -> None:
    assert BEHIND_A_PROXY.is_secure(host, origin) is secure
    assert BEHIND_A_PROXY.strict


def test_O1_server_without_a_public_address_has_one_answer() -> None:
    assert TransportSecurity(tls=True).is_secure("localhost")
    assert not TransportSecurity().is_secure("localhost", "https://localhost")
    assert not TransportSecurity(public_url="http://voice.example.com").strict
