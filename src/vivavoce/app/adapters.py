"""The adapters by the names that assistants use, made when first needed and shared by all calls."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from ..assistants import Assistant, KnownNames
from ..config import Settings
from ..engines.base import Brain, EndOfTurnModel, Engine, SpeechDetector, SpeechToText, TextToSpeech
from ..engines.cascade import Cascade, OnStage, TranscribeOnlyEngine
from ..engines.scripted import script
from ..engines.scripted.engine import scripted
from ..engines.scripted.parts import Tones
from ..engines.tts import command_line, espeak
from ..errors import AssistantError, ConfigError, EngineError
from ..knowledge import ingest
from .data_folder import DataFolder

if TYPE_CHECKING:
    from ..engines.brain.extractive.brain import ExtractiveBrain
    from ..engines.brain.extractive.workers import Knowledge, Workers
    from ..engines.leases import WaitObserver
    from ..engines.openai_endpoint import Endpoint
    from ..engines.stt.lm import ModelFiles
    from ..engines.stt.pocketsphinx import Pool
    from ..engines.turn.smart_turn import SmartTurn
    from ..knowledge.chunks import Chunk
    from ..net.http import HttpClient

log = logging.getLogger(__name__)

NO_VOICE = {
    "en": "No speech synthesis is installed here, so answers come as text.",
    "it": "Qui non è installata una sintesi vocale, quindi le risposte arrivano per iscritto.",
    "es": "Aquí no hay síntesis de voz instalada, así que las respuestas llegan por escrito.",
}
DEMO_EARS = {
    "en": "The built-in recogniser understands English only, in demo quality. "
    "You can type in every language.",
    "it": "Il riconoscitore incorporato capisce solo l’inglese, in qualità dimostrativa. "
    "Puoi scrivere in ogni lingua.",
    "es": "El reconocedor incorporado entiende solo inglés, con calidad de demostración. "
    "Puedes escribir en cualquier idioma.",
}


def known() -> KnownNames:
    """The names that `assistant.toml` may use on this server."""
    return KnownNames(
        engines=frozenset({"cascade", "upstream", "scripted"}),
        stt=frozenset({"pocketsphinx", "openai"}),
        brain=frozenset({"extractive", "openai"}),
        tts=frozenset({"espeak", "openai"}),
        voices={"espeak": frozenset(espeak.Espeak.voices)},
        tools=frozenset({"client"}),
    )


class Adapters:
    """Open while the server serves; `async with`."""

    def __init__(
        self, settings: Settings, folder: DataFolder, queue: WaitObserver | None = None
    ) -> None:
        """`queue` is told who waits for a recogniser."""
        self._settings = settings
        self._queue = queue
        self._folder = folder
        self._stack = AsyncExitStack()
        self._making = asyncio.Lock()  # what is dear is made once, whoever asks first
        # What belongs to an assistant, until its folder is loaded anew
        self._chunks: dict[str, tuple[Assistant, tuple[Chunk, ...]]] = {}
        self._knowledge: dict[str, tuple[Assistant, Knowledge]] = {}
        self._models: dict[str, tuple[Assistant, ModelFiles]] = {}
        self._http: HttpClient | None = None
        self._workers: Workers | None = None
        self._recognisers: Pool | None = None
        self._espeak: espeak.Espeak | None = None
        self._smart_turn: SmartTurn | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def detector(self) -> SpeechDetector:
        """Fresh for each stream of sound."""
        from ..engines.vad.silero import Silero

        return Silero()

    async def end_of_turn_model(self) -> EndOfTurnModel | None:
        """Who judges pauses under `semantic_vad`; None: nobody, their length and the words decide.

        Raises `EngineError` if the operator names a file that is none.
        """
        path = self._settings.speech.smart_turn_model
        if path is None:
            return None
        from ..engines.turn.smart_turn import SmartTurn

        async with self._making:
            if self._smart_turn is None:
                judge = await asyncio.to_thread(SmartTurn, path)
                self._smart_turn = self._stack.enter_context(judge)
            return self._smart_turn

    async def engine(self, assistant: Assistant, language: str, on_stage: OnStage) -> Engine:
        """What answers one call. Raises `EngineError` if a part cannot be had."""
        if assistant.engine == "scripted":
            return await self._scripted(assistant)
        voice = self.voice(assistant, language)
        return Cascade(
            await self.recogniser(assistant, language),
            await self.brain(assistant, language),
            voice or Tones(),  # never asked to speak: the session is in text
            language=language,
            on_stage=on_stage,
        )

    async def transcriber(self, assistant: Assistant, language: str, on_stage: OnStage) -> Engine:
        """What writes one call down. Raises `EngineError` if it cannot be had."""
        if assistant.engine == "scripted":
            return scripted()
        ears = await self.recogniser(assistant, language)
        return TranscribeOnlyEngine(ears, language=language, on_stage=on_stage)

    def is_local(self, assistant: Assistant, language: str) -> bool:
        """Are brain and voice here, so that nobody else's slowness is heard in an answer?"""
        kinds = {assistant.adapter(kind, language) for kind in ("brain", "tts")}
        return assistant.engine == "cascade" and "openai" not in kinds

    def needs_stt_worker(self, assistant: Assistant, language: str) -> bool:
        """Would this take one of the embedded recognisers, of which there are few?"""
        return assistant.engine == "cascade" and assistant.adapter("stt", language) == (
            "pocketsphinx"
        )

    @property
    def recognisers_busy(self) -> int:
        """Embedded recognisers that hear somebody now."""
        return self._recognisers.busy if self._recognisers else 0

    def notes(self, assistant: Assistant) -> list[dict[str, str]]:
        """What a person should know before they talk, each by language."""
        notes: list[dict[str, str]] = []
        if assistant.engine != "cascade":
            return notes
        if self.voice(assistant, assistant.fallback_language) is None:
            notes.append(NO_VOICE)
        if assistant.adapter("stt") == "pocketsphinx":
            notes.append(DEMO_EARS)
        return notes

    # By name

    def voice(self, assistant: Assistant, language: str) -> TextToSpeech | None:
        """None: nothing here can speak, and sessions run in text."""
        match assistant.adapter("tts", language):
            case "espeak" if espeak.installed():
                if self._espeak is None:
                    self._espeak = espeak.Espeak(deadline_s=self._settings.speech.worker_timeout_s)
                    self._stack.push_async_callback(self._espeak.close)
                return self._espeak
            case "espeak":  # its package is optional; the same voices, some milliseconds later
                program = command_line.find()
                return command_line.CommandLineTts(program) if program else None
            case "openai":
                from ..engines.tts.openai import OpenAITts

                return OpenAITts(self._endpoint(), self._settings.openai.speech_model)
            case other:
                raise EngineError(f"there is no voice named {other}")

    async def brain(self, assistant: Assistant, language: str) -> Brain:
        match assistant.adapter("brain", language):
            case "extractive":
                return await self._extractive(assistant)
            case "openai":
                from ..engines.brain.openai import OpenAIBrain

                return OpenAIBrain(self._endpoint(), self._settings.openai.chat_model)
            case other:
                raise EngineError(f"there is no brain named {other}")

    async def recogniser(self, assistant: Assistant, language: str) -> SpeechToText:
        match assistant.adapter("stt", language):
            case "pocketsphinx":
                return await self._pocketsphinx(assistant)
            case "openai":
                from ..engines.stt.openai import OpenAIStt

                chosen = self._settings.openai
                return OpenAIStt(
                    self._endpoint(), chosen.transcription_model, stream=chosen.transcription_stream
                )
            case other:
                raise EngineError(f"there is no recogniser named {other}")

    # Shared by all calls

    async def preload(self, assistant: Assistant) -> None:
        """Load what the first call with this assistant needs, before it comes."""
        language = assistant.fallback_language
        await asyncio.to_thread(self.detector)
        if assistant.engine == "cascade":
            if assistant.adapter("brain", language) == "extractive":
                await (await self._thinkers()).warm(await self._known(assistant))
            if isinstance(voice := self.voice(assistant, language), espeak.Espeak):
                await voice.warm()
            if assistant.adapter("stt", language) == "pocketsphinx":
                await (await self._pool()).warm(await self._model(assistant))
        await self.end_of_turn_model()

    def _endpoint(self) -> Endpoint:
        """The OpenAI-compatible server behind the adapters named `openai`."""
        from ..engines.openai_endpoint import Endpoint
        from ..net.http import HttpClient

        if self._http is None:
            self._http = HttpClient(
                allow_private=self._settings.net.allow_private,
                trusted=[self._settings.openai.base_url],
            )
            self._stack.push_async_callback(self._http.close)
        chosen = self._settings.openai
        key = chosen.api_key.get_secret_value() if chosen.api_key else None
        key = key or os.environ.get("OPENAI_API_KEY")
        return Endpoint(self._http, chosen.base_url, key, timeout_s=chosen.timeout_s)

    async def _scripted(self, assistant: Assistant) -> Engine:
        """The script is read for each call: whoever writes it tries it at once."""
        if (path := assistant.script()) is None:
            return scripted()
        try:
            return scripted(await asyncio.to_thread(script.load, path))
        except ConfigError as error:
            log.error("script_broken", extra={"assistant": assistant.name, "mistakes": str(error)})
            raise EngineError("the script of this assistant has mistakes") from error

    async def _read(self, assistant: Assistant) -> tuple[Chunk, ...]:
        held = self._chunks.get(assistant.name)
        if held is None or held[0] is not assistant:
            chunks = await asyncio.to_thread(_read_knowledge, assistant)
            held = self._chunks[assistant.name] = (assistant, chunks)
        return held[1]

    async def _extractive(self, assistant: Assistant) -> ExtractiveBrain:
        from ..engines.brain.extractive.brain import ExtractiveBrain

        workers, knowledge = await self._thinkers(), await self._known(assistant)
        await workers.prepare(knowledge)
        return ExtractiveBrain(workers, knowledge)

    async def _thinkers(self) -> Workers:
        from ..engines.brain.extractive.workers import Workers

        if self._workers is None:
            self._workers = await self._stack.enter_async_context(Workers())
        return self._workers

    async def _known(self, assistant: Assistant) -> Knowledge:
        """What it knows, as the brain's processes are given it."""
        from ..engines.brain.extractive.workers import Knowledge

        async with self._making:
            held = self._knowledge.get(assistant.name)
            if held is None or held[0] is not assistant:
                chunks = await self._read(assistant)
                knowledge = await asyncio.to_thread(
                    Knowledge, chunks, assistant.languages, assistant.title()
                )
                held = self._knowledge[assistant.name] = (assistant, knowledge)
            return held[1]

    async def _pocketsphinx(self, assistant: Assistant) -> SpeechToText:
        from ..engines.stt.pocketsphinx import Pocketsphinx

        return Pocketsphinx(await self._pool(), await self._model(assistant))

    async def _pool(self) -> Pool:
        from ..engines.stt.pocketsphinx import Pool

        if self._recognisers is None:
            speech = self._settings.speech
            pool = Pool(speech.stt_workers, answer_s=speech.worker_timeout_s, queue=self._queue)
            self._recognisers = await self._stack.enter_async_context(pool)
        return self._recognisers

    async def _model(self, assistant: Assistant) -> ModelFiles:
        """The recogniser's language model with the assistant's own words in it."""
        from ..engines.stt import corpus, lm

        async with self._making:
            held = self._models.get(assistant.name)
            if held is None or held[0] is not assistant:
                chunks = [c for c in await self._read(assistant) if c.language == "en"]
                examples = [question for chunk in chunks for question in chunk.also]
                for tool in assistant.tools():
                    said = tool.parameters.get("x-examples")
                    examples += (
                        [e for e in said if isinstance(e, str)] if isinstance(said, list) else []
                    )
                words = corpus.corpus([(c.title, c.text) for c in chunks], examples)
                held = (assistant, await lm.prepare(words, self._folder.cache))
                self._models[assistant.name] = held
            return held[1]


def _read_knowledge(assistant: Assistant) -> tuple[Chunk, ...]:
    """Raises `EngineError`. Files may have changed since the assistant was checked."""
    try:
        return ingest.load(assistant.knowledge_files(), assistant.languages)
    except AssistantError as error:
        log.error("knowledge_broken", extra={"assistant": assistant.name, "mistakes": str(error)})
        raise EngineError("the knowledge of this assistant has mistakes") from None
