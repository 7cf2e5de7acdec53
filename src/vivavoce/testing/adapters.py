"""Make registered adapters for tests, as the server makes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from ..assistants import Assistant
from ..config import Settings
from ..engines.registry import AdapterRequest, AdapterSpec
from ..engines.resources import AdapterResources

A = TypeVar("A")


@asynccontextmanager
async def made(
    spec: AdapterSpec[A],
    assistant: Assistant | None = None,
    language: str = "en",
    settings: Settings | None = None,
    table: object = None,
) -> AsyncIterator[A]:
    """Make an adapter by its spec. Close its shared resources at the end.

    `table`: an instance of the spec's `table_model`, for a kind of `[[tools]]`.
    """
    chosen = settings or Settings()
    with TemporaryDirectory() as cache:
        async with AdapterResources(chosen, Path(cache)) as resources:
            yield await spec.make(
                AdapterRequest(
                    resources=resources,
                    options=spec.options(chosen),
                    language=language,
                    for_assistant=assistant,
                    table=table,
                )
            )
