"""Each check of a contract suite fails for an adapter that breaks its rule."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

from vivavoce.api import (
    AudioChunk,
    EngineError,
    FunctionCall,
    GenerateOutput,
    GenerateRequest,
    Message,
    OnTranscript,
    TextKind,
    ToolContext,
    ToolRequest,
    ToolResult,
    ToolSpec,
    Transcript,
    Usage,
    VoiceRequest,
    Word,
    duration_ms,
    silence,
)
from vivavoce.testing import trigrams
from vivavoce.testing.contracts import brain, embedder, recogniser, tool, voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

A = TypeVar("A")
TONE = (b"\x00\x20" * 6 + b"\x00\xe0" * 6) * 2  # 1 ms of 2 kHz
ANSWER = "It starts at nine."


@asynccontextmanager
async def _open(adapter: A) -> AsyncIterator[A]:
    yield adapter


class Voice:
    """A voice that keeps the contract, if no fault is switched on."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self._text = ""

    async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        """Yield a tone for each word."""
        self._text = text
        if self.fault == "leaves a task":
            self._left = asyncio.create_task(asyncio.sleep(3600))
        if self.fault == "mixes texts":
            await asyncio.sleep(0)
            text = self._text
        ms = 60 if self.fault == "ignores speed" else 60 / voice.speed
        for word in re.findall(r"\S+\s*|\s+", text):
            pcm = TONE * round(ms * len(word))
            if self.fault == "is silent":
                pcm = bytes(len(pcm))
            said = word.strip() if self.fault == "loses spaces" else word
            at_ms = 100_000 if self.fault == "has late words" else 0
            yield AudioChunk(pcm=pcm, words=(Word(said, at_ms),))


class Recogniser:
    """A recogniser of loud and soft tones, if no fault is switched on."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self._text = ""

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        """Return one word when 300 ms of a tone are over."""
        if self.fault == "leaves a task":
            self._left = asyncio.create_task(asyncio.sleep(3600))
        text, tone_ms = "", 0
        async for pcm in sound:
            if self.fault == "ends at a pause" and not pcm:
                break
            tone_ms += duration_ms(pcm) if any(pcm) else 0
            if tone_ms > 300 and not text:
                text = "loud" if max(pcm[1::2]) > 0xD0 else "soft"
                await stable("quiet" if self.fault == "changes its mind" else text)
            if self.fault == "is shared":
                self._text = text or self._text
                await asyncio.sleep(0)
        if self.fault == "invents words":
            return Transcript(text or "thank you")
        if self.fault == "is deaf":
            return Transcript("")
        return Transcript(self._text if self.fault == "is shared" else text)


class Brain:
    """A brain with one answer, if no fault is switched on."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    async def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        """Yield the answer to "When?", and "What?" for any other question."""
        if self.fault == "leaves a task":
            self._left = asyncio.create_task(asyncio.sleep(3600))
        asked = [
            part.text or (part.transcript if self.fault != "reads only typed text" else "")
            for item in question.history[: 1 if self.fault == "reads the first message" else None]
            if isinstance(item, Message) and item.role == "user"
            for part in item.content
        ]
        if self.fault == "needs a question":
            asked[-1]
        answer = ANSWER if asked and asked[-1] == "When?" else "What?"
        if self.fault == "quotes passages" and question.passages:
            answer = question.passages[0].text
        if self.fault == "calls a forbidden tool":
            yield FunctionCall(name="book", call_id="call_1", arguments="{}")
        for piece in [answer] if self.fault == "is not streamed" else answer.partition(" "):
            yield piece
        yield Usage(total_tokens=9, input_tokens=5, output_tokens=4)


class Embedder:
    """An embedder by trigrams, if no fault is switched on."""

    model = "trigrams"

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.dimension = 100 if fault == "has another dimension" else trigrams.DIMENSION
        self._texts: Sequence[str] = ()

    async def embed(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        """Return the vectors of the texts."""
        if self.fault == "leaves a task":
            self._left = asyncio.create_task(asyncio.sleep(3600))
        if self.fault == "is shared":
            self._texts = texts
            await asyncio.sleep(0)
            texts = self._texts
        if self.fault == "needs a text":
            texts[0]
        if self.fault == "needs letters" and not all(text.strip() for text in texts):
            raise EngineError("an empty text")
        vectors = trigrams.vectors(texts)
        if self.fault == "has one kind only" and kind == "query":
            return -vectors
        return vectors


class Runner:
    """A runner with one tool, if no fault is switched on."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self._busy = self._broken = False

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        """Return one tool, which greets."""
        name = f"greet_{context.call_id}" if self.fault == "knows one call" else "greet"
        if self.fault == "needs a call" and not context.call_id:
            return ()
        description = "" if self.fault == "describes nothing" else "Greet."
        return (ToolSpec(name=name, description=description),)

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        """Greet a person by name."""
        if self.fault == "runs on":
            self._left = asyncio.create_task(asyncio.sleep(3600))
        if self.fault == "runs one at a time" and self._busy:
            return ToolResult("busy", failed=True)
        self._busy = True
        await asyncio.sleep(0)
        self._busy = False
        name = json.loads(request.arguments).get("name")
        if not isinstance(name, str):
            self._broken = self.fault == "breaks"
            return ToolResult("" if self.fault == "is silent" else "Whom?", failed=True)
        greeting = "Goodbye" if self.fault == "does something else" or self._broken else "Hello"
        return ToolResult(f"{greeting} {name}.")


def _runner(fault: str = "") -> tool.Case:
    return tool.Case(lambda: _open(Runner(fault)), "greet", '{"name": "Ada"}', "Hello Ada.")


def _embedder(fault: str = "") -> embedder.Case:
    def opened() -> AbstractAsyncContextManager[Embedder]:
        return _open(Embedder(fault))

    return embedder.Case(opened, broken=opened)


def _voice(fault: str = "") -> voice.Case:
    return voice.Case(lambda: _open(Voice(fault)))


def _recogniser(fault: str = "") -> recogniser.Case:
    return recogniser.Case(
        opened=lambda: _open(Recogniser(fault)),
        first=recogniser.Utterance(silence(300) + TONE * 500, ("loud",)),
        second=recogniser.Utterance(silence(300) + b"\x00\x01" * 24 * 900, ("soft",)),
        broken=lambda: _open(Recogniser(fault)),
    )


def _brain(fault: str = "") -> brain.Case:
    tools = (ToolSpec(name="book"),)
    return brain.Case(lambda: _open(Brain(fault)), "When?", ANSWER, tools)


VOICE_FAULTS: dict[voice.Check, str] = {
    voice.says_every_character_once: "loses spaces",
    voice.is_as_fast_as_a_person_and_audible: "is silent",
    voice.places_words_within_their_chunk_and_over_the_audio: "has late words",
    voice.is_shorter_at_a_higher_speed: "ignores speed",
    voice.speaks_several_texts_at_once: "mixes texts",
    voice.stops_when_it_is_closed_or_cancelled: "leaves a task",
}
RECOGNISER_FAULTS: dict[recogniser.Check, str] = {
    recogniser.transcribes_words: "is deaf",
    recogniser.reports_stable_words_that_only_grow: "changes its mind",
    recogniser.transcribes_an_utterance_with_a_pause_as_one: "ends at a pause",
    recogniser.finds_no_words_in_silence: "invents words",
    recogniser.leaves_nothing_running_when_it_is_cancelled: "leaves a task",
    recogniser.transcribes_two_utterances_at_once: "is shared",
    recogniser.raises_engine_error_if_its_backend_fails: "has no backend",
}
BRAIN_FAULTS: dict[brain.Check, str] = {
    brain.answers_in_chunks_and_reports_usage_last: "is not streamed",
    brain.reads_spoken_questions_like_typed_ones: "reads only typed text",
    brain.answers_the_last_question_of_a_conversation: "reads the first message",
    brain.accepts_passages_of_the_knowledge: "quotes passages",
    brain.calls_no_forbidden_tool: "calls a forbidden tool",
    brain.answers_an_empty_conversation: "needs a question",
    brain.stops_when_it_is_closed: "leaves a task",
}


EMBEDDER_FAULTS: dict[embedder.Check, str] = {
    embedder.returns_one_vector_for_each_text: "has another dimension",
    embedder.returns_no_vector_for_no_text: "needs a text",
    embedder.finds_the_passage_of_a_question: "has one kind only",
    embedder.embeds_any_text: "needs letters",
    embedder.embeds_several_texts_at_once: "is shared",
    embedder.stops_when_it_is_cancelled: "leaves a task",
    embedder.raises_engine_error_if_its_backend_fails: "has no backend",
}

RUNNER_FAULTS: dict[tool.Check, str] = {
    tool.describes_its_tools: "describes nothing",
    tool.describes_the_same_tools_to_every_call: "knows one call",
    tool.describes_its_tools_before_there_is_a_call: "needs a call",
    tool.runs_a_tool: "does something else",
    tool.runs_calls_beside_each_other: "runs one at a time",
    tool.answers_wrong_arguments_with_a_text: "is silent",
    tool.works_after_wrong_arguments: "breaks",
    tool.stops_when_it_is_cancelled: "runs on",
}


def _fails(check: Callable[[A], None], case: A) -> bool:
    try:
        check(case)
    except (AssertionError, IndexError, EngineError):
        return True
    return False


@pytest.mark.parametrize("check", voice.CHECKS)
def test_a_check_of_voices_fails_for_its_fault_and_passes_without_it(check: voice.Check) -> None:
    assert _fails(check, _voice(VOICE_FAULTS[check]))
    assert not _fails(check, _voice())


@pytest.mark.parametrize("check", [*recogniser.CHECKS, *recogniser.BACKEND_CHECKS])
def test_a_check_of_recognisers_fails_for_its_fault_and_passes_without_it(
    check: recogniser.Check,
) -> None:
    assert _fails(check, _recogniser(RECOGNISER_FAULTS[check]))
    assert check in recogniser.BACKEND_CHECKS or not _fails(check, _recogniser())


@pytest.mark.parametrize("check", brain.CHECKS)
def test_a_check_of_brains_fails_for_its_fault_and_passes_without_it(check: brain.Check) -> None:
    assert _fails(check, _brain(BRAIN_FAULTS[check]))
    assert not _fails(check, _brain())


@pytest.mark.parametrize("check", tool.CHECKS)
def test_a_check_of_tool_runners_fails_for_its_fault_and_passes_without_it(
    check: tool.Check,
) -> None:
    assert _fails(check, _runner(RUNNER_FAULTS[check]))
    assert not _fails(check, _runner())


@pytest.mark.parametrize("check", [*embedder.CHECKS, *embedder.BACKEND_CHECKS])
def test_a_check_of_embedders_fails_for_its_fault_and_passes_without_it(
    check: embedder.Check,
) -> None:
    assert _fails(check, _embedder(EMBEDDER_FAULTS[check]))
    assert check in embedder.BACKEND_CHECKS or not _fails(check, _embedder())
