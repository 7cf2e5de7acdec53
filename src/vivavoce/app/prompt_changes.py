"""Changes the prompt of a call that runs: in its machine, its tools and its engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..assistants import Assistant
from ..core.inputs import PromptRendered
from ..core.session import Session
from ..engines.base import Engine
from ..engines.boundary import contained
from ..engines.cascade import OnStage
from ..errors import InvalidRequest, VivavoceError
from ..runtime.driver import RelayDriver, SessionDriver
from ..runtime.engine_work import EngineWork
from ..runtime.knowledge_work import KnowledgeWork
from ..runtime.running_prompt import Prompt
from ..runtime.tool_work import ToolWork
from .adapters import Adapters

_OTHER_OUTPUT = "This call cannot change between a language with a voice and one without."


@dataclass(frozen=True, slots=True)
class InRelay:
    """Changes the prompt of a relayed call. The upstream itself speaks every language."""

    assistant: Assistant
    driver: RelayDriver
    tools: ToolWork
    knowledge: KnowledgeWork | None
    adapters: Adapters

    async def __call__(self, new: Prompt, old: Prompt) -> Callable[[], None]:
        search = None
        if self.knowledge is not None and new.language != old.language:
            search = await self.adapters.passages(self.assistant, new.language)

        def apply() -> None:
            if self.knowledge is not None and search is not None:
                self.knowledge.replace_search(search)
            _change(self.driver, self.tools, new, old)

        return apply


@dataclass(frozen=True, slots=True)
class InSession:
    """Changes the prompt of a call that an engine of this server answers."""

    assistant: Assistant
    session: Session
    driver: SessionDriver
    tools: ToolWork
    engine_work: EngineWork
    adapters: Adapters
    on_stage: OnStage

    async def __call__(self, new: Prompt, old: Prompt) -> Callable[[], None]:
        engine = None
        if new.language != old.language:
            with contained("engine", passing=VivavoceError):
                engine = await self._engine(new.language, old.language)

        def apply() -> None:
            if engine is not None:
                self.engine_work.replace_engine(engine)
            _change(self.driver, self.tools, new, old)

        return apply

    async def _engine(self, language: str, before: str) -> Engine:
        """Make the engine for another language. Raises `InvalidRequest` and `EngineError`."""
        assistant, adapters = self.assistant, self.adapters
        if assistant.engine == "cascade":
            if adapters.has_voice(assistant, language) != adapters.has_voice(assistant, before):
                raise InvalidRequest("invalid_value", _OTHER_OUTPUT, "language")
            voice = self.session.config.audio.output.voice
            adapters.voices(assistant, language).require_voice(voice, "language")
        return await adapters.engine(assistant, language, self.on_stage)


def _change(driver: SessionDriver | RelayDriver, tools: ToolWork, new: Prompt, old: Prompt) -> None:
    tools.change_context(role=new.role, language=new.language, variables=new.values)
    driver.feed(PromptRendered(new.instructions, old.instructions, new.language))
