from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce_embedded.stt.lm import ModelFiles, prepare

from ..support.congress import CORPUS
from ..support.real_time import live


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def congress(cache: Path) -> ModelFiles:
    """Make the language model of a small congress, once."""
    return live(prepare(CORPUS, cache))
