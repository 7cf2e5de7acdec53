"""A plan becomes a call: the machine with its rules, the work it needs, the line that owns both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import msgspec

from ..config import Calls
from ..core.ledger import Ledger
from ..core.session import Session
from ..core.values import JsonObject
from ..errors import EngineError
from ..protocol.client import Command, SessionUpdate
from ..runtime.client import Client
from ..runtime.ears import Ears
from ..runtime.hands import Hands
from ..runtime.line import Line
from ..runtime.reader import SessionReader
from ..runtime.reception import Built, Plan, Refused, now
from ..runtime.recorder import Recorder
from ..runtime.writer import Writer
from ..store.base import Row
from .parts import Parts

PROVIDER_DOWN = 1013


class Builder:
    def __init__(
        self, parts: Parts, writer: Writer, settings: Calls, make_id: Callable[[str], str]
    ) -> None:
        self._parts = parts
        self._writer = writer
        self._settings = settings
        self._make_id = make_id

    async def __call__(self, plan: Plan) -> Built:
        try:
            return await self._session(plan)
        except EngineError as error:
            raise Refused(
                503, error.code, str(error), type="server_error", close=PROVIDER_DOWN
            ) from error

    async def _session(self, plan: Plan) -> Built:
        """Answered by an engine of ours."""
        assistant = plan.assistant
        ledger = _recall(plan.history)
        config = plan.session
        if assistant.engine == "cascade" and not self._parts.voice(assistant, plan.language):
            config = msgspec.structs.replace(config, output_modalities=("text",))
        minutes = min(assistant.limits.call_minutes, self._settings.max_minutes)
        session = Session(
            config,
            now=asyncio.get_running_loop().time(),
            epoch=time.time(),
            new_id=self._make_id,
            conversation_id=plan.conversation_id,
            history=[row.item for row in plan.history],
            ledger=ledger,
            greeting=assistant.greeting(plan.language) if plan.greet else None,
            language=plan.language,
            gate_db=assistant.turns.gate_db,
            max_session_s=minutes * 60,
            thinks_in_text=True,
        )
        recorder = self._recorder(plan, ledger)
        engine = await self._parts.engine(assistant, plan.language, recorder.stage)
        line = self._line(plan, session, Hands(engine, run_ahead_s=self._settings.run_ahead_s),
                          recorder)  # fmt: skip
        keep = _keep_locked(plan) if plan.browser else None

        def reader(client: Client) -> SessionReader:
            ears = Ears(self._parts.detector, lambda: session.config.audio.input)
            return SessionReader(line, client, ears, keep)

        return Built(line, reader)

    def _recorder(self, plan: Plan, ledger: Ledger) -> Recorder:
        return Recorder(
            plan.call_id,
            plan.conversation_id,
            self._writer.submit,
            wall=now,
            ledger=ledger,
            model=plan.session.model,
            kept=plan.history,
        )

    def _line(self, plan: Plan, machine: Session, work: Hands, recorder: Recorder) -> Line:
        return Line(
            machine,
            work,
            recorder,
            outbox_bytes=self._settings.outbox_bytes,
            patience_s=self._settings.slow_client_s,
        )


def _recall(history: tuple[Row, ...]) -> Ledger:
    """What earlier calls know of what was heard."""
    ledger = Ledger()
    for row in history:
        if row.generated is not None and row.sent_ms:
            ledger.recall(row.item.id, row.generated, row.sent_ms, row.heard_ms)
    return ledger


def _keep_locked(plan: Plan) -> Callable[[Command], Command]:
    """A browser's updates without the fields that its assistant has locked.

    They are left out like a foreign `model` is, and the echo tells the truth: stock browser SDKs
    send instructions and tools on every connect, and an error would lose the rest of the update.
    """
    locked = [path.split(".") for path in plan.assistant.limits.locked]

    def keep(event: Command) -> Command:
        if not isinstance(event, SessionUpdate):
            return event
        patch = event.session
        for path in locked:
            patch = _without(patch, path)
        return msgspec.structs.replace(event, session=patch)

    return keep


def _without(patch: JsonObject, path: list[str]) -> JsonObject:
    """A copy that says nothing about the field at `path`."""
    first, *rest = path
    inner = patch.get(first)
    if first not in patch or (rest and not isinstance(inner, dict)):
        return patch
    kept = {key: value for key, value in patch.items() if key != first}
    return kept | {first: _without(cast("JsonObject", inner), rest)} if rest else kept
