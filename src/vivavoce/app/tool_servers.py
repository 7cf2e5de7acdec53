"""Connect to the servers of an assistant's tools, before a call needs them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from ..assistants import Assistant
from ..config import Settings
from ..errors import EngineError
from .adapters import Adapters
from .data_folder import DataFolder

WITHIN_S = 10.0


async def connect_tools(adapters: Adapters, assistants: Iterable[Assistant]) -> None:
    """Begin to connect, so that no first call waits for the tools of another server."""
    for assistant in assistants:
        if assistant.server_tools():
            with suppress(EngineError):  # it is logged; calls and `vivavoce doctor` report it
                await adapters.tools(assistant)


async def unreachable(settings: Settings, data: DataFolder, assistant: Assistant) -> list[str]:
    """Return why some of its servers cannot be used. Empty: all can."""
    async with Adapters(settings, data) as adapters:
        try:
            tools = await adapters.tools(assistant)
        except EngineError as error:
            return [str(error)]
        return await tools.connected(WITHIN_S)
