"""A page whose network has no way but a TURN server: a real coturn, with our credentials."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ..support import programs
from ..support.rtc_client import RtcClient, calling_by
from ..support.served import TAKES_ALL, Served, serve

from aiortc import RTCIceServer  # isort: skip  # behind what imports it without PyAV

TURNSERVER = programs.find("turnserver")
SECRET = "north-of-the-lake"

pytestmark = [pytest.mark.long, pytest.mark.skipif(TURNSERVER is None, reason="coturn is not here")]


@contextmanager
def coturn(folder: Path) -> Iterator[int]:
    """Run coturn on loopback, as the how-to configures it. Return its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "coturn.log"
    settings = ["--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=voice.example.com"]
    here = ["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers"]
    plain = ["--no-tls", "--no-dtls", "--no-cli", f"--pidfile={folder / 'pid'}", "--no-stdout-log"]
    running = subprocess.Popen(
        [str(TURNSERVER), "-n", "--verbose", *settings, *here, *plain,
         f"--listening-port={port}", f"--log-file={log}", "--simple-log",
         f"--userdb={folder / 'turndb'}"],
        cwd=folder, env={**os.environ, **programs.libraries()},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            if log.exists() and "listener opened on : 127.0.0.1" in log.read_text():
                break
            assert running.poll() is None, log.read_text() if log.exists() else "no log"
            time.sleep(0.1)
        yield port
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve with a TURN server."""
    folder = tmp_path_factory.mktemp("turn")
    with coturn(folder) as port:
        turn = {
            "VIVAVOCE_WEBRTC__TURN": f"turn:127.0.0.1:{port}?transport=udp",
            "VIVAVOCE_WEBRTC__TURN_SECRET": SECRET,
        }
        with serve(folder, **TAKES_ALL, **turn) as served:
            yield served


def minted(served: Served) -> dict[str, Any]:
    answer = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets",
        json={"vivavoce": {"assistant": "echo"}},
        headers={"Authorization": f"Bearer {served.key()}"},
    )
    made: dict[str, Any] = answer.json()
    return made


def test_a_call_goes_through_the_turn_server_with_credentials_that_expire(relayed: Served) -> None:
    made = minted(relayed)
    (server,) = made["vivavoce"]["ice_servers"]
    relay = RTCIceServer(server["urls"], server["username"], server["credential"])

    async def main() -> None:
        async with calling_by(RtcClient(relay=relay), relayed, made["value"]) as client:
            await client.until("session.created")
            offered = client.pc.localDescription.sdp
            assert " typ relay" in offered
            assert " typ host" not in offered
            client.type_text("one two")
            await client.until("output_audio_buffer.stopped")
            assert any(client.heard)

    asyncio.run(main())


def test_a_credential_that_was_changed_is_refused_by_the_turn_server(relayed: Served) -> None:
    made = minted(relayed)
    (server,) = made["vivavoce"]["ice_servers"]
    relay = RTCIceServer(server["urls"], server["username"], "forged")

    async def main() -> None:
        async with calling_by(RtcClient(relay=relay), relayed, made["value"]) as client:
            assert " typ relay" not in client.pc.localDescription.sdp

    asyncio.run(main())
