from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.calls import House
from ..support.served import TAKES_ALL, serve


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start a server for each file, because its tests leave connections and rows behind."""
    data = tmp_path_factory.mktemp("hostile")
    quiet = TAKES_ALL | {"VIVAVOCE_CALLS__DEFAULT_ASSISTANT": "echo"}  # no warm-up during the tests
    with serve(data, VIVAVOCE_CALLS__SLOW_CLIENT_TIMEOUT_S="1.5", **quiet) as server:
        yield House(server, server.key())
        assert server.process.poll() is None, "it is still there"
