"""Keeps an engine from running far ahead of the listener, so that it can be interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..audio.pcm import duration_ms


class Pacer:
    """Delays the audio of one response, so that it runs at most `ahead_s` ahead of real time."""

    def __init__(self, ahead_s: float | None, clock: Callable[[], float]) -> None:
        self._ahead_s = ahead_s  # None: the audio is not played while it is made
        self._clock = clock
        self._began: float | None = None
        self._sent_s = 0.0

    async def keep(self, pcm: bytes) -> None:
        """Wait until this piece of audio may be sent."""
        if self._ahead_s is None or not pcm:
            return
        now = self._clock()
        self._began = now if self._began is None else self._began
        early = self._sent_s - (now - self._began) - self._ahead_s
        self._sent_s += duration_ms(pcm) / 1000
        if early > 0:
            await asyncio.sleep(early)
