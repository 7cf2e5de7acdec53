"""The adapters by the names that assistants use, made when first needed and shared by all calls."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from ..assistants import Assistant, Known
from ..config import Settings
from ..engines.base import Brain, Engine, SpeechDetector, SpeechToText, TextToSpeech
from ..engines.cascade import Cascade, OnStage
from ..engines.scripted.engine import scripted
from ..engines.scripted.parts import Tones
from ..engines.tts import espeak
from ..errors import EngineError
from ..knowledge import ingest
from .folder import Folder

if TYPE_CHECKING:
    from ..engines.brain.extractive import ExtractiveBrain


NO_VOICE = "No speech synthesis is installed here, so answers come as text."
DEMO_EARS = (
    "The built-in recogniser understands English only, in demo quality. "
    "You can type in every language."
)


def known() -> Known:
    """The names that `assistant.toml` may use on this server."""
    return Known(
        engines=frozenset({"cascade", "upstream", "scripted"}),
        stt=frozenset({"pocketsphinx", "openai"}),
        brain=frozenset({"extractive", "openai"}),
        tts=frozenset({"espeak", "openai"}),
        voices={"espeak": frozenset(espeak.Espeak.voices)},
        tools=frozenset({"client"}),
    )


class Parts:
    """Open while the server serves; `async with`."""

    def __init__(self, settings: Settings, folder: Folder) -> None:
        self._settings = settings
        self._folder = folder
        self._stack = AsyncExitStack()
        self._brains: dict[str, tuple[Assistant, ExtractiveBrain]] = {}
        self._espeak: espeak.Espeak | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def detector(self) -> SpeechDetector:
        """Fresh for each stream of sound."""
        from ..engines.vad.silero import Silero

        return Silero()

    async def engine(self, assistant: Assistant, language: str, on_stage: OnStage) -> Engine:
        """What answers one call. Raises `EngineError` if a part cannot be had."""
        if assistant.engine == "scripted":
            return scripted()
        voice = self.voice(assistant, language)
        return Cascade(
            await self.recogniser(assistant, language),
            await self.brain(assistant, language),
            voice or Tones(),  # never asked to speak: the session is in text
            language=language,
            on_stage=on_stage,
        )

    def notes(self, assistant: Assistant) -> list[str]:
        """What a person should know before they talk."""
        notes: list[str] = []
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
                    self._espeak = espeak.Espeak()
                    self._stack.push_async_callback(self._espeak.close)
                return self._espeak
            case _:
                return None

    async def brain(self, assistant: Assistant, language: str) -> Brain:
        match assistant.adapter("brain", language):
            case "extractive":
                return await self._extractive(assistant)
            case other:
                raise EngineError(f"there is no brain named {other}")

    async def recogniser(self, assistant: Assistant, language: str) -> SpeechToText:
        raise EngineError("there is no recogniser")

    async def _extractive(self, assistant: Assistant) -> ExtractiveBrain:
        from ..engines.brain.extractive import ExtractiveBrain

        held = self._brains.get(assistant.name)
        if held is None or held[0] is not assistant:
            files = [file for file in assistant.knowledge_files()]

            def index() -> ExtractiveBrain:
                chunks = ingest.load(files, assistant.languages)
                return ExtractiveBrain(
                    chunks, languages=assistant.languages, name=assistant.title()
                )

            held = self._brains[assistant.name] = (assistant, await asyncio.to_thread(index))
        return held[1]
