"""Make registered adapters for contract suites, as the server makes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from vivavoce.assistants import Assistant
from vivavoce.config import Settings
from vivavoce.engines.registry import AdapterRequest, AdapterSpec
from vivavoce.engines.resources import AdapterResources

A = TypeVar("A")


@asynccontextmanager
async def made(
    spec: AdapterSpec[A],
    assistant: Assistant | None = None,
    language: str = "en",
    settings: Settings | None = None,
) -> AsyncIterator[A]:
    """Make an adapter by its spec. What it shares with others is closed at the end."""
    chosen = settings or Settings()
    with TemporaryDirectory() as cache:
        async with AdapterResources(chosen, Path(cache)) as resources:
            yield await spec.make(
                AdapterRequest(
                    resources=resources,
                    options=spec.options(chosen),
                    language=language,
                    for_assistant=assistant,
                )
            )
