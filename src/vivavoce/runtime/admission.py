"""Is there room for one more call? Asked when it is planned, before it costs anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from ..assistants import Assistant
from ..core.values import Caller
from ..protocol.config import AnySession, SessionConfig
from ..store.base import ConversationRow
from .hub import Hub
from .load import Load
from .planning import Plan, now
from .refusals import RATE, Refused

RETURNS = timedelta(minutes=2)  # who lost the connection and comes back


class Ask(Protocol):
    """`Load.admit`, or `Load.busy`: in how many seconds to try again; None: come in."""

    def __call__(self, now: float, *, hears: bool) -> int | None: ...


class Admission:
    def __init__(
        self,
        hub: Hub,
        *,
        calls_at_once: int,
        calls_per_key: int | None = None,
        load: Load | None = None,
        hears: Callable[[Assistant, str], bool] = lambda assistant, language: True,
    ) -> None:
        """`hears`: would a call with this assistant, in this language, need an ear of ours?"""
        self._hub = hub
        self._at_once = calls_at_once
        self._per_key = calls_per_key
        self._load = load or Load()
        self._hears = hears

    def judge(self, plan: Plan, caller: Caller, found: ConversationRow | None) -> None:
        """May this call begin now? `found`: the conversation that it continues.

        Whoever may is counted as one who came. Raises `Refused`.
        """
        self._check_room(plan)
        self._check_share(plan, caller)
        self._check_load(plan, found, self._load.admit)

    def foresee(self, plan: Plan, found: ConversationRow | None) -> None:
        """The same for a call that may come soon: better told now than when it does."""
        self._check_load(plan, found, self._load.busy)

    def _check_room(self, plan: Plan) -> None:
        others = self._hub.besides(plan.conversation_id)
        theirs = sum(call.assistant == plan.assistant.name for call in others)
        full = len(others) >= self._at_once or theirs >= plan.assistant.limits.calls_at_once
        if full or self._hub.leaving:
            raise Refused(
                429,
                "rate_limit_exceeded",
                "All lines are busy. Please try again in a minute.",
                type=RATE,
                close=1013,
                retry_s=60,
            )

    def _check_share(self, plan: Plan, caller: Caller) -> None:
        """One key must not take all lines. A browser that is signed in has none, and few calls."""
        if caller.key_id is None or self._per_key is None:
            return
        others = self._hub.besides(plan.conversation_id)
        if sum(call.key_id == caller.key_id for call in others) >= self._per_key:
            raise Refused(
                429,
                "rate_limit_exceeded",
                f"This API key has {self._per_key} calls already, as many as it may. Please try "
                "again in a minute.",
                type=RATE,
                close=1013,
                retry_s=60,
            )

    def _check_load(self, plan: Plan, found: ConversationRow | None, ask: Ask) -> None:
        """A new voice does not come in where it would ruin those that are there.

        Nobody is there to be ruined, or it is no voice, or it is the voice of a conversation that
        goes on: then it may.
        """
        others = self._hub.besides(plan.conversation_id)
        alone = not others
        goes_on = len(others) < len(self._hub) or (found and now() - found.updated_at < RETURNS)
        if alone or goes_on or not _by_voice(plan.session):
            return
        clock = asyncio.get_running_loop().time
        if (seconds := ask(clock(), hears=self._hears(plan.assistant, plan.language))) is not None:
            raise Refused(
                429,
                "server_busy",
                f"All lines are busy. Please try again in {seconds} seconds.",
                type=RATE,
                close=1013,
                retry_s=seconds,
            )


def _by_voice(session: AnySession) -> bool:
    """Does somebody speak in it? A transcription session is nothing else."""
    return not isinstance(session, SessionConfig) or "audio" in session.output_modalities
