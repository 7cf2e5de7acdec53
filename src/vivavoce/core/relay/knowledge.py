"""Passages of the assistant's knowledge, in front of a hosted model.

    turn committed ─► its transcript ─► SearchKnowledge ─► KnowledgeFound ─► one system item, with
    the passages, before the user's ─► response.create

The upstream must not answer by itself, because the passages come first. So the relay asks it to
make no response at the end of a turn, and requests each one after the search. A client's own
`response.create` is held until then. If the transcript or the passages do not come in time, the
turn is answered without them. The item of the turn before is deleted, so the context holds the
passages of one turn.

The search begins with the transcript, and what was typed is searched at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidRequest
from ...protocol import client, server
from ...protocol.items import Message, Part
from ..types import NEVER
from ..validation import ACTIVE_RESPONSE
from .opening import HeldFrame

TRANSCRIPT_S = 2.0  # from the end of a turn to its transcript
SEARCH_S = 1.0  # from the transcript to the passages, which have a budget of their own
KNOWLEDGE_EVENT = "knowledge"  # ends the id of the relay's `response.create` after a search
ROOT = "root"  # the place before the first item


@dataclass(slots=True)
class _Turn:
    """One contribution of the user that is not answered. `own`: the relay asks for the response."""

    own: bool
    item_id: str | None = None
    before: str | None = None  # the id of the item before the user's
    search_id: str | None = None
    passages: str | None = None  # None: not known yet
    held: HeldFrame | None = None  # the client's request

    @property
    def asked(self) -> bool:
        return self.own or self.held is not None


@dataclass(frozen=True, slots=True)
class KnownTurn:
    """A turn whose search is over. `passages` may be empty. `held`: None if the relay asks."""

    passages: str
    before: str | None
    held: HeldFrame | None
    search_id: str | None
    item_id: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """A search that is to be made."""

    search_id: str
    query: str


class RelayKnowledge:
    """The turns of a call, and the passages for the one that is not answered."""

    def __init__(self, active: bool, new_id: Callable[[str], str], session: dict[str, Any]) -> None:
        """`session`: what the relay asks of the upstream. Its turn detection is changed here."""
        self.active = active
        self.deadline = NEVER
        self._new_id = new_id
        self._automatic = False  # is a turn answered without a request of the client?
        self._transcribes = True
        self._turn: _Turn | None = None
        self._searches: list[Search] = []
        self._item: str | None = None  # the id of the system item that the upstream holds
        self._gone: set[str] = set()  # ids of items whose deletion is not confirmed
        self._silence: str | None = None  # id of the item that an idle timeout makes
        if active:
            self.change_session(session)

    @property
    def pending(self) -> bool:
        """True if a turn waits for its passages."""
        return self._turn is not None and self._turn.asked

    # From the upstream

    def observe(self, event: server.ServerEvent, now: float) -> bool:
        """Follow the upstream's events. Return True for one that only the relay may see."""
        match event:
            case server.SpeechStarted():
                if self._turn is not None and self._turn.own and self._turn.held is None:
                    self._end()  # the user goes on, and the end of the next turn answers both
            case server.TimeoutTriggered(item_id=item_id):
                self._silence = item_id
            case server.AudioCommitted(item_id=item_id, previous_item_id=before):
                if item_id != self._silence:
                    self._on_committed(item_id, before, now)
            case server.TranscriptionCompleted(item_id=item_id, transcript=words):
                self._on_words(item_id, words, now)
            case server.TranscriptionFailed(item_id=item_id):
                self._on_words(item_id, "", now)
            case server.ItemDeleted(item_id=item_id) if item_id in self._gone:
                self._gone.discard(item_id)
                return True
            case _:
                pass
        return False

    def _on_committed(self, item_id: str, before: str | None, now: float) -> None:
        turn = self._turn
        if turn is not None and turn.item_id is None and not turn.own and turn.search_id is None:
            turn.item_id, turn.before = item_id, before or ROOT  # the client committed it
        else:
            self._begin(_Turn(self._automatic, item_id, before or ROOT), now)
        if not self._transcribes:
            self._on_words(item_id, "", now)

    def _on_words(self, item_id: str, words: str, now: float) -> None:
        if self._turn is not None and self._turn.item_id == item_id:
            self._search(words, now)

    # From the clients

    def change_session(self, session: object) -> None:
        """Note whether a turn is answered by itself, and let the relay request the response."""
        audio = session.get("audio") if isinstance(session, dict) else None
        given = audio.get("input") if isinstance(audio, dict) else None
        if not isinstance(given, dict):
            return
        if "transcription" in given:
            self._transcribes = given["transcription"] is not None
        if "turn_detection" in given:
            detection = given["turn_detection"]
            self._automatic = isinstance(detection, dict)
            if isinstance(detection, dict):
                self._automatic = detection.get("create_response") is not False
                given["turn_detection"] = detection | {"create_response": False}

    def holds(self, frame: HeldFrame, event: object, now: float) -> bool:
        """Note a client's event. Return True if it has to wait for passages.

        `event` may be changed. Raises `InvalidRequest` for a second request while one waits.
        """
        match event:
            case {"type": "session.update", "session": session}:
                self.change_session(session)
            case {"type": "input_audio_buffer.commit"}:
                self._begin(_Turn(own=False), now)
            case {"type": "conversation.item.create", "item": {"role": "user", "content": content}}:
                if words := _typed(content):
                    self._begin(_Turn(own=False), now)
                    self._search(words, now)
            case {"type": "response.cancel"} if self._turn is not None:
                self._end()
            case {"type": "response.create"} if not _other_context(event):
                event_id = event.get("event_id") if isinstance(event, dict) else None
                return self._holds_request(frame, event_id, now)
        return False

    def _holds_request(self, frame: HeldFrame, event_id: object, now: float) -> bool:
        turn = self._turn
        if turn is None:
            return False
        if turn.held is not None:
            message = "A response has been requested already. It waits for the knowledge."
            own = event_id if isinstance(event_id, str) else None
            raise InvalidRequest(ACTIVE_RESPONSE, message, event_id=own)
        turn.held = frame
        if self.deadline == NEVER:
            self.deadline = now + TRANSCRIPT_S
        return True

    # From the search

    def take(self, search_id: str, passages: str) -> None:
        """Take the passages of a search. Those of an older turn are ignored."""
        turn = self._turn
        if turn is not None and turn.search_id == search_id and turn.passages is None:
            turn.passages = passages

    def expire(self) -> None:
        """Give up waiting for the transcript or the passages."""
        self.deadline = NEVER
        if self._turn is not None and self._turn.passages is None:
            self._turn.passages = ""

    # To the search and the upstream

    def begin_searches(self) -> list[Search]:
        """Return the searches to make now."""
        begun, self._searches = self._searches, []
        return begun

    def release(self, *, responding: bool) -> KnownTurn | None:
        """Return the turn that can be answered now. `responding`: a response is being made."""
        turn = self._turn
        if turn is None or turn.passages is None or not turn.asked:
            return None
        if turn.held is None and responding:
            return None  # its end is the next occasion
        self._end()
        return KnownTurn(turn.passages, turn.before, turn.held, turn.search_id, turn.item_id)

    def events(
        self, turn: KnownTurn, own_event: str, unconfirmed: set[str]
    ) -> Iterator[client.ItemDelete | client.ItemCreate | client.ResponseCreate]:
        """Yield what the upstream receives: the passages, and the request if the relay asks.

        `own_event` begins the ids of the relay's own events. The id of the new item is added to
        `unconfirmed`, so that no client sees it.
        """
        old, self._item = self._item, None
        if old is not None:
            self._gone.add(old)
            yield client.ItemDelete(event_id=own_event + old, item_id=old)
        if turn.passages:
            part = Part(type="input_text", text=turn.passages)
            item = Message(id=self._new_id("item"), role="system", content=(part,))
            self._item = item.id
            unconfirmed.add(item.id)
            before = turn.before if turn.before != old else None
            yield client.ItemCreate(
                event_id=own_event + item.id, item=item, previous_item_id=before
            )
        if turn.held is None:
            yield client.ResponseCreate(event_id=own_event + KNOWLEDGE_EVENT)

    def replace_upstream(self) -> None:
        """Forget the item of the last turn: another upstream does not have it."""
        self._item = None
        self._gone.clear()

    def _begin(self, turn: _Turn, now: float) -> None:
        self._end()
        self._turn = turn
        if turn.own:
            self.deadline = now + TRANSCRIPT_S

    def _search(self, words: str, now: float) -> None:
        turn = self._turn
        if turn is None or turn.search_id is not None:
            return
        if not words.strip():
            turn.passages = ""
            return
        turn.search_id = self._new_id("search")
        self._searches.append(Search(turn.search_id, words))
        self.deadline = now + SEARCH_S

    def _end(self) -> None:
        self._turn, self.deadline = None, NEVER
        self._searches.clear()


def _typed(content: object) -> str:
    """Return the words of a user's item, or "" if it has none, or only sound."""
    parts = content if isinstance(content, list) else []
    words = (part.get("text") for part in parts if isinstance(part, dict))
    return " ".join(each for each in words if isinstance(each, str) and each.strip())


def _other_context(event: object) -> bool:
    """Return True for a response that is not made from the conversation."""
    response = event.get("response") if isinstance(event, dict) else None
    return isinstance(response, dict) and (
        response.get("conversation") == "none" or "input" in response
    )
