"""Keeps an engine from running far ahead of the listener, so that it can be interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..audio.pcm import duration_ms


class Pacer:
    def __init__(self, ahead_s: float | None, clock: Callable[[], float]) -> None:
        self._ahead_s = ahead_s  # None: nobody listens while it is made
        self._clock = clock
        self._began: float | None = None
        self._said_s = 0.0

    async def keep(self, pcm: bytes) -> None:
        """Wait until this piece of sound is not too early."""
        if self._ahead_s is None or not pcm:
            return
        now = self._clock()
        self._began = now if self._began is None else self._began
        early = self._said_s - (now - self._began) - self._ahead_s
        self._said_s += duration_ms(pcm) / 1000
        if early > 0:
            await asyncio.sleep(early)
