"""Engines of calls that no observer follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vivavoce.app.adapters import Adapters
    from vivavoce.assistants import Assistant
    from vivavoce.engines.base import Engine


async def engine_of(adapters: Adapters, assistant: Assistant, language: str) -> Engine:
    """Make the engine of a call. Raises `EngineError`."""
    return await adapters.engine(
        assistant,
        language,
        on_stage=lambda stage, ms: None,
        on_knowledge=lambda response_id, use: None,
        on_declined=lambda call_id: None,
    )
