"""Builds a call from its spec: the machine, the work that it needs, and the driver of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

import msgspec

from ..clock import now
from ..config import CallsSection
from ..core import images
from ..core.call_settings import CallSettings
from ..core.inputs import AudioReceived
from ..core.ledger import Ledger
from ..core.limits import UNLIMITED, ByteAccount, Limits, size
from ..core.locked_fields import without_locked
from ..core.relay import Relay
from ..core.session import Session
from ..core.transcription import TranscriptionSession
from ..core.upstream_session import upstream_session_update
from ..engines import boundary
from ..engines.base import SpeechDetector
from ..engines.boundary import contained
from ..engines.cascade import OnStage
from ..errors import EngineError, VivavoceError
from ..net.websocket import Socket
from ..protocol.client import Command
from ..protocol.close_codes import CloseCode
from ..protocol.config import AnySession, AudioInput, Pcm, SessionConfig, TranscriptionConfig
from ..protocol.own_events import OwnEvent
from ..runtime.answer_sources import AnswerSources
from ..runtime.asked_questions import AskedQuestions
from ..runtime.byte_budget import ByteBudget, ByteLimits, CallAccount
from ..runtime.call_setup import BuiltCall
from ..runtime.call_spec import CallSpec
from ..runtime.client_port import ClientPort, Reader
from ..runtime.cluster import CallRef, EventBus
from ..runtime.driver import CallDriver, SessionDriver, Work
from ..runtime.engine_work import EngineWork
from ..runtime.event_bus import CallPublisher
from ..runtime.event_log import EventLog
from ..runtime.event_sender import Observer
from ..runtime.group_commit import GroupCommitter
from ..runtime.input_pipeline import InputPipeline
from ..runtime.knowledge_work import KnowledgeWork
from ..runtime.loop_share import LoopQueue
from ..runtime.machine import Eff, In, Machine
from ..runtime.metrics import CallMetrics, Metrics
from ..runtime.reader import SessionReader
from ..runtime.recorded_tools import RecordedTools
from ..runtime.recorder import Recorder
from ..runtime.refusals import RATE, CallRefused
from ..runtime.tool_searches import ToolSearches
from ..runtime.tool_work import ToolWork
from ..runtime.upstream_work import RelayReader, UpstreamWork
from ..store.base import ItemRow
from ..tools.base import ToolContext
from ..tools.ledger import ToolLedger
from ..upstream import connection
from . import prompt_changes
from .adapters import Adapters

AnySessionMachine = TypeVar("AnySessionMachine", Session, TranscriptionSession)

Tell = Callable[[OwnEvent], None]


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
                raise _no_room()
        except BaseException:
            account.close()
            raise
        return replace(built, close=_in_turn(built.close, account.close))

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
        ledger = _restore_ledger(spec.history)
        recorder = self._recorder(spec, ledger, spec.assistant.upstream.model)
        asked = AskedQuestions(spec, recorder.ask, self._make_id, now)
        sources = self._sources(spec, recorder, asked)
        tools, knowledge = await self._tools(spec), await self._knowledge(spec, sources)
        socket = await self._connect(spec, key)
        relay = Relay(
            upstream_session_update(config),
            replace(self._call_settings(spec), searches_knowledge=knowledge is not None),
            now=asyncio.get_running_loop().time(),
            new_id=self._make_id,
            history=[row.item for row in spec.history],
            ledger=ledger,
        )
        tool_work = ToolWork(tools, _tool_context(spec, relay, sources))
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
            _both(tools.listen, sources.listen),
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
        return RecordedTools(self._ledger, runners, spec.tool_context)

    async def _knowledge(self, spec: CallSpec, sources: AnswerSources) -> KnowledgeWork | None:
        """Return the search in front of a hosted model. None: the assistant has no knowledge."""
        assistant = spec.assistant
        search = await self._adapters.passages(assistant, spec.language)
        if search is None or not await self._adapters.has_knowledge(assistant):
            return None
        return KnowledgeWork(
            search, spec.call_id, cite=assistant.knowledge.cite == "spoken", on_use=sources.expect
        )

    def _sources(self, spec: CallSpec, recorder: Recorder, asked: AskedQuestions) -> AnswerSources:
        return AnswerSources(
            recorder.cite,
            self._make_id,
            active=spec.assistant.knowledge.cite != "off",
            searches=ToolSearches(spec.server_tools),
            on_question=asked.note,
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
        ledger = _restore_ledger(spec.history)
        with contained("end-of-turn model", passing=VivavoceError):
            model = await self._adapters.end_of_turn_model()
        make = partial(TranscriptionSession, config)
        session = self._machine(make, spec, ledger, account, scores=model is not None)
        recorder = self._recorder(spec, ledger)
        call_metrics = CallMetrics(self._metrics, ours=True)
        stage = _report_to_both(recorder.stage, call_metrics.observe_stage)
        with contained("recogniser", passing=VivavoceError):
            transcriber = await self._adapters.transcriber(spec.assistant, spec.language, stage)
            detectors = await self._adapters.detectors()
        engine_work = EngineWork(transcriber, end_of_turn_model=model, person=_share_holder(spec))
        driver = self._driver(spec, account, session, engine_work, recorder, call_metrics)
        return BuiltCall(driver, self._reader(spec, session, engine_work, driver, detectors))

    async def _build_session(
        self, spec: CallSpec, config: SessionConfig, account: ByteAccount
    ) -> BuiltCall:
        """Build a call that an engine of this server answers."""
        assistant = spec.assistant
        ledger = _restore_ledger(spec.history)
        with contained("engine", passing=VivavoceError):
            model = await self._adapters.end_of_turn_model()
            mute = assistant.engine == "cascade" and not self._adapters.has_voice(
                assistant, spec.language
            )
        fixed = ("output_modalities",) if mute else ()
        if mute:  # the session shows that this assistant has no voice
            config = msgspec.structs.replace(config, output_modalities=("text",))
        make = partial(Session, config)
        session = self._machine(make, spec, ledger, account, scores=model is not None)
        recorder = self._recorder(spec, ledger)
        call_metrics = CallMetrics(
            self._metrics, ours=self._adapters.is_local(assistant, spec.language)
        )
        stage = _report_to_both(recorder.stage, call_metrics.observe_stage)
        asked = AskedQuestions(spec, recorder.ask, self._make_id, now)
        sources = self._sources(spec, recorder, asked)
        tools = await self._tools(spec)
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
        context = _tool_context(spec, session, sources)
        tool_work = ToolWork(tools, context, mcp_servers=self._adapters.mcp_servers)
        engine_work = EngineWork(
            engine,
            tools=tool_work,
            run_ahead_s=self._settings.run_ahead_s if spec.paced else None,
            end_of_turn_model=model,
            person=_share_holder(spec),
        )
        driver = self._driver(
            spec, account, session, engine_work, recorder, call_metrics, tools, sources
        )
        tools.begin(driver.feed)
        reader = self._reader(spec, session, engine_work, driver, detectors, fixed)
        readers = prompt_changes.PromptReaders(driver, tool_work, asked)
        changes = prompt_changes.InSession(
            assistant, session, readers, engine_work, self._adapters, make_engine
        )
        return BuiltCall(driver, reader, tools.close, _both(tools.listen, sources.listen), changes)

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

    def _reader(
        self,
        spec: CallSpec,
        machine: Session | TranscriptionSession,
        engine_work: EngineWork,
        driver: SessionDriver,
        detectors: Callable[[], SpeechDetector],
        fixed: tuple[str, ...] = (),
    ) -> Callable[[ClientPort], Reader]:
        """Return how to read each client. `fixed`: fields that none of them may change."""

        def behind() -> bool:
            return engine_work.is_behind

        pipelines: list[InputPipeline] = []  # of the clients with audio, the latest last

        def held_back() -> Iterator[AudioReceived]:
            return pipelines[-1].held_back() if pipelines else iter(())

        def reader(client: ClientPort) -> Reader:
            if client.sideband:  # it has an API key, so the assistant's locks do not apply
                return SessionReader(
                    driver,
                    client,
                    None,
                    _strip_locked(fixed),
                    behind=behind,
                    crowded=driver.over_high_water,
                    held_back=held_back,
                    queue=self._loop_queue,
                )
            pipeline = InputPipeline(
                detectors, lambda: _input_of(spec, machine), lambda: machine.takes
            )
            pipelines.append(pipeline)
            allow = _strip_locked((*spec.locked, *fixed))
            voice = SessionReader(
                driver, client, pipeline, allow, behind=behind, queue=self._loop_queue
            )
            self._metrics.add_reader(voice)
            return voice

        return reader

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
        )


def _in_turn(*closes: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls all of these."""

    def close() -> None:
        for each in closes:
            each()

    return close


def _tool_context(spec: CallSpec, machine: Session | Relay, sources: AnswerSources) -> ToolContext:
    """Let tools find the images of the machine's conversation, and note the sources of answers."""
    return replace(
        spec.tool_context,
        find_image=partial(images.newest, machine.conversation),
        note_use=sources.searches.found,
    )


def _both(one: Callable[[Tell], None], other: Callable[[Tell], None]) -> Callable[[Tell], None]:
    """Return a function that passes a client's listener to both."""

    def listen(tell: Tell) -> None:
        one(tell)
        other(tell)

    return listen


def _input_of(spec: CallSpec, machine: Session | TranscriptionSession) -> AudioInput:
    """Return how the session takes audio. A transport with media has decoded it to PCM."""
    wanted = machine.config.audio.input
    if spec.audio == "media":
        return msgspec.structs.replace(wanted, format=Pcm())
    return wanted


def _no_room() -> CallRefused:
    """Refuse a call whose stored conversation does not fit beside the running calls."""
    return CallRefused(
        429,
        "rate_limit_exceeded",
        "The running calls have no room for this conversation. Please try again in a minute.",
        type=RATE,
        close=CloseCode.TRY_AGAIN_LATER,
        retry_s=60,
    )


def _share_holder(spec: CallSpec) -> str:
    """Return whose share of the workers a call uses: its user's, its secret's or its own."""
    caller = spec.caller
    return f"user {caller.subject}" if caller.subject else caller.secret_id or spec.call_id


def _restore_ledger(history: tuple[ItemRow, ...]) -> Ledger:
    """Return a ledger with what earlier calls stored about played audio."""
    ledger = Ledger()
    for row in history:
        if row.generated is not None and row.sent_ms:
            ledger.restore(row.item.id, row.generated, row.sent_ms, row.heard_ms)
    return ledger


def _report_to_both(one: OnStage, other: OnStage) -> OnStage:
    def both(name: str, ms: float) -> None:
        one(name, ms)
        other(name, ms)

    return both


def _strip_locked(locked: tuple[str, ...]) -> Callable[[Command], Command] | None:
    """Return a function that strips locked fields from events. None: nothing is locked."""
    if not locked:
        return None

    return partial(without_locked, locked=locked)
