"""Decide whether the server has capacity for one more call, before the call costs anything."""

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

RECONNECT_WITHIN = timedelta(minutes=2)  # of a client that lost its connection


class LoadCheck(Protocol):
    """Return the seconds after which to try again. None: the load allows a new call.

    `LoadMonitor.admit` counts the call, and `LoadMonitor.busy` does not.
    """

    def __call__(self, now: float, *, needs_stt_worker: bool) -> int | None: ...


class Admission:
    """Refuse calls that exceed a limit, or that would make running calls worse."""

    def __init__(
        self,
        registry: CallRegistry,
        *,
        max_calls: int,
        max_calls_per_key: int | None = None,
        load: LoadMonitor | None = None,
        needs_stt_worker: Callable[[Assistant, str], bool] = lambda assistant, language: True,
    ) -> None:
        """`needs_stt_worker`: whether a call with this assistant in this language needs one."""
        self._registry = registry
        self._max_calls = max_calls
        self._per_key = max_calls_per_key
        self._load = load or LoadMonitor()
        self._needs_stt_worker = needs_stt_worker

    def admit(self, spec: CallSpec, caller: Caller, found: ConversationRow | None) -> None:
        """Admit this call and count it. `found`: the conversation that it continues.

        Raises `CallRefused`.
        """
        self._check_limits(spec)
        self._check_share(spec, caller)
        self._check_load(spec, found, self._load.admit)

    def preview(self, spec: CallSpec, found: ConversationRow | None) -> None:
        """Check the load for a call that may start soon, without counting it.

        A client learns that the server is busy when it mints a secret, and not only at its call.
        Raises `CallRefused`.
        """
        self._check_load(spec, found, self._load.busy)

    def _check_limits(self, spec: CallSpec) -> None:
        others = self._registry.excluding(spec.conversation_id)
        with_assistant = sum(call.assistant == spec.assistant.name for call in others)
        full = (
            len(others) >= self._max_calls or with_assistant >= spec.assistant.limits.calls_at_once
        )
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
        """Refuse a call beyond its API key's share, so that one key cannot use all calls."""
        if caller.key_id is None or self._per_key is None:
            return
        others = self._registry.excluding(spec.conversation_id)
        if sum(call.key_id == caller.key_id for call in others) >= self._per_key:
            raise CallRefused(
                429,
                "rate_limit_exceeded",
                f"This API key already has {self._per_key} calls, the maximum. Please try again in "
                "a minute.",
                type=RATE,
                close=CloseCode.TRY_AGAIN_LATER,
                retry_s=60,
            )

    def _check_load(self, spec: CallSpec, found: ConversationRow | None, ask: LoadCheck) -> None:
        """Refuse a new voice call while it would make the audio of running calls late.

        A call is not refused if no other call is running, if it has no audio, or if it continues a
        conversation that was active in the last two minutes.
        """
        others = self._registry.excluding(spec.conversation_id)
        alone = not others
        continues = len(others) < len(self._registry) or (
            found and now() - found.updated_at < RECONNECT_WITHIN
        )
        if alone or continues or not _has_audio(spec.session):
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


def _has_audio(session: AnySession) -> bool:
    """Return whether the session has audio. A transcription session always does."""
    return not isinstance(session, SessionConfig) or "audio" in session.output_modalities
