"""The credentials of TURN servers, as coturn computes them (`use-auth-secret`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vivavoce.runtime.ice_servers import IceServer, IceServers

UNTIL = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_a_page_gets_a_credential_that_outlives_its_longest_call() -> None:
    servers = IceServers(
        ("stun:stun.example.com:3478",),
        ("turn:turn.example.com:3478?transport=udp",),
        "north",
        timedelta(hours=1),
    )
    stun, turn = servers.of("cs_1", UNTIL)
    assert stun == IceServer(urls=["stun:stun.example.com:3478"])
    # printf 1796130000:cs_1 | openssl dgst -sha1 -hmac north -binary | base64
    assert turn == IceServer(
        urls=["turn:turn.example.com:3478?transport=udp"],
        username="1796130000:cs_1",
        credential="6kKqQmQul/qGAsgne7PhERRAlEo=",
    )


def test_without_servers_there_is_nothing_to_name() -> None:
    assert IceServers().of("cs_1", UNTIL) == []
