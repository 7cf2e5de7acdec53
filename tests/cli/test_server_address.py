"""The address that links and commands use follows from the settings and the socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.app import server_address
from vivavoce.app.data_folder import DataFolder
from vivavoce.app.server_address import ServerAddress
from vivavoce.config import ServerSection


@pytest.mark.parametrize(
    ("host", "dual_stack", "listening"),
    [
        ("127.0.0.1", False, "http://localhost:80"),
        ("0.0.0.0", False, "http://localhost:80"),
        ("::", True, "http://localhost:80"),
        ("::", False, "http://[::1]:80"),
        ("0:0:0:0:0:0:0:0", False, "http://[::1]:80"),
        ("::1", True, "http://[::1]:80"),
        ("127.0.0.2", False, "http://127.0.0.2:80"),
        ("voice.local", False, "http://voice.local:80"),
    ],
)
def test_O5_listening_address_is_one_that_answers(
    host: str, dual_stack: bool, listening: str
) -> None:
    address = server_address.of(ServerSection(host=host), 80, dual_stack=dual_stack)
    assert address == ServerAddress(listening, listening)


def test_O1_both_addresses_are_in_the_file(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    assert server_address.read(data) is None
    for address in (
        ServerAddress("http://localhost:80", "https://voice.example.com"),
        ServerAddress("http://localhost:80", "http://localhost:80"),
    ):
        server_address.write(data, address)
        assert server_address.read(data) == address
    data.address.write_text("")
    assert server_address.read(data) is None


def test_O1_certificate_has_the_public_name_where_the_server_speaks_tls() -> None:
    public = "https://voice.example.com"
    assert ServerAddress("https://localhost:80", public).certified_name == "voice.example.com"
    assert ServerAddress("http://localhost:80", public).certified_name is None
    assert ServerAddress("https://localhost", "https://localhost").certified_name is None
