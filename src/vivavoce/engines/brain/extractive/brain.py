"""The embedded brain as the cascade asks it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence

from ....knowledge.chunks import Chunk
from ...base import Question, Thought
from .excerpt import excerpt
from .responder import Responder
from .wording import thoughts


class ExtractiveBrain:
    """`name` is how it calls itself."""

    def __init__(
        self, chunks: Iterable[Chunk] = (), *, languages: Sequence[str] = ("en",), name: str = ""
    ) -> None:
        self._responder = Responder(chunks, languages=languages, name=name)

    async def generate(self, question: Question) -> AsyncGenerator[Thought, None]:
        read = excerpt(question)
        for thought in thoughts(question, read, self._responder.reply(read)):
            yield thought
