"""A plan becomes a call: the machine with its rules, the work it needs, the line that owns both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import msgspec

from ..config import Calls
from ..core.dictation import Dictation
from ..core.ledger import Ledger
from ..core.limits import Limits
from ..core.locks import unwished, without
from ..core.relay import PERMANENT, Relay
from ..core.retelling import asked_of_upstream
from ..core.session import Session
from ..engines import boundary
from ..engines.boundary import contained
from ..engines.cascade import OnStage
from ..errors import EngineError, VivavoceError
from ..protocol.client import Command, ResponseCreate, SessionUpdate
from ..protocol.config import SessionConfig, TranscriptionConfig
from ..runtime.client import Client, Reader
from ..runtime.ears import Ears
from ..runtime.hands import Hands
from ..runtime.line import Line, Machine, Work
from ..runtime.loop_share import LoopQueue
from ..runtime.metrics import CallMetrics, Metrics
from ..runtime.planning import Plan, now
from ..runtime.reader import SessionReader
from ..runtime.reception import Built
from ..runtime.recorder import Recorder
from ..runtime.refusals import Refused
from ..runtime.trunk import Trunk, TrunkReader
from ..runtime.writer import Writer
from ..store.base import Row
from ..upstream import connection
from .parts import Parts

PROVIDER_DOWN = 1013


class Builder:
    def __init__(
        self,
        parts: Parts,
        writer: Writer,
        settings: Calls,
        make_id: Callable[[str], str],
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._parts = parts
        self._writer = writer
        self._settings = settings
        self._make_id = make_id
        self._queue = LoopQueue()
        self._limits = Limits(
            items=settings.items,
            item_bytes=settings.item_bytes,
            conversation_bytes=settings.conversation_bytes,
            session_bytes=settings.session_bytes,
            responses=settings.responses,
            sound_bytes=settings.sound_bytes,
            tokens_per_minute=settings.tokens_per_minute,
        )

    async def __call__(self, plan: Plan) -> Built:
        config = plan.session
        boundary.name(call=plan.call_id, assistant=plan.assistant.name)
        try:
            if isinstance(config, TranscriptionConfig):
                return await self._dictation(plan, config)
            if plan.assistant.engine == "upstream":
                return await self._relay(plan, config)
            return await self._session(plan, config)
        except EngineError as error:
            raise Refused(
                503, error.code, str(error), type="server_error", close=PROVIDER_DOWN
            ) from error

    async def _relay(self, plan: Plan, config: SessionConfig) -> Built:
        """Answered by somebody else's model."""
        wanted, key = plan.assistant.upstream, plan.assistant.upstream_key()
        try:
            socket = await connection.connect(
                wanted.base_url,
                wanted.model,
                key,
                largest=self._settings.frame_bytes,
                patience_s=self._settings.slow_client_s,
            )
        except connection.NotConnected as error:
            raise Refused(
                503 if error.retry else 502,
                error.code,
                str(error),
                type="server_error",
                close=PROVIDER_DOWN if error.retry else PERMANENT,
            ) from None
        ledger = _recall(plan.history)
        relay = Relay(
            asked_of_upstream(config),
            now=asyncio.get_running_loop().time(),
            new_id=self._make_id,
            conversation_id=plan.conversation_id,
            history=[row.item for row in plan.history],
            ledger=ledger,
            greeting=plan.assistant.greeting(plan.language) if plan.greet else None,
            locked=_locked(plan),
            max_session_s=self._minutes(plan) * 60,
            idle_s=plan.assistant.limits.idle_minutes * 60,
        )
        trunk = Trunk(
            relay,
            socket,
            secret=key or "",
            outbox_bytes=self._settings.outbox_bytes,
            patience_s=self._settings.slow_client_s,
        )
        seen = CallMetrics(self._metrics, ours=False)
        line = self._line(relay, trunk, self._recorder(plan, ledger, wanted.model), seen)
        return Built(line, lambda client: TrunkReader(line, trunk, client, queue=self._queue))

    def _minutes(self, plan: Plan) -> float:
        return min(plan.assistant.limits.call_minutes, self._settings.max_minutes)

    async def _dictation(self, plan: Plan, config: TranscriptionConfig) -> Built:
        """Written down, with the assistant's ears and words."""
        ledger = _recall(plan.history)
        with contained("pause judge", passing=VivavoceError):
            judge = await self._parts.pauses()
        dictation = Dictation(
            config,
            now=asyncio.get_running_loop().time(),
            epoch=time.time(),
            new_id=self._make_id,
            history=[row.item for row in plan.history],
            ledger=ledger,
            language=plan.language,
            max_session_s=self._minutes(plan) * 60,
            idle_s=plan.assistant.limits.idle_minutes * 60,
            limits=self._limits,
            judges_pauses=judge is not None,
        )
        recorder = self._recorder(plan, ledger)
        seen = CallMetrics(self._metrics, ours=True)
        stage = _both(recorder.stage, seen.stage)
        with contained("recogniser", passing=VivavoceError):
            scribe = await self._parts.scribe(plan.assistant, plan.language, stage)
        hands = Hands(scribe, judge=judge)
        line = self._line(dictation, hands, recorder, seen)
        return Built(line, self._reader(plan, dictation, hands, line))

    async def _session(self, plan: Plan, config: SessionConfig) -> Built:
        """Answered by an engine of ours."""
        assistant = plan.assistant
        ledger = _recall(plan.history)
        with contained("engine", passing=VivavoceError):
            judge = await self._parts.pauses()
            mute = assistant.engine == "cascade" and not self._parts.voice(assistant, plan.language)
        fixed = ("output_modalities",) if mute else ()
        if mute:  # nobody can ask for a voice that is not there; the echo says so
            config = msgspec.structs.replace(config, output_modalities=("text",))
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
            max_session_s=self._minutes(plan) * 60,
            idle_s=plan.assistant.limits.idle_minutes * 60,
            thinks_in_text=True,
            judges_pauses=judge is not None,
            limits=replace(self._limits, context_tokens=assistant.limits.context_tokens),
        )
        recorder = self._recorder(plan, ledger)
        seen = CallMetrics(self._metrics, ours=self._parts.local(assistant, plan.language))
        stage = _both(recorder.stage, seen.stage)
        with contained("engine", passing=VivavoceError):
            engine = await self._parts.engine(assistant, plan.language, stage)
        hands = Hands(engine, run_ahead_s=self._settings.run_ahead_s, judge=judge)
        line = self._line(session, hands, recorder, seen)
        return Built(line, self._reader(plan, session, hands, line, fixed))

    def _reader(
        self,
        plan: Plan,
        machine: Session | Dictation,
        hands: Hands,
        line: Line,
        fixed: tuple[str, ...] = (),
    ) -> Callable[[Client], Reader]:
        """How each of the call's clients is read. `fixed`: what none of them may change."""

        def behind() -> bool:
            return hands.behind

        def reader(client: Client) -> Reader:
            if client.sideband:  # it came with a key, so the assistant's locks are not for it
                return SessionReader(
                    line, client, None, _keeping(fixed), behind=behind, crowded=line.crowded,
                    queue=self._queue,
                )  # fmt: skip
            ears = Ears(self._parts.detector, lambda: machine.config.audio.input)
            allow = _keeping((*_locked(plan), *fixed))
            voice = SessionReader(line, client, ears, allow, behind=behind, queue=self._queue)
            self._metrics.reads(voice)
            return voice

        return reader

    def _recorder(self, plan: Plan, ledger: Ledger, model: str | None = None) -> Recorder:
        return Recorder(
            plan.call_id,
            plan.conversation_id,
            self._writer.submit,
            wall=now,
            ledger=ledger,
            model=model or getattr(plan.session, "model", None),
            kept=plan.history,
        )

    def _line(self, machine: Machine, work: Work, recorder: Recorder, seen: CallMetrics) -> Line:
        return Line(
            machine,
            work,
            recorder,
            outbox_bytes=self._settings.outbox_bytes,
            patience_s=self._settings.slow_client_s,
            on_event=seen.event,
            on_written=seen.written,
            traffic=self._metrics.traffic,
        )


def _locked(plan: Plan) -> tuple[str, ...]:
    """What of the session the call's own client may not change."""
    return plan.assistant.limits.locked if plan.browser else ()


def _recall(history: tuple[Row, ...]) -> Ledger:
    """What earlier calls know of what was heard."""
    ledger = Ledger()
    for row in history:
        if row.generated is not None and row.sent_ms:
            ledger.recall(row.item.id, row.generated, row.sent_ms, row.heard_ms)
    return ledger


def _both(one: OnStage, other: OnStage) -> OnStage:
    def both(name: str, ms: float) -> None:
        one(name, ms)
        other(name, ms)

    return both


def _keeping(locked: tuple[str, ...]) -> Callable[[Command], Command] | None:
    """What a client says, without the fields that it may not change. None: it may change all."""
    if not locked:
        return None

    def keep(event: Command) -> Command:
        match event:
            case SessionUpdate(session=patch):
                return msgspec.structs.replace(event, session=without(patch, locked))
            case ResponseCreate(response=wish) if wish is not None:
                return msgspec.structs.replace(event, response=unwished(wish, locked))
            case _:
                return event

    return keep
