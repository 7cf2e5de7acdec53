"""`vivavoce doctor` checks the codec, the UDP ports, and the STUN and TURN servers of WebRTC."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aioice import stun

from .test_doctor import doctor


def configure(data: Path, *lines: str) -> None:
    (data / "vivavoce.toml").write_text("\n".join(["[webrtc]", *lines]))


@pytest.fixture
def server() -> Iterator[int]:
    """Answer STUN requests, and return the port."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            data, address = listening.recvfrom(2048)
            if not data:
                return
            asked = stun.parse_message(data)
            answer = stun.Message(
                stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=asked.transaction_id
            )
            answer.attributes["XOR-MAPPED-ADDRESS"] = address
            listening.sendto(bytes(answer), address)

    thread = threading.Thread(target=serve)
    thread.start()
    port: int = listening.getsockname()[1]
    yield port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.sendto(b"", ("127.0.0.1", port))
    thread.join()
    listening.close()


def test_the_codec_and_any_port_are_found(data: Path) -> None:
    found = doctor(data, "WebRTC")["WebRTC"]
    assert found.ok, found
    assert found.message.startswith("libopus ")
    assert found.message.endswith("any UDP port")


def test_a_range_of_ports_that_is_used_up_is_named(data: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as used:
        used.bind(("127.0.0.1", 0))
        port = used.getsockname()[1]
        configure(data, 'bind = ["127.0.0.1"]', f"port_range = [{port}, {port}]")
        found = doctor(data, "WebRTC")["WebRTC"]
    assert found.message == f"UDP {port} to {port} cannot be used at 127.0.0.1"
    assert "port_range" in found.fix
    assert doctor(data, "WebRTC")["WebRTC"].ok


def test_an_address_of_another_machine_cannot_be_bound(data: Path) -> None:
    configure(data, 'bind = ["192.0.2.1"]')
    assert "cannot be used at 192.0.2.1" in doctor(data, "WebRTC")["WebRTC"].message


def test_a_private_public_address_is_doubted(data: Path) -> None:
    configure(data, 'public_address = "10.0.0.7"')
    found = doctor(data, "WebRTC")["WebRTC"]
    assert (found.ok, "10.0.0.7 is private" in found.message) == (False, True)
    configure(data, 'public_address = "8.8.4.4"')
    assert doctor(data, "WebRTC")["WebRTC"].ok


def test_without_the_extra_it_says_so_and_is_no_fault(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("vivavoce.transports.webrtc")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiortc", None)
    found = doctor(data, "WebRTC")["WebRTC"]
    assert found.ok
    assert "pip install 'vivavoce[webrtc]'" in found.message


def test_a_server_that_is_switched_off_is_not_checked(data: Path) -> None:
    configure(data, "enabled = false")
    assert set(doctor(data, "Python", "WebRTC")) == {"Python"}


def test_a_stun_server_answers_with_the_address_that_it_sees(data: Path, server: int) -> None:
    url = f"stun:127.0.0.1:{server}"
    configure(data, f'stun = ["{url}"]')
    assert doctor(data, "stun")[url].message == "answers, and sees 127.0.0.1"


def test_a_turn_server_that_is_not_there_is_named(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        tcp = f"turn:127.0.0.1:{port}?transport=tcp"
        configure(data, f'turn = ["{tcp}"]', 'turn_secret = "north-of-the-lake"')
        assert doctor(data, "turn")[tcp].message == "takes connections"
    found = doctor(data, "turn")[tcp]
    assert (found.ok, found.message) == (False, f"127.0.0.1:{port} takes no connection")
    udp = f"turn:127.0.0.1:{port}?transport=udp"
    configure(data, f'turn = ["{udp}"]', 'turn_secret = "north-of-the-lake"')
    assert doctor(data, "turn")[udp].message == f"127.0.0.1:{port} does not answer by UDP"
