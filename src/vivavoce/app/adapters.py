"""Make the engines of calls from the adapters that assistants name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, Self

from ..assistants import Assistant, KnownNames
from ..assistants.server_tools import CLIENT
from ..bounded_work import within
from ..config import Settings
from ..core.voices import VoiceNames
from ..engines import image_reading, knowledge_watch
from ..engines.base import Brain, EndOfTurnModel, Engine, SpeechDetector, SpeechToText, TextToSpeech
from ..engines.boundary import contained
from ..engines.cascade import Cascade, OnDeclined, OnKnowledge, OnStage, TranscribeOnlyEngine
from ..engines.checked_embedder import CheckedEmbedder
from ..engines.leases import WaitObserver
from ..engines.passages import PassageSearch, SearchOptions
from ..engines.registry import AdapterRequest, AdapterSpec, Kind, Registry, installed
from ..engines.resources import AdapterResources
from ..engines.scripted import script
from ..engines.scripted.engine import scripted
from ..engines.scripted.parts import Tones
from ..errors import AssistantError, ConfigError, EngineError
from ..knowledge.base import Passage
from ..knowledge.live import LiveKnowledge
from ..text.spoken import SpokenText
from ..tools import database, function_table, migrations
from ..tools.base import ToolRunner
from ..tools.database import AssistantDatabase
from ..tools.function_table import FunctionTable
from ..tools.functions import FunctionRunner
from ..tools.knowledge import KnowledgeTool
from ..tools.runners import NO_TOOLS, ToolRunners
from .client_mcp_servers import ClientMcpServers
from .data_folder import DataFolder

log = logging.getLogger(__name__)

VAD = "silero"
TURN_MODEL = "smart-turn"

Renewal = Callable[[], Awaitable[Brain | None]]
"""Return the brain for the next answers if what it knows has changed."""

CascadeKind = Literal["stt", "brain", "tts"]
CASCADE: tuple[CascadeKind, ...] = ("stt", "brain", "tts")
NOUNS = {
    "stt": "recogniser",
    "brain": "brain",
    "tts": "voice",
    "tool": "kind of tools",
    "embedding": "embedding model",
}
TOOLS_MADE_WITHIN_S = 10.0


def known(registry: Registry | None = None) -> KnownNames:
    """Return the names that `assistant.toml` may use on this server."""
    adapters = registry or installed()
    return KnownNames(
        engines=frozenset({"cascade", "upstream", "scripted"}),
        stt=adapters.names("stt"),
        brain=adapters.names("brain"),
        tts=adapters.names("tts"),
        embedding=adapters.names("embedding"),
        voices=adapters.voices(),
        tool_kinds=adapters.names("tool") | {CLIENT, function_table.KIND},
        tool_models=adapters.tool_models() | {function_table.KIND: FunctionTable},
        reasons=adapters.reasons(),
    )


def check_settings(settings: Settings, file: str) -> None:
    """Raise `ConfigError` with every mistake in the settings of adapters."""
    installed().check(settings, file)


class Adapters:
    """Open while the server serves; use it by `async with`."""

    def __init__(
        self,
        settings: Settings,
        folder: DataFolder,
        observer: WaitObserver | None = None,
        registry: Registry | None = None,
    ) -> None:
        """`observer` sees each wait for a worker."""
        self._settings = settings
        self._folder = folder
        self._registry = registry or installed()
        self.mcp_servers = ClientMcpServers(allow_private=settings.net.allow_private)
        self._images: image_reading.ImageReader | None = None  # None: no tool has read one yet
        self._resources = AdapterResources(settings, folder.cache, observer, self._embedder)

    async def __aenter__(self) -> Self:
        await self._resources.__aenter__()
        for origin, reason in self._registry.broken.items():
            log.error("adapter_broken", extra={"adapter": origin, "reason": reason})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.__aexit__(*_)

    async def detectors(self) -> Callable[[], SpeechDetector]:
        """Return a function that makes one detector for each stream of audio."""
        made: Callable[[], SpeechDetector] = await self._make(self._spec("vad", VAD))
        return made

    async def end_of_turn_model(self) -> EndOfTurnModel | None:
        """Return the model that `semantic_vad` asks, if the operator has configured one.

        Without a model, the length of a pause and the words decide. Raises `EngineError` if the
        configured file is not a model.
        """
        if self._settings.speech.smart_turn_model is None:
            return None
        model: EndOfTurnModel = await self._make(self._spec("turn", TURN_MODEL))
        return model

    async def engine(
        self,
        assistant: Assistant,
        language: str,
        *,
        on_stage: OnStage,
        on_knowledge: OnKnowledge,
        on_declined: OnDeclined,
    ) -> Engine:
        """Make the engine of one call. Raises `EngineError` if an adapter is not available."""
        if assistant.engine == "scripted":
            return await self._scripted(assistant)
        voice = await self.voice(assistant, language)
        renewed = await self._renewal(assistant, language)  # first, so that no change is missed
        return Cascade(
            await self.recogniser(assistant, language),
            await self.brain(assistant, language),
            voice or Tones(),  # never asked to speak: the session is in text
            language=language,
            on_stage=on_stage,
            on_knowledge=on_knowledge,
            on_declined=on_declined,
            knowledge=await self._passages(assistant, language),
            cite=assistant.knowledge.cite == "spoken",
            renewed=renewed,
            numbers_as_words=not self._chosen("tts", assistant, language).reads_numbers,
            now=assistant.now,
        )

    async def _passages(self, assistant: Assistant, language: str) -> PassageSearch | None:
        """Return the search before each answer; None if the brain gets no passages."""
        if self._chosen("brain", assistant, language).knowledge != "passages":
            return None
        return await self.passages(assistant, language)

    async def passages(self, assistant: Assistant, language: str) -> PassageSearch | None:
        """Return the search of a call before each answer; None if `ask` says otherwise.

        Raises `EngineError`.
        """
        chosen = assistant.knowledge
        if chosen.ask != "every_turn":
            return None
        options = SearchOptions(
            passages=chosen.passages,
            min_score=chosen.min_score,
            budget_s=chosen.budget_ms / 1000,
            while_speaking=chosen.while_speaking,
        )
        live = await self._resources.live_knowledge(assistant)
        return PassageSearch(live, language, options, revision=lambda: live.search_revision)

    async def live_knowledge(self, assistant: Assistant) -> LiveKnowledge:
        """Return the knowledge that follows its files. Raises `EngineError`."""
        return await self._resources.live_knowledge(assistant)

    async def embedder(self, assistant: Assistant) -> CheckedEmbedder | None:
        """Make what embeds its knowledge; None if it names nothing. Raises `EngineError`."""
        if (chosen := self.chosen_embedder(assistant)) is None:
            return None
        spec, request = chosen
        with contained(spec.name, message="The embedding model cannot be used."):
            return CheckedEmbedder(await spec.make(request))

    def chosen_embedder(
        self, assistant: Assistant
    ) -> tuple[AdapterSpec[Any], AdapterRequest] | None:
        """Return the adapter that embeds its knowledge, and what it is made from."""
        if (name := assistant.knowledge.embedding) is None:
            return None
        spec = self._spec("embedding", name)
        return spec, self._request(spec, assistant, assistant.fallback_language)

    async def _embedder(self, assistant: Assistant) -> CheckedEmbedder | None:
        """Make it, or log why it cannot be made: the knowledge is then searched by words only."""
        try:
            return await self.embedder(assistant)
        except EngineError as error:
            about = {"assistant": assistant.name, "code": error.code}
            log.warning("embedding_failed", extra=about)
            return None

    async def has_knowledge(self, assistant: Assistant) -> bool:
        """Return whether there is anything to answer from now. Raises `EngineError`."""
        return bool(await self._resources.knowledge(assistant))

    async def _renewal(
        self, assistant: Assistant, language: str
    ) -> Callable[[], Awaitable[Brain | None]]:
        """Return how a call gets another brain after the knowledge that its brain read changed."""
        own = self._chosen("brain", assistant, language).knowledge == "own"
        if own:
            await self._resources.knowledge(assistant)
        known = self._resources.revision(assistant)

        async def renewed() -> Brain | None:
            nonlocal known
            now = self._resources.revision(assistant)
            if not own or now == known:
                return None
            brain = await self.brain(assistant, language)
            known = now
            return brain

        return renewed

    async def follow_knowledge(self, assistants: Iterable[Assistant]) -> None:
        """Keep the knowledge of running calls true until this is cancelled."""
        await knowledge_watch.follow(self._resources, assistants)

    async def transcriber(self, assistant: Assistant, language: str, on_stage: OnStage) -> Engine:
        """Make the engine of a transcription session. Raises `EngineError`."""
        if assistant.engine == "scripted":
            return scripted()
        stt = await self.recogniser(assistant, language)
        return TranscribeOnlyEngine(stt, language=language, on_stage=on_stage)

    async def recogniser(self, assistant: Assistant, language: str) -> SpeechToText:
        """Make its `stt` adapter. Raises `EngineError`."""
        made: SpeechToText = await self._of("stt", assistant, language)
        return made

    async def brain(self, assistant: Assistant, language: str) -> Brain:
        """Make its `brain` adapter. Raises `EngineError`."""
        made: Brain = await self._of("brain", assistant, language)
        return made

    async def tools(self, assistant: Assistant) -> ToolRunners:
        """Return the tools of the assistant that the server runs, the same for all its calls.

        Raises `EngineError`.
        """
        key = f"vivavoce.tools.{assistant.name}"
        return await self._resources.for_assistant(key, assistant, self._make_tools)

    async def _make_tools(self, assistant: Assistant) -> ToolRunners:
        tables = [each for each in assistant.server_tools() if each.kind != function_table.KIND]

        async def make_each() -> list[ToolRunner]:
            return [
                *await self._functions(assistant),
                *[
                    await self._make(self._spec("tool", tool.kind), assistant, table=tool.table)
                    for tool in tables
                ],
            ]

        with contained("tools", message="The tools of this assistant do not work."):
            about = {"assistant": assistant.name}
            runners = await within(TOOLS_MADE_WITHIN_S, make_each(), about)
        if assistant.knowledge.ask == "tool":
            runners.append(await self._knowledge_tool(assistant))
        if not runners:
            return NO_TOOLS
        reserved = frozenset(spec.name for spec in assistant.tools())
        return ToolRunners(runners, reserved=reserved)

    async def _functions(self, assistant: Assistant) -> list[ToolRunner]:
        """Return the runner of the assistant's `tools.py`, if it has one. Raises `EngineError`."""
        try:
            found = await asyncio.to_thread(function_table.functions_of, assistant)
        except AssistantError as error:
            log.error("tools_broken", extra={"assistant": assistant.name, "mistakes": str(error)})
            raise EngineError("the tools of this assistant have mistakes") from None

        async def search(query: str, language: str, k: int) -> tuple[Passage, ...]:
            retriever = await self._resources.retriever(assistant)
            return await retriever.search(query, language, k)

        async def read_image(image: bytes | str, language: str) -> str:
            reader = await self._image_reader()
            if isinstance(image, str):
                image = await asyncio.to_thread(image_reading.decoded, image)
            return await reader.read(image, language)

        if not found:
            return []
        data = await self._database(assistant)
        give = None if data is None else lambda: data
        return [FunctionRunner(found, search=search, database=give, read_image=read_image)]

    async def describe_image_reader(self) -> str:
        """Say what reads images for tools. Raises `EngineError` if it does not work."""
        return await (await self._image_reader()).described()

    async def _image_reader(self) -> image_reading.ImageReader:
        if self._images is None:
            self._images = await image_reading.choose(self._resources)
        return self._images

    async def _database(self, assistant: Assistant) -> AssistantDatabase | None:
        """Return the database of the assistant's tools, if it has `migrations`.

        It opens with the first statement.
        """
        if not (assistant.folder / migrations.FOLDER).is_dir():
            return None
        path = self._folder.database_of(assistant.name)
        key = f"vivavoce.database.{assistant.name}"
        return await self._resources.once(key, lambda: database.opened(path, assistant.folder))

    async def _knowledge_tool(self, assistant: Assistant) -> KnowledgeTool:
        chosen = assistant.knowledge
        return KnowledgeTool(
            await self._resources.retriever(assistant),
            passages=chosen.passages,
            min_score=chosen.min_score,
            cite=chosen.cite == "spoken",
        )

    async def voice(self, assistant: Assistant, language: str) -> TextToSpeech | None:
        """Make its `tts` adapter, or return None if sessions must run in text."""
        if not self.has_voice(assistant, language):
            return None
        made: TextToSpeech = await self._of("tts", assistant, language)
        return made

    def has_voice(self, assistant: Assistant, language: str) -> bool:
        """Return whether this machine can speak for the assistant. Raises `EngineError`."""
        return self._chosen("tts", assistant, language).is_installed()

    def voices(self, assistant: Assistant, language: str) -> VoiceNames:
        """Return the voices of a cascade. Any other engine takes any name."""
        supported = None
        if assistant.engine == "cascade":
            spec = self._registry.get("tts", assistant.adapter("tts", language))
            supported = spec.voices if spec else None
        return VoiceNames(supported, assistant.voice.name)

    def is_local(self, assistant: Assistant, language: str) -> bool:
        """Return whether brain and voice run here, so that only this server delays an answer."""
        if assistant.engine != "cascade":
            return False
        return not any(self._chosen(kind, assistant, language).remote for kind in ("brain", "tts"))

    def needs_stt_worker(self, assistant: Assistant, language: str) -> bool:
        """Return whether a call occupies one of the few recogniser processes."""
        return assistant.engine == "cascade" and self._chosen("stt", assistant, language).limited

    @property
    def recognisers_busy(self) -> int:
        """The number of recogniser processes that serve a call now."""
        return self._resources.busy_workers

    def hears(self, assistant: Assistant) -> list[str]:
        """Return the languages of the assistant that it understands when people speak."""
        if assistant.engine != "cascade":
            return list(assistant.languages)
        specs = {each: self._chosen("stt", assistant, each) for each in assistant.languages}
        return [
            language
            for language, spec in specs.items()
            if spec.is_installed() and spec.serves(language)
        ]

    def notes(self, assistant: Assistant) -> list[dict[str, str]]:
        """Return what a person should know before they talk, each by language."""
        if assistant.engine != "cascade":
            return []
        language = assistant.fallback_language
        notices: list[dict[str, str]] = []
        for kind in ("tts", "stt", "brain"):
            spec = self._chosen(kind, assistant, language)
            told = spec.notices if spec.is_installed() else spec.missing
            notices += map(dict, told)
        return notices

    async def preload(self, assistant: Assistant) -> None:
        """Load what the first call with this assistant needs. Raises `EngineError`."""
        language = assistant.fallback_language
        vad = self._spec("vad", VAD)
        await vad.preload(self._request(vad))
        if assistant.engine == "cascade":
            for kind in ("brain", "tts", "stt"):
                spec = self._chosen(kind, assistant, language)
                if spec.is_installed():
                    await spec.preload(self._request(spec, assistant, language))
            await self._passages(assistant, language)
            for each in assistant.languages:  # 0.2 s for the first, 0.05 s for each other
                await asyncio.to_thread(SpokenText(each).read, "*Hello* 1.")
        await self.end_of_turn_model()

    def chosen(
        self, kind: CascadeKind, assistant: Assistant, language: str
    ) -> tuple[AdapterSpec[Any], AdapterRequest]:
        """Return the adapter that serves a language, and what it is made from. For `doctor`."""
        spec = self._chosen(kind, assistant, language)
        return spec, self._request(spec, assistant, language)

    async def _of(self, kind: CascadeKind, assistant: Assistant, language: str) -> Any:  # noqa: ANN401
        return await self._make(self._chosen(kind, assistant, language), assistant, language)

    async def _make(
        self,
        spec: AdapterSpec[Any],
        assistant: Assistant | None = None,
        language: str = "",
        table: object = None,
    ) -> Any:  # noqa: ANN401
        return await spec.make(self._request(spec, assistant, language, table))

    def _request(
        self,
        spec: AdapterSpec[Any],
        assistant: Assistant | None = None,
        language: str = "",
        table: object = None,
    ) -> AdapterRequest:
        return AdapterRequest(
            resources=self._resources,
            options=spec.options(self._settings),
            language=language,
            for_assistant=assistant,
            table=table,
        )

    def _chosen(self, kind: CascadeKind, assistant: Assistant, language: str) -> AdapterSpec[Any]:
        return self._spec(kind, assistant.adapter(kind, language))

    def _spec(self, kind: Kind, name: str) -> AdapterSpec[Any]:
        spec = self._registry.get(kind, name)
        if spec is None:
            raise EngineError(f"there is no {NOUNS.get(kind, kind)} named {name}")
        return spec

    async def _scripted(self, assistant: Assistant) -> Engine:
        """Read the script again for each call, so that its author can try it at once."""
        if (path := assistant.script()) is None:
            return scripted()
        try:
            return scripted(await asyncio.to_thread(script.load, path))
        except ConfigError as error:
            log.error("script_broken", extra={"assistant": assistant.name, "mistakes": str(error)})
            raise EngineError("the script of this assistant has mistakes") from error
