"""Give a Python tool its call: the facts about it, and its services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, Protocol

from ..errors import EngineError
from ..knowledge.base import Passage
from .base import ToolContext, ToolRequest
from .database import AssistantDatabase

PASSAGES = 5

Search = Callable[[str, str, int], Awaitable[tuple[Passage, ...]]]
"""Search the assistant's knowledge: query, language, number of passages."""


class ReadImage(Protocol):
    """Read the text in an image: its bytes, or a data URL. Raises `EngineError`."""

    async def __call__(self, image: bytes | str, language: str) -> str: ...


class Call:
    """The call that a tool runs for. A tool takes it as a parameter of this type.

    `progress`, `say` and `hang_up` never wait. A function without `async` calls them without
    `await`.
    """

    def __init__(
        self,
        request: ToolRequest,
        context: ToolContext,
        search: Search | None = None,
        database: Callable[[], AssistantDatabase] | None = None,
        read_image: ReadImage | None = None,
    ) -> None:
        """`search` is None if the assistant has no knowledge, `database` if it has none."""
        self._read_image = read_image
        self._request = request
        self._context = context
        self._search = search
        self._database = database
        self._loop = asyncio.get_running_loop()

    @property
    def id(self) -> str:
        """The id of the call. Empty if the tool is tried without one."""
        return self._context.call_id

    @property
    def conversation_id(self) -> str:
        return self._context.conversation_id

    @property
    def tool_call_id(self) -> str:
        return self._request.tool_call_id

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this run of the tool, for servers that can use it."""
        return self._request.idempotency_key or f"{self.id}/{self.tool_call_id}"

    @property
    def user(self) -> str | None:
        """The user in the operator's own words. None: unknown."""
        return self._context.subject

    @property
    def role(self) -> str:
        return self._context.role

    @property
    def language(self) -> str:
        return self._context.language

    @property
    def variables(self) -> Mapping[str, object]:
        """The assistant's variables, with their types."""
        return self._context.variables

    @property
    def db(self) -> AssistantDatabase:
        """The assistant's database. Raises `EngineError` if it has none."""
        if self._database is None:
            raise EngineError("This assistant has no database: it has no folder `migrations`.")
        return self._database()

    async def search(self, query: str, passages: int = PASSAGES) -> tuple[Passage, ...]:
        """Return passages of the assistant's knowledge, the best one first."""
        if self._search is None:
            return ()
        return await self._search(query, self.language, passages)

    async def read_image(self, image: bytes | str | None = None) -> str:
        """Return the text in an image: a PNG, JPEG or WebP.

        `image`: its bytes, or the id of an item with an image. None: the newest image that the
        user sent. Raises `EngineError`, with a sentence that the model reads, if there is no such
        image, or if this server cannot read images.
        """
        found = image if isinstance(image, bytes) else self._context.image(image)
        if found is None:
            raise EngineError("The user has sent no image.", "no_image")
        if self._read_image is None:
            raise EngineError("This server cannot read images.", "vision_unavailable")
        return await self._read_image(found, self.language)

    def progress(self, text: str) -> Awaitable[None]:
        """Report in one sentence how far the tool is, to clients that show it."""
        return self._post(self._context.progress(text))

    def say(self, text: str) -> Awaitable[None]:
        """Have the assistant say a text in the next silence."""
        return self._post(self._context.say(text))

    def hang_up(self) -> Awaitable[None]:
        """End the call, after the result of this tool was answered."""
        return self._post(self._context.hang_up())

    def _post(self, work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        """Begin the work now, from the loop or from a thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run_coroutine_threadsafe(work, self._loop)
            return _Begun()
        return work


class _Begun:
    """Nothing is left to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield
