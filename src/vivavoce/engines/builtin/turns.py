"""Speech detection by Silero, and smart-turn, which scores the end of a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ...errors import EngineError
from ..base import EndOfTurnModel, SpeechDetector
from ..registry import AdapterRequest, AdapterSpec

_TRAINED = "ar bn da de en es fi fr hi id it ja ko mr nb nl nn no pl pt ru tr uk vi zh"
SMART_TURN_LANGUAGES = frozenset(_TRAINED.split())
"""The languages that version 3 was trained on, as its announcement lists them (daily.co/blog)."""


async def _make_silero(_: AdapterRequest) -> Callable[[], SpeechDetector]:
    """Return the detector's class: each instance holds the state of one stream of audio."""
    from ..vad.silero import Silero

    return Silero


async def _preload_silero(_: AdapterRequest) -> None:
    await asyncio.to_thread(_load_silero)


def _load_silero() -> None:
    from ..vad import silero

    silero.load()


async def _make_smart_turn(request: AdapterRequest) -> EndOfTurnModel:
    from ..turn.smart_turn import SmartTurn

    path = request.resources.settings.speech.smart_turn_model
    if path is None:
        raise EngineError("speech.smart_turn_model names no file")

    @asynccontextmanager
    async def opened() -> AsyncIterator[SmartTurn]:
        with await asyncio.to_thread(SmartTurn, path) as model:
            yield model

    return await request.resources.once("vivavoce.smart_turn", opened)


silero = AdapterSpec(kind="vad", name="silero", make=_make_silero, preload=_preload_silero)
smart_turn = AdapterSpec(
    kind="turn", name="smart-turn", make=_make_smart_turn, languages=SMART_TURN_LANGUAGES
)
