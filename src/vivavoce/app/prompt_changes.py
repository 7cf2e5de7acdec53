"""Changes the prompt of a call that runs: in its machine, its tools and its engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..assistants import Assistant
from ..core.inputs import PromptRendered
from ..core.session import Session
from ..engines.base import Engine
from ..engines.boundary import contained
from ..errors import InvalidRequest, VivavoceError
from ..runtime.asked_questions import AskedQuestions
from ..runtime.driver import RelayDriver, SessionDriver
from ..runtime.engine_work import EngineWork
from ..runtime.knowledge_work import KnowledgeWork
from ..runtime.running_prompt import Prompt
from ..runtime.tool_work import ToolWork
from .adapters import Adapters

_OTHER_OUTPUT = "This call cannot change between a language with a voice and one without."


MakeEngine = Callable[[str], Awaitable[Engine]]
"""Make the engine of one call for a language. It reports to the same observers each time."""


@dataclass(frozen=True, slots=True)
class PromptReaders:
    """The parts of every call that know its prompt."""

    driver: SessionDriver | RelayDriver
    tools: ToolWork
    asked: AskedQuestions

    def change(self, new: Prompt, old: Prompt) -> None:
        self.tools.change_context(role=new.role, language=new.language, variables=new.values)
        self.asked.language = new.language
        self.driver.feed(PromptRendered(new.instructions, old.instructions, new.language))


@dataclass(frozen=True, slots=True)
class InRelay:
    """Changes the prompt of a relayed call. The upstream itself speaks every language."""

    assistant: Assistant
    readers: PromptReaders
    knowledge: KnowledgeWork | None
    adapters: Adapters

    async def __call__(self, new: Prompt, old: Prompt) -> Callable[[], None]:
        search = None
        if self.knowledge is not None and new.language != old.language:
            search = await self.adapters.passages(self.assistant, new.language)

        def apply() -> None:
            if self.knowledge is not None and search is not None:
                self.knowledge.replace_search(search)
            self.readers.change(new, old)

        return apply


@dataclass(frozen=True, slots=True)
class InSession:
    """Changes the prompt of a call that an engine of this server answers."""

    assistant: Assistant
    session: Session
    readers: PromptReaders
    engine_work: EngineWork
    adapters: Adapters
    make_engine: MakeEngine

    async def __call__(self, new: Prompt, old: Prompt) -> Callable[[], None]:
        engine = None
        if new.language != old.language:
            with contained("engine", passing=VivavoceError):
                engine = await self._engine(new.language, old.language)

        def apply() -> None:
            if engine is not None:
                self.engine_work.replace_engine(engine)
            self.readers.change(new, old)

        return apply

    async def _engine(self, language: str, before: str) -> Engine:
        """Make the engine for another language. Raises `InvalidRequest` and `EngineError`."""
        assistant, adapters = self.assistant, self.adapters
        if assistant.engine == "cascade":
            if adapters.has_voice(assistant, language) != adapters.has_voice(assistant, before):
                raise InvalidRequest("invalid_value", _OTHER_OUTPUT, "language")
            voice = self.session.config.audio.output.voice
            adapters.voices(assistant, language).require_voice(voice, "language")
        return await self.make_engine(language)
