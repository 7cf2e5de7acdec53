"""A package whose own task calls `sys.exit`: that task fails, and the server goes on."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from textwrap import dedent

import httpx2

from ..support.calls import House
from ..support.served import TAKES_ALL, serve

PIGEON = """
    import asyncio
    import sys

    from vivavoce.api import TransportSpec

    class Loft:
        async def start(self):
            asyncio.get_running_loop().create_task(self.fly())

        async def stop(self):
            pass

        async def fly(self):
            await asyncio.sleep(0.2)
            sys.exit(3)

    async def make(services):
        return Loft()

    pigeon = TransportSpec(name="pigeon", make=make)
    """


def install(site: Path) -> None:
    """Install the package as an installer does."""
    about = site / "pigeons-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "pigeons.py").write_text(dedent(PIGEON))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeons\nVersion: 1.0\n")
    points = "[vivavoce.adapters]\ntransport-pigeon = pigeons:pigeon\n"
    (about / "entry_points.txt").write_text(points)


def test_X4_a_task_of_a_package_that_exits_does_not_end_the_server(tmp_path: Path) -> None:
    install(tmp_path / "site")
    data = tmp_path / "data"
    data.mkdir()
    (data / "vivavoce.toml").write_text("[transports.pigeon]\n")
    path = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH")]))
    with serve(data, PYTHONPATH=path, **TAKES_ALL) as server:
        house = House(server, server.key())
        ends = time.monotonic() + 10
        while "loop_failed" not in server.log.read_text() and time.monotonic() < ends:
            assert server.process.poll() is None, "it is still there"
            time.sleep(0.05)
        assert httpx2.get(f"{server.url}/healthz").status_code == 200

        async def story() -> None:
            async with house.welcome() as caller:
                assert await caller.turn()

        asyncio.run(story())
        assert "transport_started" in server.log.read_text()
        assert server.stop() == 0
