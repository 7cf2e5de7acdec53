"""Builds a call from its spec: the machine, the work that it needs, and the driver of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import msgspec

from ..clock import now
from ..config import CallsSection
from ..core.call_settings import CallSettings
from ..core.ledger import Ledger
from ..core.limits import UNLIMITED, ByteAccount, Limits, size
from ..core.relay import Relay
from ..core.session import Session
from ..core.transcription import TranscriptionSession
from ..core.upstream_session import upstream_session_update
from ..engines import boundary
from ..engines.base import SpeechDetector
from ..engines.boundary import contained
from ..errors import EngineError, VivavoceError
from ..knowledge.base import KnowledgeUse
from ..net.websocket import Socket
from ..protocol.close_codes import CloseCode
from ..protocol.config import AnySession, SessionConfig, TranscriptionConfig
from ..runtime.answer_sources import AnswerSources
from ..runtime.asked_questions import AskedQuestions
from ..runtime.byte_budget import ByteBudget, ByteLimits, CallAccount
from ..runtime.call_setup import BuiltCall
from ..runtime.call_spec import CallSpec
from ..runtime.cluster import CallRef, EventBus
from ..runtime.driver import CallDriver, SessionDriver, Work
from ..runtime.engine_work import EngineWork
from ..runtime.event_bus import CallPublisher
from ..runtime.event_log import EventLog
from ..runtime.event_sender import Observer
from ..runtime.group_commit import GroupCommitter
from ..runtime.knowledge_work import KnowledgeWork
from ..runtime.loop_share import LoopQueue
from ..runtime.machine import Eff, In, Machine
from ..runtime.metrics import CallMetrics, Metrics
from ..runtime.recorded_tools import RecordedTools
from ..runtime.recorder import Recorder
from ..runtime.refusals import CallRefused
from ..runtime.tool_searches import ToolSearches
from ..runtime.tool_work import ToolWork
from ..runtime.upstream_work import PLAYBACK_BYTES, RelayReader, UpstreamWork
from ..tools.ledger import ToolLedger
from ..upstream import connection
from . import call_parts, prompt_changes
from .adapters import Adapters
from .session_readers import SessionReaders

AnySessionMachine = TypeVar("AnySessionMachine", Session, TranscriptionSession)


class CallBuilder:
    """Builds calls of every engine and session type."""

    def __init__(
        self,
        adapters: Adapters,
        writer: GroupCommitter,
        settings: CallsSection,
        make_id: Callable[[str], str],
        metrics: Metrics,
        bus: EventBus,
        ledger: ToolLedger,
        events: EventLog | None = None,
    ) -> None:
        """`events` writes what programs outside subscribe to. None: nothing is written."""
        self._ledger = ledger
        self._events = events
        self._metrics = metrics
        self._bus = bus
        self._adapters = adapters
        self._writer = writer
        self._settings = settings
        self._make_id = make_id
        self._loop_queue = LoopQueue()
        self._bytes = ByteBudget(
            ByteLimits(
                total=settings.all_conversations_bytes,
                per_key=settings.conversations_bytes_per_key,
                per_person=settings.conversations_bytes_per_user,
            )
        )
        self._limits = Limits(
            items=settings.max_items,
            item_bytes=settings.item_bytes,
            conversation_bytes=settings.conversation_bytes,
            session_bytes=settings.session_bytes,
            responses=settings.max_out_of_band_responses,
            sound_bytes=settings.audio_cache_bytes,
            tokens_per_minute=settings.tokens_per_minute,
        )

    async def __call__(self, spec: CallSpec) -> BuiltCall:
        config = spec.session
        boundary.name(call=spec.call_id, assistant=spec.assistant.name)
        caller = spec.caller
        account = self._bytes.open(key_id=caller.key_id, person=caller.subject or caller.secret_id)
        try:
            built = await self._build(spec, config, account)
            if account.exceeded:
                raise call_parts.no_room()
        except BaseException:
            account.close()
            raise
        return replace(built, close=call_parts.in_turn(built.close, account.close))

    async def _build(self, spec: CallSpec, config: AnySession, account: CallAccount) -> BuiltCall:
        try:
            if isinstance(config, TranscriptionConfig):
                return await self._build_transcription(spec, config, account)
            if spec.assistant.engine == "upstream":
                account.take(sum(size(row.item) for row in spec.history))
                return await self._build_relay(spec, config, account)
            return await self._build_session(spec, config, account)
        except EngineError as error:
            raise CallRefused(
                503, error.code, str(error), type="server_error", close=CloseCode.TRY_AGAIN_LATER
            ) from error

    async def _build_relay(
        self, spec: CallSpec, config: SessionConfig, account: ByteAccount
    ) -> BuiltCall:
        """Build a call that a hosted model answers."""
        key = spec.assistant.upstream_key() or ""
        ledger = call_parts.restore_ledger(spec.history)
        recorder = self._recorder(spec, ledger, spec.assistant.upstream.model)
        asked = AskedQuestions(spec, recorder.ask, self._make_id, now)
        tools = await self._tools(spec)
        sources = self._sources(spec, recorder, asked, tools)
        knowledge = await self._knowledge(spec, sources)
        socket = await self._connect(spec, key)
        relay = Relay(
            upstream_session_update(config),
            replace(self._call_settings(spec), searches_knowledge=knowledge is not None),
            now=asyncio.get_running_loop().time(),
            new_id=self._make_id,
            history=[row.item for row in spec.history],
            ledger=ledger,
        )
        tool_work = ToolWork(tools, call_parts.tool_context(spec, relay, sources))
        upstream_work = UpstreamWork(
            relay,
            socket,
            tools=tool_work,
            knowledge=knowledge,
            secret=key,
            send_buffer_bytes=self._settings.send_buffer_bytes,
            timeout_s=self._settings.slow_client_timeout_s,
        )
        call_metrics = CallMetrics(self._metrics, ours=False)
        driver = self._driver(
            spec, account, relay, upstream_work, recorder, call_metrics, tools, sources
        )
        tools.begin(driver.feed)
        readers = prompt_changes.PromptReaders(driver, tool_work, asked)
        return BuiltCall(
            driver,
            lambda client: RelayReader(driver, upstream_work, client, queue=self._loop_queue),
            tools.close,
            call_parts.to_both(tools.listen, sources.listen),
            prompt_changes.InRelay(spec.assistant, readers, knowledge, self._adapters),
        )

    async def _connect(self, spec: CallSpec, key: str) -> Socket:
        """Connect to the hosted model, or raise `CallRefused`."""
        upstream = spec.assistant.upstream
        try:
            return await connection.connect(
                upstream.base_url,
                upstream.model,
                key,
                largest=self._settings.max_message_bytes,
                timeout_s=self._settings.slow_client_timeout_s,
                safety_identifier=spec.safety_identifier,
            )
        except connection.NotConnected as error:
            raise CallRefused(
                503 if error.retry else 502,
                error.code,
                str(error),
                type="server_error",
                close=CloseCode.TRY_AGAIN_LATER if error.retry else CloseCode.DO_NOT_RETRY,
            ) from None

    async def _tools(self, spec: CallSpec) -> RecordedTools:
        runners = await self._adapters.tools(spec.assistant)
        history = [row.item for row in spec.history]
        return RecordedTools(self._ledger, runners, spec.tool_context, history)

    async def _knowledge(self, spec: CallSpec, sources: AnswerSources) -> KnowledgeWork | None:
        """Return the search in front of a hosted model. None: the assistant has no knowledge."""
        assistant = spec.assistant
        search = await self._adapters.passages(assistant, spec.language)
        if search is None or not await self._adapters.has_knowledge(assistant):
            return None
        return KnowledgeWork(
            search, spec.call_id, cite=assistant.knowledge.cite == "spoken", on_use=sources.expect
        )

    def _sources(
        self, spec: CallSpec, recorder: Recorder, asked: AskedQuestions, tools: RecordedTools
    ) -> AnswerSources:
        def on_use(use: KnowledgeUse, item_id: str | None) -> None:
            asked.note(use, item_id)
            tools.note_knowledge(use)

        return AnswerSources(
            recorder.cite,
            self._make_id,
            active=spec.assistant.knowledge.cite != "off",
            searches=ToolSearches(spec.server_tools),
            on_use=on_use,
        )

    def _call_settings(
        self, spec: CallSpec, account: ByteAccount = UNLIMITED, *, scores_end_of_turn: bool = False
    ) -> CallSettings:
        assistant = spec.assistant
        return CallSettings(
            conversation_id=spec.conversation_id,
            greeting=assistant.greeting(spec.language) if spec.greet else None,
            language=spec.language,
            gate_db=assistant.turns.gate_db,
            locked=spec.locked,
            max_session_s=spec.limits.max_session_s,
            server_tools=spec.server_tools,
            tool_rules=spec.tool_rules,
            lists_tools=spec.names_mcp_servers,
            inactivity_s=spec.limits.inactivity_s,
            thinks_in_text=True,
            plays_out=spec.audio == "media",
            voices=self._adapters.voices(spec.assistant, spec.language),
            scores_end_of_turn=scores_end_of_turn,
            limits=replace(self._limits, context_tokens=spec.limits.context_tokens),
            account=account,
        )

    async def _build_transcription(
        self, spec: CallSpec, config: TranscriptionConfig, account: ByteAccount
    ) -> BuiltCall:
        """Build a transcription session, with the assistant's recogniser and vocabulary."""
        ledger = call_parts.restore_ledger(spec.history)
        with contained("end-of-turn model", passing=VivavoceError):
            model = await self._adapters.end_of_turn_model()
        make = partial(TranscriptionSession, config)
        session = self._machine(make, spec, ledger, account, scores=model is not None)
        recorder = self._recorder(spec, ledger)
        call_metrics = CallMetrics(self._metrics, ours=True)
        stage = call_parts.report_to_both(recorder.stage, call_metrics.observe_stage)
        with contained("recogniser", passing=VivavoceError):
            transcriber = await self._adapters.transcriber(spec.assistant, spec.language, stage)
            detectors = await self._adapters.detectors()
        engine_work = EngineWork(
            transcriber, end_of_turn_model=model, person=call_parts.share_holder(spec)
        )
        driver = self._driver(spec, account, session, engine_work, recorder, call_metrics)
        return BuiltCall(driver, self._readers(spec, session, engine_work, driver, detectors))

    async def _build_session(
        self, spec: CallSpec, config: SessionConfig, account: ByteAccount
    ) -> BuiltCall:
        """Build a call that an engine of this server answers."""
        assistant = spec.assistant
        ledger = call_parts.restore_ledger(spec.history)
        with contained("engine", passing=VivavoceError):
            model = await self._adapters.end_of_turn_model()
            fixed = self._fixed(spec)
        if fixed:  # the session shows that this assistant has no voice
            config = msgspec.structs.replace(config, output_modalities=("text",))
        make = partial(Session, config)
        session = self._machine(make, spec, ledger, account, scores=model is not None)
        recorder = self._recorder(spec, ledger)
        call_metrics = CallMetrics(
            self._metrics, ours=self._adapters.is_local(assistant, spec.language)
        )
        stage = call_parts.report_to_both(recorder.stage, call_metrics.observe_stage)
        asked = AskedQuestions(spec, recorder.ask, self._make_id, now)
        tools = await self._tools(spec)
        sources = self._sources(spec, recorder, asked, tools)
        make_engine = partial(
            self._adapters.engine,
            assistant,
            on_stage=stage,
            on_knowledge=sources.note,
            on_declined=tools.decline,
        )
        with contained("engine", passing=VivavoceError):
            engine = await make_engine(spec.language)
            detectors = await self._adapters.detectors()
        context = call_parts.tool_context(spec, session, sources)
        tool_work = ToolWork(tools, context, mcp_servers=self._adapters.mcp_servers)
        engine_work = EngineWork(
            engine,
            tools=tool_work,
            run_ahead_s=self._settings.run_ahead_s if spec.paced else None,
            end_of_turn_model=model,
            person=call_parts.share_holder(spec),
        )
        driver = self._driver(
            spec, account, session, engine_work, recorder, call_metrics, tools, sources
        )
        tools.begin(driver.feed)
        reader = self._readers(spec, session, engine_work, driver, detectors, fixed)
        readers = prompt_changes.PromptReaders(driver, tool_work, asked)
        changes = prompt_changes.InSession(
            assistant, session, readers, engine_work, self._adapters, make_engine
        )
        return BuiltCall(
            driver, reader, tools.close, call_parts.to_both(tools.listen, sources.listen), changes
        )

    def _fixed(self, spec: CallSpec) -> tuple[str, ...]:
        """Return the fields that nobody may change: without a voice, the modalities."""
        assistant = spec.assistant
        is_mute = assistant.engine == "cascade" and not self._adapters.has_voice(
            assistant, spec.language
        )
        return ("output_modalities",) if is_mute else ()

    def _machine(
        self,
        make: Callable[..., AnySessionMachine],
        spec: CallSpec,
        ledger: Ledger,
        account: ByteAccount,
        *,
        scores: bool,
    ) -> AnySessionMachine:
        """Make the machine of a call that continues its history. `scores`: of the end of turns."""
        return make(
            self._call_settings(spec, account, scores_end_of_turn=scores),
            now=asyncio.get_running_loop().time(),
            epoch=time.time(),
            new_id=self._make_id,
            history=[row.item for row in spec.history],
            ledger=ledger,
        )

    def _readers(
        self,
        spec: CallSpec,
        machine: Session | TranscriptionSession,
        engine_work: EngineWork,
        driver: SessionDriver,
        detectors: Callable[[], SpeechDetector],
        fixed: tuple[str, ...] = (),
    ) -> SessionReaders:
        return SessionReaders(
            spec=spec,
            machine=machine,
            engine_work=engine_work,
            driver=driver,
            detectors=detectors,
            metrics=self._metrics,
            queue=self._loop_queue,
            fixed=fixed,
        )

    def _recorder(self, spec: CallSpec, ledger: Ledger, model: str | None = None) -> Recorder:
        return Recorder(
            spec.call_id,
            spec.conversation_id,
            self._writer.submit,
            wall=now,
            ledger=ledger,
            model=model or getattr(spec.session, "model", None),
            kept=spec.history,
        )

    def _driver(
        self,
        spec: CallSpec,
        account: ByteAccount,
        machine: Machine[In, Eff],
        work: Work[In, Eff],
        recorder: Recorder,
        call_metrics: CallMetrics,
        tools: RecordedTools | None = None,
        sources: AnswerSources | None = None,
    ) -> CallDriver[In, Eff]:
        ref = CallRef(spec.call_id, spec.conversation_id, spec.assistant.name)
        observers: list[Observer] = [call_metrics.observe_event, CallPublisher(self._bus, ref)]
        if self._events is not None:
            observers.append(self._events.observer(ref, spec.caller.subject))
        if tools is not None and spec.server_tools:
            observers.append(tools.observe)
        if sources is not None:
            observers.append(sources.observe)
        return CallDriver(
            machine,
            work,
            recorder,
            send_buffer_bytes=self._settings.send_buffer_bytes,
            timeout_s=self._settings.slow_client_timeout_s,
            observers=observers,
            on_written=call_metrics.observe_written,
            traffic=self._metrics.traffic,
            account=account,
            playback_bytes=PLAYBACK_BYTES if isinstance(machine, Relay) else None,
        )
