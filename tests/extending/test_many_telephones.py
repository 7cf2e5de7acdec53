"""A hundred telephones ring at the same moment, and their people speak at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..support.calls import House
from ..support.waits import Waits, watched
from .test_packages import environment
from .test_telephone import DESK, PACKET, PACKET_S, Telephone, dial, free_port

TELEPHONES = 100
LONGEST_MS = 100  # that they may add to a bystander's wait
ATTEMPTS = 3  # other programs may take the processor or the disk of the machine
DESKS = """
name = "desks"

[instructions]
default = "Say it again."

[limits]
calls_at_once = 200
"""
SETTINGS = """
[calls]
max_calls_per_key = 200

[transports.audiosocket]
port = {port}
key_file = "{key_file}"

[transports.audiosocket.lines]
"{desk}" = {{ assistant = "desks" }}
"""


async def ring(port: int, everybody: list[Telephone]) -> None:
    """Call, and speak for half a second: half of it arrives before the call is set up."""
    telephone = await dial(port)
    everybody.append(telephone)
    for number in range(25):
        telephone.send(0x10, bytes(PACKET))
        await asyncio.sleep(PACKET_S if number > 12 else 0)


@pytest.mark.long
def test_X6_a_hundred_telephones_at_once_delay_nobody(site: Path, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "assistants/desks").mkdir(parents=True)
    (tmp_path / "assistants/desks/assistant.toml").write_text(DESKS)
    (tmp_path / "vivavoce.toml").write_text(
        SETTINGS.format(port=port, key_file=tmp_path / "key", desk=DESK)
    )
    words = ["keys", "create", "--json", "--data-dir", str(tmp_path)]
    made = subprocess.run(
        [sys.executable, "-m", "vivavoce", *words], capture_output=True, check=True, timeout=60
    )
    (tmp_path / "key").write_text(json.loads(made.stdout)["key"])

    async def attack(house: House) -> None:
        everybody: list[Telephone] = []
        await asyncio.gather(*(ring(port, everybody) for _ in range(TELEPHONES)))
        await asyncio.sleep(1)
        assert not any(telephone.reading.done() for telephone in everybody), "all are in calls"
        for telephone in everybody:
            telephone.leave()
        await asyncio.gather(*(telephone.over() for telephone in everybody))

    late: Waits = {}
    with watched(tmp_path, **environment(site)) as server:
        for _ in range(ATTEMPTS):
            server.measure_quiet()
            waits = server.beside(attack)
            late = {name: ms for name, ms in waits.items() if ms > server.quiet[name] + LONGEST_MS}
            if not late:
                break
            time.sleep(1)
    assert not late, f"a bystander waited, in milliseconds: {late}"
