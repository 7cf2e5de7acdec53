"""Speech to text, text to thought, thought to speech: three engines behaving as one.

    brain ─ pieces ─► sentences ─► written ─► a voice each ─► speaking ─► emit

While the audio of one sentence is sent, the voice makes the next one and the brain writes the one
after it. All queues are short on purpose: a stage that is ahead waits, so an interruption wastes
two sentences at most. Without a voice, text leaves piece by piece as the brain writes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import datetime

import msgspec
from msgspec import UNSET

from ..core.effects import Listen, Respond
from ..core.inputs import CutShort, OutputChunk, ToolRequested
from ..core.ledger import Word
from ..core.tool_calls import tool_specs
from ..core.types import Transcript
from ..errors import EngineError, VivavoceError
from ..knowledge.base import KnowledgeUse, Passage
from ..protocol.config import SessionConfig
from ..protocol.items import FunctionCall, Item, Message
from ..protocol.server import Logprob, Usage
from ..text.sentences import Sentences
from ..text.spoken import SpokenSentence, SpokenText
from . import checked
from .base import (
    AudioChunk,
    Brain,
    Emit,
    GenerateOutput,
    GenerateRequest,
    GenerationCut,
    OnTranscript,
    SpeechToText,
    TextToSpeech,
    ToolDeclined,
    VoiceRequest,
)
from .boundary import contained
from .passages import PassageSearch

SENTENCES_AHEAD = 2  # written, and not yet given a voice
PUSHED = 16 * 1024  # characters that are cut into sentences at once: a text may have megabytes
PIECES_AHEAD = 8  # of one sentence's sound, made and not yet said

OnStage = Callable[[str, float], None]
"""How long a stage took, in ms: `stt` from the end of the sound to its words, `brain` from the
question to the first sentence or call, `tts` from that sentence to its first sound."""

OnKnowledge = Callable[[str, KnowledgeUse], None]
"""Receives the use of the knowledge for a response, by the response's id,
before the text of the response."""

OnDeclined = Callable[[str], None]
"""Receives the `call_id` of a tool call to which the user said no, while its run waits."""

ChunkQueue = asyncio.Queue[AudioChunk | None]


async def _not_renewed() -> Brain | None:
    return None


class TranscribeOnlyEngine:
    """The first stage alone: it transcribes."""

    def __init__(
        self,
        stt: SpeechToText,
        *,
        language: str | None = None,
        on_stage: OnStage = lambda name, ms: None,
    ) -> None:
        self._stt = stt
        self._language = language
        self._on_stage = on_stage

    async def listen(
        self, request: Listen, sound: AsyncIterator[bytes], stable: OnTranscript
    ) -> Transcript:
        watch = _Watch()

        async def heard() -> AsyncIterator[bytes]:
            async for piece in sound:
                yield piece
            watch.start()

        language = request.language or self._language
        with contained(self._stt):
            transcript = await self._stt.listen(
                heard(), stable, language=language, logprobs=request.logprobs
            )
        self._on_stage("stt", watch.ms)
        return transcript

    async def respond(self, request: Respond, emit: Emit) -> Usage:
        raise EngineError("a transcription session does not answer")


class Cascade:
    def __init__(
        self,
        stt: SpeechToText,
        brain: Brain,
        tts: TextToSpeech,
        *,
        language: str | None = None,
        on_stage: OnStage = lambda name, ms: None,
        on_knowledge: OnKnowledge = lambda response_id, use: None,
        on_declined: OnDeclined = lambda call_id: None,
        knowledge: PassageSearch | None = None,
        cite: bool = False,
        renewed: Callable[[], Awaitable[Brain | None]] = _not_renewed,
        numbers_as_words: bool = False,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """Compose the stages. `knowledge` is searched before each answer.

        `cite`: an answer should name its documents. `renewed` returns the brain for the next
        answers if what it knows has changed. `numbers_as_words`: the voice cannot read numbers, so
        that it gets words for them. `now` tells the time where the assistant is.
        """
        self._numbers = language if numbers_as_words else None
        self._knowledge = knowledge
        self._on_knowledge = on_knowledge
        self._on_declined = on_declined
        self._cite = cite
        self._now = now
        self._renewed = renewed
        self._scribe = TranscribeOnlyEngine(stt, language=language, on_stage=on_stage)
        self._brain = brain
        self._tts = tts
        self._language = language
        self._on_stage = on_stage

    async def listen(
        self, request: Listen, sound: AsyncIterator[bytes], stable: OnTranscript
    ) -> Transcript:
        knowledge = self._knowledge
        if knowledge is None or not knowledge.while_speaking:
            return await self._scribe.listen(request, sound, stable)
        async with _SearchWhileSpeaking(knowledge, stable) as heard:
            return await self._scribe.listen(request, sound, heard)

    async def respond(self, request: Respond, emit: Emit) -> Usage:
        spoken = "audio" in request.config.output_modalities
        usage, cut = await (self._speak if spoken else self._write)(request, emit)
        if cut is not None:
            await emit(CutShort(request.response_id, cut.reason, usage))
        return usage

    async def _write(self, request: Respond, emit: Emit) -> tuple[Usage, GenerationCut | None]:
        first = _First(self._on_stage, "brain")

        async def take(piece: str | FunctionCall) -> None:
            first.came()
            await emit(_said(request, piece))

        return await self._think(request, take)

    async def _speak(self, request: Respond, emit: Emit) -> tuple[Usage, GenerationCut | None]:
        written: asyncio.Queue[str | FunctionCall | None] = asyncio.Queue(SENTENCES_AHEAD)
        speaking: asyncio.Queue[ChunkQueue | FunctionCall | None] = asyncio.Queue(1)
        async with asyncio.TaskGroup() as tasks:
            thinking = tasks.create_task(self._think_in_sentences(request, written))
            tasks.create_task(self._give_voice(request, tasks, written, speaking))
            tasks.create_task(self._say(request, speaking, emit))
        return thinking.result()

    async def _think(
        self, request: Respond, take: Callable[[str | FunctionCall], Awaitable[None]]
    ) -> tuple[Usage, GenerationCut | None]:
        usage, cut = Usage(), None
        passages = await self._passages(request)
        await self._use_current_brain()
        with contained(self._brain):
            async with aclosing(self._thoughts(request, passages)) as thoughts:
                async for thought in thoughts:
                    match thought:
                        case Usage():
                            usage = thought
                        case GenerationCut():
                            cut = thought
                        case KnowledgeUse():
                            self._report(request, thought)
                        case ToolDeclined(call_id=call_id):
                            self._on_declined(call_id)
                        case str() | FunctionCall():
                            await take(thought)
                        case _:
                            raise TypeError("this is no output of a brain")
        return usage, cut

    async def _passages(self, request: Respond) -> tuple[Passage, ...]:
        query, _ = _latest_text(request.history)
        if self._knowledge is None or request.verbatim is not None or not query:
            return ()
        use = await self._knowledge.look_up(query)
        self._report(request, use)
        return use.passages

    def _report(self, request: Respond, use: KnowledgeUse) -> None:
        """Report the use of the knowledge for a response, with the words of the user."""
        words, item_id = _latest_text(request.history)
        use = msgspec.structs.replace(checked.knowledge_use(use), question=words, item_id=item_id)
        self._on_knowledge(request.response_id, use)

    async def _use_current_brain(self) -> None:
        """Replace a brain that has read the knowledge itself once that has changed."""
        with contained("brain", passing=VivavoceError):
            renewed = await self._renewed()
        if renewed is not None:
            self._brain = renewed

    def _thoughts(
        self, request: Respond, passages: tuple[Passage, ...]
    ) -> AsyncGenerator[GenerateOutput, None]:
        if request.verbatim is not None:
            return _only(request.verbatim)
        config = request.config
        limit, parallel = config.max_output_tokens, config.parallel_tool_calls
        question = GenerateRequest(
            instructions=config.instructions,
            history=request.history,
            tools=tool_specs(config.tools),
            tool_choice=msgspec.to_builtins(config.tool_choice),
            parallel_tool_calls=None if parallel is UNSET else parallel,
            max_output_tokens=None if limit == "inf" else limit,
            reasoning_effort=_effort(config),
            language=self._language,
            passages=passages,
            now=None if self._now is None else self._now(),
            cite=self._cite,
        )
        return self._brain.generate(question)

    async def _think_in_sentences(
        self, request: Respond, written: asyncio.Queue[str | FunctionCall | None]
    ) -> tuple[Usage, GenerationCut | None]:
        sentences = Sentences(self._language)
        first = _First(self._on_stage, "brain")

        async def put(pieces: list[str | FunctionCall]) -> None:
            for piece in pieces:
                first.came()
                await written.put(piece)

        async def take(piece: str | FunctionCall) -> None:
            if isinstance(piece, str):
                for start in range(0, len(piece), PUSHED):
                    await put([*sentences.push(piece[start : start + PUSHED])])
            else:
                await put([*sentences.finish(), piece])

        outcome = await self._think(request, take)
        await put([*sentences.finish()])
        await written.put(None)
        return outcome

    async def _give_voice(
        self,
        request: Respond,
        tasks: asyncio.TaskGroup,
        written: asyncio.Queue[str | FunctionCall | None],
        speaking: asyncio.Queue[ChunkQueue | FunctionCall | None],
    ) -> None:
        """Start a task for each sentence, so that the next one is ready in time."""
        output = request.config.audio.output
        voice = VoiceRequest(name=output.voice, speed=output.speed, language=self._language)
        first: _First | None = None
        spoken = SpokenText(self._numbers)
        while (piece := await written.get()) is not None:
            if isinstance(piece, FunctionCall):
                await speaking.put(piece)
                continue
            sound: ChunkQueue = asyncio.Queue(PIECES_AHEAD)
            first = first or _First(self._on_stage, "tts")
            await speaking.put(sound)
            tasks.create_task(self._voice(spoken.read(piece), voice, sound, first))
        await speaking.put(None)

    async def _voice(
        self, sentence: SpokenSentence, voice: VoiceRequest, sound: ChunkQueue, first: _First
    ) -> None:
        """Speak one sentence. The words of its pieces are those of the written text."""
        if not sentence.silent:
            with contained(self._tts):
                async with aclosing(self._tts.speak(sentence.text, voice)) as speech:
                    async for piece in speech:
                        if not isinstance(piece, AudioChunk):
                            raise TypeError("a voice gives pieces of speech")
                        first.came()
                        await sound.put(_as_written(piece, sentence))
        if rest := sentence.rest():  # nothing in it is spoken
            await sound.put(AudioChunk(pcm=b"", words=(Word(rest, 0),)))
        await sound.put(None)

    async def _say(
        self,
        request: Respond,
        speaking: asyncio.Queue[ChunkQueue | FunctionCall | None],
        emit: Emit,
    ) -> None:
        while (next_up := await speaking.get()) is not None:
            if isinstance(next_up, FunctionCall):
                await emit(_said(request, next_up))
                continue
            while (piece := await next_up.get()) is not None:
                text = "".join(word.text for word in piece.words)
                await emit(OutputChunk(request.response_id, text, piece.pcm, piece.words))


class _SearchWhileSpeaking:
    """Searches while the user speaks, one search at a time. The end of the turn ends it.

    Words that come while a search runs are searched after it, without those before them.
    """

    def __init__(self, knowledge: PassageSearch, stable: OnTranscript) -> None:
        self._knowledge = knowledge
        self._stable = stable
        self._search: asyncio.Task[None] | None = None
        self._words = ""  # the newest

    async def __aenter__(self) -> OnTranscript:
        return self._heard

    async def __aexit__(self, *_: object) -> None:
        if self._search is not None:
            self._search.cancel()
            await asyncio.wait([self._search])

    async def _heard(
        self, text: str, guess: str = "", logprobs: tuple[Logprob, ...] = (), /
    ) -> None:
        self._words = guess or text
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(self._prepare())
        await self._stable(text, guess, logprobs)

    async def _prepare(self) -> None:
        words = None
        while words != self._words:
            words = self._words
            with suppress(EngineError):  # the search for the whole turn reports it
                await self._knowledge.prepare(words)


def _as_written(piece: AudioChunk, sentence: SpokenSentence) -> AudioChunk:
    """Put the written text in the place of the spoken words."""
    words = ((word, sentence.written(word.text)) for word in piece.words)
    told = tuple(Word(written, word.at_ms) for word, written in words if written)
    return msgspec.structs.replace(piece, words=told)


def _effort(config: SessionConfig) -> str | None:
    """Return `reasoning.effort` of the session or the response. None: neither sets it."""
    effort = UNSET if config.reasoning is UNSET else config.reasoning.effort
    return None if effort is UNSET else effort


def _latest_text(history: tuple[Item, ...]) -> tuple[str, str | None]:
    """Return what the user typed or said last, or "" if nothing is known of it, and its id."""
    for item in reversed(history):
        if isinstance(item, Message) and item.role == "user":
            words = (part.text or part.transcript or "" for part in item.content)
            return " ".join(each for each in words if each), item.id
    return "", None


def _said(request: Respond, piece: str | FunctionCall) -> OutputChunk | ToolRequested:
    if isinstance(piece, str):
        return OutputChunk(request.response_id, piece)
    return ToolRequested(request.response_id, piece)


async def _only(text: str) -> AsyncGenerator[GenerateOutput, None]:
    yield text


class _Watch:
    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._since = self._clock()

    def start(self) -> None:
        self._since = self._clock()

    @property
    def ms(self) -> float:
        return (self._clock() - self._since) * 1000


class _First:
    """Report the time until the first of something came."""

    def __init__(self, on_stage: OnStage, name: str) -> None:
        self._watch = _Watch()
        self._report: Callable[[float], None] | None = lambda ms: on_stage(name, ms)

    def came(self) -> None:
        if self._report:
            self._report(self._watch.ms)
            self._report = None
