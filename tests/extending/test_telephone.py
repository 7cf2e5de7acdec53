"""Telephone calls of a real TCP client, over the transport of a package and a real server."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from ..support.real_time import live
from ..support.served import TAKES_ALL, Served, serve
from ..support.sounds import spoken
from .test_packages import environment

DESK = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
SILENT = UUID("5b1d2f3a-0000-4000-8000-000000000001")
HOSTED = UUID("5b1d2f3a-0000-4000-8000-000000000002")
PACKET_S = 0.02
PACKET = 320  # bytes of 20 ms at 8 kHz
SETTINGS = """
[calls]
slow_client_timeout_s = 1.0

[transports.audiosocket]
port = {port}
key_file = "{key_file}"

[transports.audiosocket.lines]
"{desk}" = {{ assistant = "charlotte", language = "en", greeting = "true" }}
"{silent}" = {{ assistant = "charlotte", language = "en" }}
"{hosted}" = {{ assistant = "hosted" }}
"""
GATE = """
name = "hosted"
engine = "upstream"

[instructions]
default = "Say it again."

[upstream]
base_url = "{url}"
model = "charlotte"
key = {{ env = "PROVIDER_KEY" }}
"""


async def until(is_true: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait for something outside of this process, or for audio."""
    async with asyncio.timeout(within_s):
        while not is_true():  # noqa: ASYNC110  # a process and a wire have no event for it
            await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Telephone:
    """Asterisk, for one call: it sends and receives 20 ms of audio at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.heard: list[tuple[float, bytes]] = []
        self.kinds: list[int] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                header = await self._reader.readexactly(3)
                payload = await self._reader.readexactly(int.from_bytes(header[1:]))
                self.kinds.append(header[0])
                if header[0] == 0x10:
                    self.heard.append((time.monotonic(), payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._writer.transport.abort()

    def send(self, kind: int, payload: bytes = b"") -> None:
        self._writer.write(bytes([kind]) + len(payload).to_bytes(2) + payload)

    async def speak(self, pcm: bytes) -> None:
        """Say this in real time, and one second of silence."""
        due = time.monotonic()
        pcm += bytes(50 * PACKET)
        for at in range(0, len(pcm), PACKET):
            self.send(0x10, pcm[at : at + PACKET].ljust(PACKET, b"\0"))
            due += PACKET_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def hears(self, ms: int) -> None:
        """Wait until this much more audio has arrived."""
        wanted = len(self.heard) + ms // 20
        await until(lambda: len(self.heard) >= wanted)

    async def hears_nothing_for(self, seconds: float) -> None:
        """Wait until no audio has arrived for this time."""
        await until(lambda: bool(self.heard) and time.monotonic() - self.heard[-1][0] >= seconds)

    async def over(self) -> None:
        async with asyncio.timeout(10):
            await asyncio.wait([self.reading])

    def leave(self) -> None:
        """Cut the connection, as a machine that loses its power."""
        self._writer.transport.abort()


async def dial(port: int, line: UUID = DESK, *, buffer: int = 65536) -> Telephone:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    telephone = Telephone(*await asyncio.open_connection(sock=connection, limit=buffer))
    telephone.send(0x01, line.bytes)
    return telephone


@pytest.fixture(scope="module")
def exchange(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Start a server that takes telephone calls."""
    with exchanged(site, tmp_path_factory.mktemp("exchange")) as exchange:
        yield exchange


class Exchange:
    """The server, its port for telephones, and its log."""

    def __init__(self, served: Served, port: int, key: dict[str, str]) -> None:
        self.served, self.port, self.key = served, port, key

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.served.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def request(self, method: str, path: str) -> Any:  # noqa: ANN401
        headers = {"api-key": self.key["key"]}
        request = urllib.request.Request(self.served.url + path, None, headers, method=method)
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read() or b"null")

    async def ended(self, number: int = 1) -> dict[str, Any]:
        """Wait until this number of calls have ended. Return the newest."""
        await until(lambda: len(self.log("call_ended")) >= number)
        call: dict[str, Any] = self.request(
            "GET", f"/api/calls/{self.log('call_ended')[-1]['call']}"
        )
        return call


@contextmanager
def exchanged(site: Path, folder: Path, **environ: str) -> Iterator[Exchange]:
    words = ["keys", "create", "--json", "--data-dir", str(folder)]
    made = subprocess.run(
        [sys.executable, "-m", "vivavoce", *words], capture_output=True, check=True, timeout=60
    )
    key = json.loads(made.stdout)
    (folder / "key").write_text(key["key"])
    port = free_port()
    (folder / "vivavoce.toml").write_text(
        SETTINGS.format(port=port, key_file=folder / "key", desk=DESK, silent=SILENT, hosted=HOSTED)
    )
    (folder / "assistants/hosted").mkdir(parents=True)
    (folder / "assistants/hosted/assistant.toml").write_text(
        GATE.format(url=environ.pop("PROVIDER_URL", "wss://localhost:1/v1"))
    )
    with serve(folder, **TAKES_ALL, **environment(site), **environ) as served:
        served.await_charlotte(key["key"])
        exchange = Exchange(served, port, key)
        live(exchange.ended())
        yield exchange


def tell(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    live(story())


def loudness(telephone: Telephone, since: int) -> float:
    pcm = b"".join(payload for _, payload in telephone.heard[since:])
    return float(np.abs(np.frombuffer(pcm, "<i2")).max(initial=0))


def test_a_caller_is_greeted_answered_interrupts_and_hangs_up(exchange: Exchange) -> None:
    before = len(exchange.log("call_ended"))

    async def story() -> None:
        telephone = await dial(exchange.port)
        await telephone.hears_nothing_for(0.5)  # after the greeting
        greeting = len(telephone.heard)
        assert greeting * PACKET_S > 2
        assert loudness(telephone, 0) > 3000
        await telephone.speak(spoken("registration_slt", 8000))
        await telephone.hears(400)
        at = len(telephone.heard)
        interrupting = asyncio.create_task(telephone.speak(spoken("thanks_rms", 8000)))
        await telephone.hears_nothing_for(0.4)
        assert (len(telephone.heard) - at) * PACKET_S < 1.2  # Charlotte would speak for longer
        await interrupting
        await telephone.hears(200)
        assert loudness(telephone, greeting) > 3000
        times = [when for when, _ in telephone.heard[: greeting - 5]]
        gaps = np.diff(times)
        assert abs(float(gaps.mean()) - PACKET_S) < 0.001
        telephone.send(0x00)
        await telephone.over()

    tell(story)
    call = live(exchange.ended(before + 1))
    assert call["transport"] == "audiosocket"
    assert call["ending"] == "client_closed_1000"
    exported = exchange.served.cli("conversations", "export", call["conversation_id"])
    items = json.loads(exported)["items"]
    spoken_items = [each for each in items if each["input_method"] == "voice"]
    transcripts = [each["item"]["content"][0]["transcript"] for each in spoken_items]
    assert "where" in transcripts[0].lower(), transcripts  # 4 kHz of audio blur the rest
    assert "much" in transcripts[1].lower(), transcripts
    answers = [each for each in items if each["heard_ms"] is not None]
    greeting, cut = answers[0], answers[1]
    assert greeting["heard_ms"] == greeting["sent_ms"]
    assert 0 < cut["heard_ms"] < cut["sent_ms"]


@pytest.mark.long
def test_a_caller_reaches_a_hosted_model_and_interrupts_it(
    site: Path, tmp_path: Path, served: Served, key: str
) -> None:
    """The provider is another server. Nothing that it sends as an event reaches the telephone."""
    provider = {"PROVIDER_URL": served.ws, "PROVIDER_KEY": key}
    with exchanged(site, tmp_path, **provider) as exchange:

        async def story() -> None:
            telephone = await dial(exchange.port, HOSTED)
            await telephone.speak(spoken("registration_slt", 8000))
            await telephone.hears(400)
            interrupting = asyncio.create_task(telephone.speak(spoken("thanks_rms", 8000)))
            await telephone.hears_nothing_for(0.4)
            await interrupting
            assert loudness(telephone, 0) > 3000
            assert set(telephone.kinds) == {0x10}
            telephone.send(0x00)
            await telephone.over()
            call = await exchange.ended(2)
            shown = await asyncio.to_thread(
                exchange.served.cli, "conversations", "export", call["conversation_id"]
            )
            answers = [e for e in json.loads(shown)["items"] if e["heard_ms"] is not None]
            assert 200 < answers[0]["heard_ms"] < answers[0]["sent_ms"]

        tell(story)


def test_a_caller_that_names_an_unknown_line_is_disconnected_and_begins_no_call(
    exchange: Exchange,
) -> None:
    before = len(exchange.log("call_began"))

    async def story() -> None:
        telephone = await dial(exchange.port, UUID(int=7))
        await telephone.over()
        assert telephone.kinds == []

    tell(story)
    assert len(exchange.log("call_began")) == before


def test_a_caller_that_reads_nothing_is_given_up_and_others_are_answered(
    exchange: Exchange,
) -> None:
    before = len(exchange.log("call_ended"))

    async def story() -> None:
        deaf = await dial(exchange.port, buffer=4096)
        deaf.reading.cancel()
        other = await dial(exchange.port)
        await other.hears(1000)
        call = await exchange.ended(before + 1)
        assert call["ending"] == "client_closed_1013"
        other.send(0x00)
        await other.over()
        deaf.leave()
        await exchange.ended(before + 2)

    tell(story)


def test_a_caller_that_dies_in_the_middle_of_an_answer_ends_its_call(exchange: Exchange) -> None:
    before = len(exchange.log("call_ended"))

    async def story() -> None:
        telephone = await dial(exchange.port)
        await telephone.hears(200)
        telephone.leave()
        await telephone.over()
        assert (await exchange.ended(before + 1))["ending"] == "client_closed_1006"

    tell(story)


def test_a_telephone_call_is_hung_up_by_its_id(exchange: Exchange) -> None:
    before = len(exchange.log("call_ended"))

    async def story() -> None:
        telephone = await dial(exchange.port)
        await telephone.hears(200)
        call_id = exchange.log("call_began")[-1]["call"]
        await asyncio.to_thread(exchange.request, "POST", f"/v1/realtime/calls/{call_id}/hangup")
        await telephone.over()
        assert telephone.kinds[-1] == 0x00
        assert (await exchange.ended(before + 1))["ending"] == "hung_up"

    tell(story)


@pytest.mark.long
def test_a_call_over_the_limit_is_refused_and_a_stopping_server_hangs_up(
    site: Path, tmp_path: Path
) -> None:
    with exchanged(site, tmp_path, VIVAVOCE_CALLS__MAX_CALLS="1") as exchange:

        async def story() -> None:
            telephone = await dial(exchange.port)
            await telephone.hears(200)
            refused = await dial(exchange.port)  # over `max_calls`
            await refused.over()
            assert refused.kinds == [0x00]
            exchange.served.process.send_signal(signal.SIGTERM)
            await telephone.over()
            assert telephone.kinds[-1] == 0x00

        tell(story)
        assert exchange.served.process.wait(20) == 0
        assert [line["ending"] for line in exchange.log("call_ended")][-1] == "service_restart"
        assert exchange.log("refused")[-1]["code"] == "rate_limit_exceeded"


@pytest.mark.long
def test_a_revoked_key_ends_telephone_calls(site: Path, tmp_path: Path) -> None:
    with exchanged(site, tmp_path) as exchange:

        async def story() -> None:
            telephone = await dial(exchange.port)
            await telephone.hears(200)
            await asyncio.to_thread(exchange.served.cli, "keys", "revoke", exchange.key["id"])
            await telephone.over()
            again = await dial(exchange.port)
            await again.over()
            assert again.heard == []
            await until(lambda: exchange.log("call_ended")[-1]["ending"] == "key_revoked")

        tell(story)


@pytest.mark.long
@pytest.mark.parametrize("required", ["true", "false"])
def test_a_taken_port_stops_the_server_only_if_the_transport_is_required(
    required: str, site: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("vv_1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "vivavoce.toml").write_text(
            f"[transports.audiosocket]\nrequired = {required}\nport = {port}\n"
            f'key_file = "{tmp_path / "key"}"\nlines = {{}}\n'
        )
        try:
            with serve(tmp_path, **environment(site)) as served:
                assert required == "false"
                assert served.stop() == 0
        except AssertionError:
            assert required == "true"
    log = (tmp_path / "server.log").read_text()
    assert "cannot start: Address already in use" in log
    assert ("error: settings: transports.audiosocket" in log) == (required == "true")
