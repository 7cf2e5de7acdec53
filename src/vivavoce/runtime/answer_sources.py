"""The sources of a call's answers: stored with each answer, and told to clients that ask for them.

    engine ─► note ─┐ by response
    relay ─► expect ─┼─► the answer is complete ─► Recorder.cite, `vivavoce.sources`
    tools ─► searches ┘

An engine names the response. In front of an upstream, the next response of the conversation is
meant, because the upstream gives it its id. What a tool has found is read by the response that
follows its output.
"""

from __future__ import annotations

from collections.abc import Callable

from ..knowledge.base import KnowledgeUse, Passage
from ..protocol import own_events, server
from ..protocol.items import Message
from ..protocol.own_events import OwnEvent, Source
from .tool_searches import ToolSearches

KEPT = 8  # responses that are being made, or are about to begin


class AnswerSources:
    """The sources of one call. `cite` stores those of an item; `make_id` makes ids of events."""

    def __init__(
        self,
        cite: Callable[[str, tuple[Source, ...]], None],
        make_id: Callable[[str], str],
        *,
        active: bool = True,
        searches: ToolSearches | None = None,
        on_use: Callable[[KnowledgeUse, str | None], None] = lambda use, item_id: None,
    ) -> None:
        """`active`: whether the assistant wants sources. `searches`: those that its tools make.

        `on_use` gets each use of the knowledge, and the user's item that asked for it.
        """
        self._on_use = on_use
        self._user_item: str | None = None  # the last one
        self._cite = cite
        self._make_id = make_id
        self._active = active
        self.searches = searches or ToolSearches()
        self._uses: dict[str, KnowledgeUse] = {}  # by response
        self._next: KnowledgeUse | None = None
        self._response: str | None = None  # of the conversation, that is being made
        self._items: dict[str, str] = {}  # answers that are being made, and their responses
        self._listeners: list[Callable[[OwnEvent], None]] = []

    def listen(self, tell: Callable[[OwnEvent], None]) -> None:
        """Tell a client the sources from now on. `tell` must not wait."""
        self._listeners.append(tell)

    def note(self, response_id: str, use: KnowledgeUse) -> None:
        """Note what a response was given or taken from."""
        self._on_use(use, use.item_id or self._user_item)
        self._uses[response_id] = use
        while len(self._uses) > KEPT:
            del self._uses[next(iter(self._uses))]

    def expect(self, use: KnowledgeUse) -> None:
        """Note what the next response of the conversation is given."""
        self._next = use

    def observe(self, event: server.ServerEvent) -> None:
        """Follow the events of the call. This runs for each event."""
        self.searches.observe(event)
        match event:
            case server.ResponseCreated(response=response) if response.conversation_id is not None:
                self._response = response.id
                use, self._next = self._next or self.searches.take(), None
                if use is not None:
                    self.note(response.id, use)
            case server.ItemAdded(item=Message(role="user", id=item_id)):
                self._user_item = item_id
            case server.ItemAdded(item=Message(role="assistant", status="in_progress", id=item_id)):
                if self._response is not None:
                    self._items[item_id] = self._response
            case server.ItemDone(item=Message(id=item_id)) if item_id in self._items:
                self._finish(item_id, self._items.pop(item_id))
            case server.ResponseDone(response=response) if response.id == self._response:
                self.searches.pass_on(self._uses.pop(response.id, None), response)
                self._response = None
                self._items.clear()
            case _:
                pass

    def _finish(self, item_id: str, response_id: str) -> None:
        use = self._uses.get(response_id)
        if not self._active or use is None or not use.passages:
            return
        sources = tuple(map(_source, use.passages))
        self._cite(item_id, sources)
        event_id = self._make_id("event")
        for tell in self._listeners:
            tell(own_events.AnswerSources(event_id=event_id, item_id=item_id, sources=sources))


def _source(passage: Passage) -> Source:
    return Source(
        id=passage.id or passage.source,
        source=passage.source,
        place=passage.place,
        title=passage.title,
        score=round(passage.score, 3),
        revision=passage.revision,
    )
