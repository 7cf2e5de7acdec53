"""Many short calls, a third of them ended rudely: nothing is left of any."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil
import pytest
from benchmarks.soak import calls

from ..support.served import TAKES_ALL, serve

QUIET = TAKES_ALL | {"VIVAVOCE_CALLS__DEFAULT_ASSISTANT": "echo"}  # nothing is warmed beside them


@pytest.mark.parametrize(
    ("warm_up", "count"), [(150, 90), pytest.param(600, 600, marks=pytest.mark.long)]
)
def test_memory_threads_files_and_processes_stay_flat(
    tmp_path: Path, warm_up: int, count: int
) -> None:
    with serve(tmp_path, **QUIET) as server:
        key, url = server.key(), f"{server.ws}?model=echo"
        process = psutil.Process(server.process.pid)
        asyncio.run(calls(url, key, warm_up))  # caches, pools and threads are there now
        before = (process.num_threads(), process.num_fds(), len(process.children(recursive=True)))
        memory = process.memory_info().rss
        asyncio.run(calls(url, key, count))
        after = (process.num_threads(), process.num_fds(), len(process.children(recursive=True)))
        assert all(b - a <= d for a, b, d in zip(before, after, (4, 4, 0), strict=True))
        # Bytes a call: noise. The first calls still grow what the allocator keeps.
        assert process.memory_info().rss - memory < count * 8_000 + 12 * 2**20
        listed = json.loads(server.cli("conversations", "list", "--json", "--limit", "1000"))
        assert len(listed) == min(warm_up + count, 1000)  # a page
        assert "Traceback" not in server.log.read_text()
