"""The responses in progress: one of the conversation, and any number out of band.

Each is announced, requested from the engine when all transcripts are known, fed with the engine's
output, and ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from ..protocol import server
from ..protocol.client import ResponseOptions
from ..protocol.config import SessionConfig
from ..protocol.items import Item
from . import effects as do
from .audio_cache import ItemAudioCache
from .call_settings import CallParts, CallSettings
from .context_window import ContextWindow
from .inputs import OutputChunk
from .mcp_tools import ListedServer, as_functions, functions_of, with_functions
from .reply import Reply, ReplyOutcome
from .token_bucket import TokenBucket
from .transcripts import TranscriptTracker


class Replies:
    def __init__(
        self,
        parts: CallParts[do.Respond | do.Cancel | do.ListenDrop],
        call: CallSettings,
        conversation_id: str,
        transcripts: TranscriptTracker,
        now: float,
        mcp_servers: Mapping[str, ListedServer] | None = None,
    ) -> None:
        """`mcp_servers`: those that have listed their tools, by label, as they are at any time."""
        self._mcp_servers = {} if mcp_servers is None else mcp_servers
        self._effects = parts.effects
        self._conversation = parts.conversation
        self._conversation_id = conversation_id
        self._ledger = parts.ledger
        self._transcripts = transcripts
        # A server that paces the audio keeps none for `conversation.item.retrieve` (protocol §3.8).
        self._plays_out = call.plays_out
        self._audio_cache = ItemAudioCache(0) if call.plays_out else parts.audio_cache
        self._context = ContextWindow(call.limits.context_tokens)
        self._rate = TokenBucket(call.limits.tokens_per_minute, now)
        self._thinks_in_text = call.thinks_in_text
        self._voices = call.voices
        self._running: dict[str, Reply] = {}

    @property
    def current(self) -> Reply | None:
        """The response that belongs to the conversation."""
        return next((r for r in self._running.values() if r.in_conversation), None)

    @property
    def all(self) -> list[Reply]:
        """All responses in progress, oldest first."""
        return list(self._running.values())

    def get(self, response_id: str) -> Reply | None:
        """Return a response in progress. None: it is over, and a late result names it."""
        return self._running.get(response_id)

    def begin(self, config: SessionConfig, options: ResponseOptions, verbatim: str | None) -> None:
        """Announce a response. `start_ready` requests it from the engine."""
        reply = Reply(
            self._effects.new_id("resp"),
            self._conversation,
            self._conversation_id,
            config,
            options,
            self._effects.new_id,
            verbatim,
        )
        self._running[reply.id] = reply
        self._effects.send_all(reply.begin())

    def start_ready(self, now: float) -> list[tuple[Reply, server.StatusDetails]]:
        """Request all announced responses, unless the engine needs transcripts that are not known.

        Words that are given need none. Return the responses that cannot be made, each with the
        reason.
        """
        waits = self._thinks_in_text and bool(self._transcripts)
        waiting = [
            reply
            for reply in self.all
            if not reply.requested and not (waits and reply.verbatim is None)
        ]
        return [(reply, why) for reply in waiting if (why := self._request(reply, now))]

    def _request(self, reply: Reply, now: float) -> server.StatusDetails | None:
        reply.request()
        history: tuple[Item, ...] = ()
        config = reply.config
        if reply.verbatim is None:
            functions = reply.mcp_functions = functions_of(config, self._mcp_servers)
            config = with_functions(config, functions)
            if wait_s := self._rate.wait_s(now):
                return _too_often(wait_s)
            if (read := self._read(reply)) is None:
                return _too_long()
            history = as_functions(read, functions)
            reply.meter.add_input(reply.config, history, self._transcripts.count(history))
        self._effects.request(
            do.Respond(
                reply.id,
                self._with_own_voice(config),
                history,
                paced=reply.in_conversation,
                verbatim=reply.verbatim,
            )
        )
        return None

    def _with_own_voice(self, config: SessionConfig) -> SessionConfig:
        """Return the configuration with the engine's own name for its voice."""
        asked = config.audio.output
        voice = self._voices.resolve(asked.voice)
        if voice == asked.voice:
            return config
        output = msgspec.structs.replace(asked, voice=voice)
        return msgspec.structs.replace(
            config, audio=msgspec.structs.replace(config.audio, output=output)
        )

    def _read(self, reply: Reply) -> tuple[Item, ...] | None:
        """Return the items for the brain. None: they do not fit into its context window."""
        history = reply.history(self._ledger.as_heard)
        if reply.is_given_its_input:
            return self._context.fit_once(reply.config, map(self._transcripts.with_words, history))
        return self._context.fit(reply.config, history)

    def forget(self, item_id: str) -> None:
        """Forget a deleted item of the conversation."""
        self._context.forget(item_id)

    def on_chunk(self, reply: Reply, chunk: OutputChunk, now: float) -> bool:
        """Send a chunk of output. Return False if it exceeded the response's token limit."""
        if not reply.spoken:
            chunk = replace(chunk, pcm=b"", words=())
        allowed, ms = reply.meter.add_output(chunk)
        self._effects.send_all(reply.add_chunk(allowed))
        if reply.spoken and reply.item_id is not None:
            if reply.in_conversation or self._plays_out:
                self._ledger.add_sent(reply.item_id, allowed.text, ms, allowed.words)
            if reply.in_conversation:
                self._audio_cache.add(reply.item_id, allowed.pcm)
        if allowed.pcm and reply.voiced_at is None:
            reply.voiced_at = now
        return allowed is chunk

    def end(
        self,
        reply: Reply,
        status: ReplyOutcome,
        details: server.StatusDetails | None = None,
        usage: server.Usage | None = None,
        *,
        now: float,
    ) -> None:
        """End a response, whatever its status, and stop the engine if it still works on it."""
        del self._running[reply.id]
        if reply.item_id is not None:
            self._audio_cache.whole(reply.item_id)
        for item in reply.given:
            if self._transcripts.forget_given(item.id):
                self._effects.request(do.ListenDrop(item.id))
        for event in reply.end(status, details, usage):
            self._effects.send(event)
            if isinstance(event, server.ResponseDone) and event.response.usage is not None:
                self._rate.spend(event.response.usage.total_tokens, now)
        self._effects.send(server.RateLimitsUpdated(rate_limits=self._rate.limits(now)))
        if status != "completed":
            self._effects.request(do.Cancel(reply.id))


def cancelled(reason: str) -> server.StatusDetails:
    """Return the details of a cancelled response."""
    return server.StatusDetails(type="cancelled", reason=reason)


def incomplete(reason: str) -> server.StatusDetails:
    """Return the details of an incomplete response."""
    return server.StatusDetails(type="incomplete", reason=reason)


def failed(type: str, code: str, message: str) -> server.StatusDetails:
    """Return the details of a failed response."""
    failure = server.Failure(type=type, code=code, message=message)
    return server.StatusDetails(type="failed", error=failure)


def _too_often(wait_s: float) -> server.StatusDetails:
    message = f"The tokens of this minute are used up. Please try again in {wait_s:.3g} s."
    return failed("rate_limit_error", "rate_limit_exceeded", message)


def _too_long() -> server.StatusDetails:
    message = (
        "The conversation is longer than the model can read, and nothing of it may be left out."
    )
    return failed("invalid_request_error", "context_length_exceeded", message)
