"""Define the Protocols of recognisers, brains, voices, turn models and engines.

Sound is PCM16 little-endian mono at 24 kHz everywhere above the adapters; an adapter that needs
another rate resamples for itself. Two methods take another rate, and their docstrings name it.

An engine calls `emit` instead of yielding its output, so that it can run several tasks of its
own. Yielding from inside a task group would deliver the group's cancellation in the wrong place
(PEP 789). Awaiting `emit` is also the backpressure. A brain or a voice is a generator, and its
caller closes it, so that an interrupted response makes no more audio.

Every method raises `EngineError` for a failure of the engine, and no other error on purpose.
`boundary.contained` makes an `EngineError` of every other error, wherever an adapter is called.
Cancelling any of them stops its work at once and leaves nothing running.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Protocol

import msgspec

from ..core.effects import Listen, Respond
from ..core.inputs import CutShort, OutputChunk, ToolRequested
from ..core.ledger import Word
from ..core.types import IncompleteReason, ToolSpec, Transcript
from ..knowledge.base import KnowledgeUse, Passage
from ..protocol.items import FunctionCall, Item
from ..protocol.server import Logprob, Usage


class OnTranscript(Protocol):
    """Receive all words that can no longer change, each time that there are more of them.

    `guess` also holds the uncertain words, from recognisers that have them. Report each change of
    it, in a pause above all: its last word decides whether the user is only thinking.
    `logprobs` are those of all tokens of `text`, if the request asked for them.
    """

    def __call__(
        self, text: str, guess: str = "", logprobs: tuple[Logprob, ...] = (), /
    ) -> Awaitable[None]: ...


Emit = Callable[[OutputChunk | ToolRequested | CutShort], Awaitable[None]]


class SpeechDetector(Protocol):
    """Score one stream of audio. It holds the state of that stream, so each call has its own."""

    def step(self, frame: bytes) -> float:
        """Return the probability (0 to 1) of speech in 32 ms: 512 samples at **16 kHz**."""


class EndOfTurnModel(Protocol):
    """Score the end of a turn by its audio. All calls share one model."""

    async def over(self, sound: bytes) -> float | None:
        """Return the probability (0 to 1) that the talker has finished.

        `sound` ends in silence, and the last 8 s of it count. Return None if the model's queue is
        full. The event loop is never blocked.
        """


class SpeechToText(Protocol):
    """Recognise the words of utterances. One per call."""

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        """Hear one utterance while it is spoken; return its words when the sound ends.

        An empty piece means that no audio has come for some seconds and that more may follow. An
        adapter that holds a shared worker gives it back then.
        `logprobs` asks for the probability of each token. An adapter without them leaves them out.
        """


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All that a brain knows when it is asked."""

    instructions: str
    history: tuple[Item, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | dict[str, object] = "auto"  # as on the wire: auto, none, required, {…}
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None  # minimal, low, medium, high, xhigh; None: not set
    language: str | None = None  # what the call speaks, if it is known
    passages: tuple[Passage, ...] = ()  # of the assistant's knowledge, the best one first
    now: datetime | None = None  # the time where the assistant is, in its time zone
    cite: bool = False  # the answer should name the documents of the passages


class GenerationCut(msgspec.Struct, frozen=True):
    """A brain had to stop before it was finished."""

    reason: IncompleteReason


class ToolDeclined(msgspec.Struct, frozen=True):
    """The user said no to a run that waits for an approval. `call_id`: of the call that asked."""

    call_id: str


GenerateOutput = str | FunctionCall | Usage | GenerationCut | KnowledgeUse | ToolDeclined


class Brain(Protocol):
    """Generate the text and the tool calls of answers. One per call."""

    def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        """Yield the answer as it is made: pieces of text, whole tool calls, last its usage.

        A `GenerationCut`, if it was not the whole answer, comes before or after the usage. A brain
        that reads the knowledge itself yields a `KnowledgeUse` before the text. One that
        understands the user's no to a tool yields a `ToolDeclined`.
        """


class VoiceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The voice of a text. `name` is the protocol's (marin, cedar, …) or the adapter's own."""

    name: str
    speed: float = 1.0  # 0.25 to 1.5
    language: str | None = None


class AudioChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of spoken sound, and the words that begin in it.

    The words of all pieces of a `speak`, joined, are its text exactly: an adapter without word
    times puts the whole text into the first piece, or spreads it by length. `Word.at_ms` counts
    from the beginning of this piece. The sound has whole samples: half a sample fails the response.
    """

    pcm: bytes
    words: tuple[Word, ...] = ()


class TextToSpeech(Protocol):
    """Speak the sentences of answers. One per call."""

    def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        """Yield the audio of `text` as it is made. Any text is valid."""


class Engine(Protocol):
    """A whole cascade, or something that behaves like one. One per call."""

    async def listen(
        self, request: Listen, sound: AsyncIterator[bytes], stable: OnTranscript
    ) -> Transcript: ...

    async def respond(self, request: Respond, emit: Emit) -> Usage: ...
