"""Decide whether the server has capacity for one more call, before the call costs anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from ..assistants import Assistant
from ..clock import now
from ..core.types import Caller
from ..protocol.close_codes import CloseCode
from ..protocol.config import AnySession, SessionConfig
from ..store.base import ConversationRow
from .call_spec import CallSpec
from .cluster import CallCounters, CallRegistry, CallSlot, SlotLimits
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
        counters: CallCounters,
        *,
        max_calls: int,
        max_calls_per_key: int | None = None,
        max_calls_per_user: int | None = None,
        max_calls_per_secret: int | None = None,
        load: LoadMonitor | None = None,
        needs_stt_worker: Callable[[Assistant, str], bool] = lambda assistant, language: True,
    ) -> None:
        """`needs_stt_worker`: whether a call with this assistant in this language needs one."""
        self._registry = registry
        self._counters = counters
        self._max_calls = max_calls
        self._per_key = max_calls_per_key
        self._per_user = max_calls_per_user
        self._per_secret = max_calls_per_secret
        self._load = load or LoadMonitor()
        self._needs_stt_worker = needs_stt_worker

    async def admit(self, spec: CallSpec, caller: Caller, found: ConversationRow | None) -> None:
        """Admit this call and count it. `found`: the conversation that it continues.

        Raises `CallRefused`. The call counts until `release`.
        """
        try:
            await self._take_slot(spec, caller)
            self._check_load(spec, found, self._load.admit)
        except BaseException:  # cancelled too: counters of several processes may have counted it
            await self.release(spec.call_id)
            raise

    def preview(self, spec: CallSpec, found: ConversationRow | None) -> None:
        """Check the load for a call that may start soon, without counting it.

        A client learns that the server is busy when it mints a secret, and not only at its call.
        Raises `CallRefused`.
        """
        self._check_load(spec, found, self._load.busy)

    async def release(self, call_id: str) -> None:
        """Stop counting a call, which is over or was not set up."""
        await self._counters.release(call_id)

    async def _take_slot(self, spec: CallSpec, caller: Caller) -> None:
        """Count the call against all limits. Those of one person leave calls for others."""
        limits = SlotLimits(
            self._max_calls,
            spec.assistant.limits.calls_at_once,
            self._per_key,
            self._per_user,
            self._per_secret,
        )
        slot = CallSlot(
            spec.call_id,
            spec.conversation_id,
            spec.assistant.name,
            caller.key_id,
            caller.subject,
            caller.secret_id,
        )
        if self._registry.shutting_down:
            raise _limited("All lines are busy.")
        reached = await self._counters.acquire(slot, limits)
        match reached:
            case "key":
                raise _limited(f"This API key already has {self._per_key} calls, the maximum.")
            case "user":
                raise _limited(f"This user already has {self._per_user} calls, the maximum.")
            case "secret":
                raise _limited(
                    f"This client secret already has {self._per_secret} calls, the maximum."
                )
            case "calls" | "assistant":
                raise _limited("All lines are busy.")

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


def _limited(message: str) -> CallRefused:
    return CallRefused(
        429,
        "rate_limit_exceeded",
        f"{message} Please try again in a minute.",
        type=RATE,
        close=CloseCode.TRY_AGAIN_LATER,
        retry_s=60,
    )
