"""Is there room for one more call? Asked when it is planned, before it costs anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from ..assistants import Assistant
from ..core.types import Caller
from ..protocol.close_codes import CloseCode
from ..protocol.config import AnySession, SessionConfig
from ..store.base import ConversationRow
from .call_registry import CallRegistry
from .call_request import CallSpec, now
from .load import LoadMonitor
from .refusals import RATE, CallRefused

RETURNS = timedelta(minutes=2)  # who lost the connection and comes back


class LoadCheck(Protocol):
    """`Load.admit`, or `Load.busy`: in how many seconds to try again; None: come in."""

    def __call__(self, now: float, *, needs_stt_worker: bool) -> int | None: ...


class Admission:
    def __init__(
        self,
        registry: CallRegistry,
        *,
        calls_at_once: int,
        calls_per_key: int | None = None,
        load: LoadMonitor | None = None,
        needs_stt_worker: Callable[[Assistant, str], bool] = lambda assistant, language: True,
    ) -> None:
        """`hears`: would a call with this assistant, in this language, need an ear of ours?"""
        self._registry = registry
        self._at_once = calls_at_once
        self._per_key = calls_per_key
        self._load = load or LoadMonitor()
        self._needs_stt_worker = needs_stt_worker

    def judge(self, spec: CallSpec, caller: Caller, found: ConversationRow | None) -> None:
        """May this call begin now? `found`: the conversation that it continues.

        Whoever may is counted as one who came. Raises `Refused`.
        """
        self._check_room(spec)
        self._check_share(spec, caller)
        self._check_load(spec, found, self._load.admit)

    def foresee(self, spec: CallSpec, found: ConversationRow | None) -> None:
        """The same for a call that may come soon: better told now than when it does."""
        self._check_load(spec, found, self._load.busy)

    def _check_room(self, spec: CallSpec) -> None:
        others = self._registry.excluding(spec.conversation_id)
        theirs = sum(call.assistant == spec.assistant.name for call in others)
        full = len(others) >= self._at_once or theirs >= spec.assistant.limits.calls_at_once
        if full or self._registry.shutting_down:
            raise CallRefused(
                429,
                "rate_limit_exceeded",
                "All lines are busy. Please try again in a minute.",
                type=RATE,
                close=CloseCode.TRY_AGAIN_LATER,
                retry_s=60,
            )

    def _check_share(self, spec: CallSpec, caller: Caller) -> None:
        """One key must not take all lines. A browser that is signed in has none, and few calls."""
        if caller.key_id is None or self._per_key is None:
            return
        others = self._registry.excluding(spec.conversation_id)
        if sum(call.key_id == caller.key_id for call in others) >= self._per_key:
            raise CallRefused(
                429,
                "rate_limit_exceeded",
                f"This API key has {self._per_key} calls already, as many as it may. Please try "
                "again in a minute.",
                type=RATE,
                close=CloseCode.TRY_AGAIN_LATER,
                retry_s=60,
            )

    def _check_load(self, spec: CallSpec, found: ConversationRow | None, ask: LoadCheck) -> None:
        """A new voice does not come in where it would ruin those that are there.

        Nobody is there to be ruined, or it is no voice, or it is the voice of a conversation that
        goes on: then it may.
        """
        others = self._registry.excluding(spec.conversation_id)
        alone = not others
        goes_on = len(others) < len(self._registry) or (
            found and now() - found.updated_at < RETURNS
        )
        if alone or goes_on or not _by_voice(spec.session):
            return
        clock = asyncio.get_running_loop().time
        if (
            seconds := ask(
                clock(), needs_stt_worker=self._needs_stt_worker(spec.assistant, spec.language)
            )
        ) is not None:
            raise CallRefused(
                429,
                "server_busy",
                f"All lines are busy. Please try again in {seconds} seconds.",
                type=RATE,
                close=CloseCode.TRY_AGAIN_LATER,
                retry_s=seconds,
            )


def _by_voice(session: AnySession) -> bool:
    """Does somebody speak in it? A transcription session is nothing else."""
    return not isinstance(session, SessionConfig) or "audio" in session.output_modalities
