"""What a call needs from whatever does the listening, thinking and speaking.

Sound is PCM16 little-endian mono at 24 kHz everywhere above the adapters; an adapter that needs
another rate resamples for itself. The two exceptions are said where they occur.

An engine is told where to put its words (`emit`) instead of yielding them, so that it may run
several tasks of its own: yielding from inside a task group would let the group's cancellation
land in the wrong place (PEP 789). Awaiting `emit` is also the backpressure. What yields is a
generator that its caller closes, so that nobody speaks on after an interruption.

Every method raises `EngineError` for what is the engine's fault, and nothing else on purpose.
`boundary.contained` makes an `EngineError` of anything else, wherever an adapter is called.
Cancelling any of them stops its work at once and leaves nothing running.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Protocol

import msgspec

from ..core.effects import Listen, Respond
from ..core.inputs import CutShort, OutputChunk, ToolRequested
from ..core.ledger import Word
from ..core.types import IncompleteReason, ToolSpec, Transcript
from ..protocol.items import FunctionCall, Item
from ..protocol.server import Logprob, Usage


class OnTranscript(Protocol):
    """Told all words so far that can no longer change, whenever there are more of them.

    `guess` is for who has one: all words so far, the uncertain ones too. Worth telling whenever it
    changes, a pause above all: its last word decides whether the user is only thinking.
    `logprobs`, if they were asked for and there are any: of all tokens of `text`.
    """

    def __call__(
        self, text: str, guess: str = "", logprobs: tuple[Logprob, ...] = (), /
    ) -> Awaitable[None]: ...


Emit = Callable[[OutputChunk | ToolRequested | CutShort], Awaitable[None]]


class SpeechDetector(Protocol):
    """Judges one stream of sound. Holds that stream's state: one per call."""

    def step(self, frame: bytes) -> float:
        """The probability (0 to 1) of speech in 512 samples of PCM16 at **16 kHz** (32 ms)."""


class EndOfTurnModel(Protocol):
    """Listens to how somebody falls silent. One for all calls."""

    async def over(self, sound: bytes) -> float | None:
        """How likely it is (0 to 1) that the talker is done, by the last 8 s at most, which end in
        silence. None: too much is waiting to be judged. Never keeps the loop waiting."""


class SpeechToText(Protocol):
    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        """Hear one utterance while it is spoken; return its words when the sound ends.

        An empty piece says that nothing has come for some seconds, and that more may: who holds
        what others wait for lends it to them.
        `logprobs`: somebody wants to know how sure each token is. Who cannot tell leaves them out.
        """


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All that a brain knows when it is asked."""

    instructions: str
    history: tuple[Item, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | dict[str, object] = "auto"  # as on the wire: auto, none, required, {…}
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    language: str | None = None  # what the call speaks, if it is known


class GenerationCut(msgspec.Struct, frozen=True):
    """A brain had to stop before it was finished."""

    reason: IncompleteReason


GenerateOutput = str | FunctionCall | Usage | GenerationCut


class Brain(Protocol):
    def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        """The answer, as it comes to mind: pieces of text, whole tool calls, last its usage.

        A `Cut`, if it was not the whole answer, comes before or after the usage.
        """


class VoiceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How to say it. `name` is the protocol's (marin, cedar, …) or the adapter's own."""

    name: str
    speed: float = 1.0  # 0.25 to 1.5
    language: str | None = None


class AudioChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of spoken sound, and the words that begin in it.

    The words of all pieces of a `speak`, joined, are its text exactly: an adapter without word
    times puts the whole text into the first piece, or spreads it by length. `Word.at_ms` counts
    from the beginning of this piece.
    """

    pcm: bytes
    words: tuple[Word, ...] = ()


class TextToSpeech(Protocol):
    def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]: ...


class Engine(Protocol):
    """A whole cascade, or something that behaves like one. One per call."""

    async def listen(
        self, request: Listen, sound: AsyncIterator[bytes], stable: OnTranscript
    ) -> Transcript: ...

    async def respond(self, request: Respond, emit: Emit) -> Usage: ...
