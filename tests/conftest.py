from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from .support.served import TAKES_ALL, Served, serve

# How fast an example is found says something about the machine, and nothing about the code.
settings.register_profile("vivavoce", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vivavoce")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that only talk with it."""
    with serve(tmp_path_factory.mktemp("data"), **TAKES_ALL) as server:
        yield server


@pytest.fixture(scope="session")
def key(served: Served) -> str:
    return served.key("--name", "tests")
