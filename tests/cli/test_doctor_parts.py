"""`vivavoce doctor` tries transports, and checks the clock and the time zones."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from vivavoce.api import Endpoint, TransportServices, TransportSpec
from vivavoce.app import server_address
from vivavoce.app.checks import CheckResult, transports
from vivavoce.app.data_folder import DataFolder
from vivavoce.app.server_address import ServerAddress
from vivavoce.engines.registry import Registry

from .test_doctor import assistant, doctor


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: int = 0


@dataclass
class Intercom:
    """A transport of another package, which listens on a port. `fault` is raised at its start."""

    fault: Callable[[], None] = lambda: None
    started: int = 0
    server: asyncio.Server | None = field(default=None, repr=False)

    def spec(self) -> TransportSpec[TransportServices]:
        async def make(services: TransportServices) -> Endpoint:
            self.options: Options = services.options
            services.spawn(asyncio.sleep(3600))
            return self

        return TransportSpec(name="intercom", make=make, settings_model=Options)

    async def start(self) -> None:
        self.fault()
        self.server = await asyncio.start_server(lambda *_: None, "127.0.0.1", self.options.port)
        self.started += 1

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()


@pytest.fixture
def intercom(data: Path, monkeypatch: pytest.MonkeyPatch) -> Intercom:
    """Install the transport in this process, and configure it."""
    made = Intercom()
    registry = Registry(transports={"intercom": made.spec()})
    monkeypatch.setattr(transports, "installed", lambda: registry)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (data / "vivavoce.toml").write_text(f"[transports.intercom]\nport = {port}\n")
    return made


def transport(data: Path) -> CheckResult:
    (found,) = doctor(data, "transport").values()
    return found


# Transports


def test_a_configured_transport_is_started_and_its_address_released(
    intercom: Intercom, data: Path
) -> None:
    for times in (1, 2):  # the second start needs the address that the first one released
        assert transport(data).message == "starts and stops"
        assert intercom.started == times


def test_a_transport_whose_address_is_used_is_named_with_its_table(
    intercom: Intercom, data: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        (data / "vivavoce.toml").write_text(f"[transports.intercom]\nport = {port}\n")
        found = transport(data)
    assert found.check == "transport intercom"
    assert found.message == "cannot start: Address already in use"
    assert "Stop the program that uses its address" in found.fix
    assert "[transports.intercom]" in found.fix


@pytest.mark.parametrize("fault", [ValueError("sk-secret"), SystemExit("sk-secret")])
def test_a_transport_that_fails_is_reported_without_its_own_words(
    intercom: Intercom, data: Path, fault: BaseException
) -> None:
    def fail() -> None:
        raise fault

    intercom.fault = fail
    found = transport(data)
    assert found.message == f"cannot start: {type(fault).__name__}"
    assert "sk-secret" not in str(found)


def test_a_transport_that_is_not_installed_is_reported(data: Path) -> None:
    (data / "vivavoce.toml").write_text("[transports.pigeon]\n")
    found = transport(data)
    assert found.message == "is not installed"
    assert "remove [transports.pigeon]" in found.fix


def test_a_transport_of_a_running_server_is_left_alone(intercom: Intercom, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server_address.write(DataFolder(data), ServerAddress(url, url))
        found = transport(data)
    assert found.ok
    assert "not tried" in found.message
    assert intercom.started == 0


# The clock and time zones


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr("vivavoce.clock.now", lambda: moment)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), "before this version was made"),
        (datetime(2099, 1, 1, tzinfo=UTC), "long after"),
    ],
)
def test_a_clock_that_was_never_set_is_reported(
    data: Path, monkeypatch: pytest.MonkeyPatch, moment: datetime, told: str
) -> None:
    at(monkeypatch, moment)
    found = doctor(data, "clock")["clock"]
    assert not found.ok
    assert told in found.message
    assert "NTP" in found.fix


def test_a_clock_that_was_set_back_is_seen_by_the_database(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor(data, "clock")["clock"].ok
    database = data / "vivavoce.db"
    database.write_bytes(b"")
    assert doctor(data, "clock")["clock"].ok
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    os.utime(database, (tomorrow, tomorrow))
    found = doctor(data, "clock")["clock"]
    assert "but the database was written at" in found.message


def test_the_zone_of_each_assistant_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assistant(data, "ada", 'time_zone = "Asia/Tokyo"')
    monkeypatch.setenv("TZ", "Europe/Rome")
    found = doctor(data, "time zones")["time zones"]
    assert found.ok, found
    assert "ada in Asia/Tokyo" in found.message


def test_an_assistant_with_an_unknown_zone_is_broken(data: Path) -> None:
    assistant(data, "ada", 'time_zone = "Asia/Edo"')
    found = doctor(data, "assistants", "time zones")
    assert found["assistants"].message == "with mistakes: ada"
    assert "Edo" not in found["time zones"].message


@pytest.mark.parametrize("zone", ["Europe/Roma", "Rome"])
def test_a_misspelled_TZ_is_reported(
    data: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    found = doctor(data, "time zones")["time zones"]
    assert found.message == f'TZ is "{zone}", which is no time zone: the system takes it for UTC'


@pytest.mark.parametrize("zone", ["", ":Europe/Rome", "UTC", "CET-1CEST", "<+0330>-3:30"])
def test_a_TZ_that_the_system_understands_is_right(
    data: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    assert doctor(data, "time zones")["time zones"].ok


def test_time_zones_come_from_the_package_or_are_missing(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([])
    try:
        assert "from the package tzdata" in doctor(data, "time zones")["time zones"].message
        for name in [each for each in sys.modules if each.partition(".")[0] == "tzdata"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "tzdata", None)
        found = doctor(data, "time zones")["time zones"]
        assert found.message == "there are no data about time zones"
        assert "tzdata" in found.fix
    finally:
        zoneinfo.reset_tzpath(before)
