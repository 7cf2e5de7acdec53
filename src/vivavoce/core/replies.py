"""The responses that are being made: one for the conversation, any number beside it.

Each is begun, asked for once its words are known, fed with what the engine says, and ended.
"""

from __future__ import annotations

from dataclasses import replace

from ..protocol import server
from ..protocol.client import ResponseOptions
from ..protocol.config import SessionConfig
from . import effects as do
from .conversation import Conversation
from .inputs import Said
from .ledger import Ledger
from .outgoing import Outgoing
from .reply import Ending, Reply
from .sounds import Sounds
from .transcripts import Transcripts


class Replies:
    def __init__(
        self,
        out: Outgoing,
        conversation: Conversation,
        conversation_id: str,
        ledger: Ledger,
        transcripts: Transcripts,
        sounds: Sounds,
        *,
        thinks_in_text: bool,
    ) -> None:
        self._out = out
        self._conversation = conversation
        self._conversation_id = conversation_id
        self._ledger = ledger
        self._transcripts = transcripts
        self._sounds = sounds
        self._thinks_in_text = thinks_in_text
        self._running: dict[str, Reply] = {}

    @property
    def current(self) -> Reply | None:
        """The response that belongs to the conversation."""
        return next((r for r in self._running.values() if r.in_conversation), None)

    @property
    def all(self) -> list[Reply]:
        return list(self._running.values())

    def get(self, response_id: str) -> Reply | None:
        """None: it is over, and this comes from before it was cancelled."""
        return self._running.get(response_id)

    def begin(self, config: SessionConfig, options: ResponseOptions, verbatim: str | None) -> None:
        reply = Reply(
            self._out.new_id("resp"),
            self._conversation,
            self._conversation_id,
            config,
            options,
            self._out.new_id,
            verbatim,
        )
        self._running[reply.id] = reply
        self._out.send_all(reply.begin())
        self.ask()

    def ask(self) -> None:
        """Put the questions, once every word of them is known to those who think in words."""
        if self._thinks_in_text and self._transcripts:
            return
        for reply in self.all:
            if not reply.asked:
                self._ask(reply)

    def _ask(self, reply: Reply) -> None:
        reply.asked = True
        history = tuple(map(self._ledger.as_heard, reply.history))
        if reply.verbatim is None:
            reply.meter.ask(reply.config, history, self._transcripts.count(history))
        self._out.ask(
            do.Respond(
                reply.id,
                reply.config,
                history,
                paced=reply.in_conversation,
                verbatim=reply.verbatim,
            )
        )

    def say(self, reply: Reply, said: Said, now: float) -> bool:
        """A piece of it goes out. False: not all of it, for it has reached its limit."""
        if not reply.spoken:
            said = replace(said, pcm=b"", words=())
        allowed, ms = reply.meter.say(said)
        self._out.send_all(reply.say(allowed))
        if reply.in_conversation and reply.spoken and reply.item_id is not None:
            self._ledger.say(reply.item_id, allowed.text, ms, allowed.words)
            self._sounds.add(reply.item_id, allowed.pcm)
        if allowed.pcm and reply.voiced_at is None:
            reply.voiced_at = now
        return allowed is said

    def end(
        self,
        reply: Reply,
        status: Ending,
        details: server.StatusDetails | None = None,
        usage: server.Usage | None = None,
    ) -> None:
        del self._running[reply.id]
        if reply.item_id is not None:
            self._sounds.whole(reply.item_id)
        self._out.send_all(reply.end(status, details, usage))
        if status != "completed":
            self._out.ask(do.Cancel(reply.id))


def cancelled(reason: str) -> server.StatusDetails:
    return server.StatusDetails(type="cancelled", reason=reason)


def incomplete(reason: str) -> server.StatusDetails:
    return server.StatusDetails(type="incomplete", reason=reason)


def failed(type: str, code: str, message: str) -> server.StatusDetails:
    failure = server.Failure(type=type, code=code, message=message)
    return server.StatusDetails(type="failed", error=failure)
