"""The transcription session: it transcribes audio and never answers (protocol §1.8).

It takes the same inputs as `session`, and composes the same parts for input audio. It has no
responses, interruptions or idle prompts. It transcribes every speaker, so it has
no level gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import assert_never

import msgspec

from ..errors import InvalidRequest
from ..protocol import client, server
from ..protocol.close_codes import HUNG_UP, CloseCode
from ..protocol.config import JsonObject, TranscriptionConfig
from ..protocol.items import Item
from . import effects as do
from . import validation
from .call_settings import DEFAULT_SETTINGS, CallSettings, make_parts
from .conversation import Conversation
from .effect_queue import EffectQueue
from .effects import ClientId, TranscriptionEffect
from .inactivity import InactivityTimeout
from .input_audio import InputAudioBuffer
from .inputs import (
    ApprovedToolReturned,
    AudioReceived,
    CutShort,
    EndOfTurnScored,
    Failed,
    Finished,
    HungUp,
    InvalidFrame,
    ListToolsFailed,
    McpToolReturned,
    NotTranscribed,
    OutputChunk,
    PartialTranscript,
    Played,
    PromptRendered,
    SessionInput,
    ToolHangsUp,
    ToolProgress,
    ToolRequested,
    ToolReturned,
    ToolSays,
    ToolsListed,
    Transcribed,
)
from .item_editor import ItemEditor
from .ledger import Ledger
from .lifetime import Lifetime
from .types import NEVER


class TranscriptionSession:
    """The machine of a call that is only transcribed."""

    def __init__(
        self,
        config: TranscriptionConfig,
        call: CallSettings = DEFAULT_SETTINGS,
        *,
        now: float,
        new_id: Callable[[str], str],
        epoch: float = 0.0,
        history: Iterable[Item] = (),
        ledger: Ledger | None = None,
    ) -> None:
        """Start a session; `session.created` is its first effect. Arguments as `Session`'s."""
        self._lifetime = Lifetime(call.max_session_s, now=now, epoch=epoch)
        self.config = msgspec.structs.replace(
            config, id=new_id("sess"), expires_at=self._lifetime.expires_at
        )
        self.conversation = Conversation(history)
        self.ledger = Ledger() if ledger is None else ledger
        self.closed = False
        self._default = config
        self._effects: EffectQueue[TranscriptionEffect] = EffectQueue(self.conversation, new_id)
        parts = make_parts(self._effects, self.conversation, self.ledger, call)
        self._quota = parts.quota
        self._input_audio = InputAudioBuffer(parts, call, config.audio.input, config.include)
        self._editing = ItemEditor(parts, self._input_audio)
        self._inactivity = InactivityTimeout(call.inactivity_s, now)
        self._effects.send(server.SessionCreated(session=self.config))

    @property
    def takes(self) -> int:
        """The number of takes that the client has ended, by `commit` or `clear`."""
        return self._input_audio.takes

    # Inputs

    def receive(self, event: SessionInput, now: float, client_id: ClientId | None = None) -> None:
        """Take one input. Collect the consequences with `effects`."""
        assert not self.closed, "the session is closed"
        try:
            self._dispatch(event)
        except InvalidRequest as error:
            self._effects.send_error(error, getattr(event, "event_id", None), client_id)
        self._inactivity.on_input(event, now, speaking=self._input_audio.somebody_speaks)

    def _dispatch(self, event: SessionInput) -> None:
        match event:
            case AudioReceived():
                for _ in self._input_audio.append(event):
                    pass  # no response follows from a turn
            case PartialTranscript() | Transcribed() | NotTranscribed() | EndOfTurnScored():
                self._input_audio.on_transcript(event)
            case InvalidFrame(error=error):
                raise error
            case HungUp():
                self._close(CloseCode.NORMAL, HUNG_UP)
            case OutputChunk() | ToolRequested() | Finished() | CutShort() | Failed():
                pass  # the machine requests no responses
            case ToolProgress() | ToolSays() | ToolHangsUp() | ToolReturned():
                pass  # and calls no tools
            case ApprovedToolReturned():
                pass
            case ToolsListed() | ListToolsFailed() | McpToolReturned():
                pass
            case Played():
                pass  # nothing is played
            case PromptRendered():
                pass  # a transcription session has no instructions
            case _:
                self._perform(event)

    def _perform(self, command: client.Command) -> None:
        """Perform a command of a client. Raises `InvalidRequest`."""
        match command:
            case client.AudioCommit():
                validation.validate_commit(self._input_audio.buffered_ms, self._quota)
                self._input_audio.commit()
                self._input_audio.end_take()
            case client.AudioClear():
                self._input_audio.clear()
                self._input_audio.end_take()
            case client.SessionUpdate(session=patch):
                self._reconfigure(patch)
            case (
                client.ItemCreate()
                | client.ItemRetrieve()
                | client.ItemDelete()
                | client.ItemTruncate()
            ):
                self._editing.edit(command)
            case client.ResponseCreate():
                raise validation.no_response()
            case client.ResponseCancel():
                validation.validate_cancel(None)
            case client.PlayoutClear():
                pass  # nothing is played
            case _:
                assert_never(command)

    def _reconfigure(self, patch: JsonObject) -> None:
        changed = self.config.merged(patch, self._default)
        self._quota.take_session(self._quota.validate_session(changed, self._default))
        self.config = changed
        self._input_audio.configure(changed.audio.input, changed.include)
        self._effects.send(server.SessionUpdated(session=self.config))

    # Deadlines

    def next_deadline(self) -> float | None:
        """Return when to call `on_deadline`, or None if nothing is due."""
        return None if self.closed else min(self._lifetime.due, self._inactive_at)

    def on_deadline(self, now: float) -> None:
        """Perform everything that is due at this time."""
        if now >= self._lifetime.due:
            self._end("session_expired", self._lifetime.message, CloseCode.GOING_AWAY)
        elif now >= self._inactive_at:
            self._end("session_idle", self._inactivity.message, CloseCode.NORMAL)

    @property
    def _inactive_at(self) -> float:
        """Return when the session ends for inactivity. Never while a transcript is expected."""
        return NEVER if self._input_audio.transcripts else self._inactivity.due()

    def _end(self, code: str, message: str, close: int) -> None:
        self._effects.send_error(InvalidRequest(code, message))
        self._close(close, message)

    def _close(self, code: int, reason: str) -> None:
        self._input_audio.drop()
        self.closed = True
        self._effects.request(do.CloseCall(code, reason))

    # Consequences

    def effects(self) -> list[TranscriptionEffect]:
        """Return the consequences since the last call, oldest first."""
        return self._effects.drain()
