"""Speech to text, text to thought, thought to speech: three engines behaving as one.

While a sentence is being spoken the next is already being written. The queue between the two
is short on purpose: an interruption then wastes two sentences, not a whole essay.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from ..core.effects import Listen, Respond
from ..core.inputs import Said, ToolRequested
from ..protocol.items import FunctionCall
from ..protocol.server import Usage
from .base import Brain, Emit, Question, SpeechToText, Stable, TextToSpeech, Voice
from .sentences import Sentences

SENTENCES_AHEAD = 2


class Cascade:
    def __init__(
        self, stt: SpeechToText, brain: Brain, tts: TextToSpeech, *, language: str | None = None
    ) -> None:
        self._stt = stt
        self._brain = brain
        self._tts = tts
        self._language = language

    async def listen(self, request: Listen, sound: AsyncIterator[bytes], stable: Stable) -> str:
        language = request.language or self._language
        return await self._stt.listen(sound, stable, language=language)

    async def respond(self, request: Respond, emit: Emit) -> Usage:
        written: asyncio.Queue[str | None] = asyncio.Queue(SENTENCES_AHEAD)
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write(request, written, emit))
            tasks.create_task(self._speak(request, written, emit))
        return writing.result()

    async def _write(
        self, request: Respond, written: asyncio.Queue[str | None], emit: Emit
    ) -> Usage:
        usage = Usage()
        sentences = Sentences()
        question = Question(
            instructions=request.config.instructions,
            history=request.history,
            language=self._language,
        )
        async with aclosing(self._brain.generate(question)) as pieces:
            async for piece in pieces:
                if isinstance(piece, FunctionCall):
                    await emit(ToolRequested(request.response_id, piece))
                elif isinstance(piece, Usage):
                    usage = piece
                else:
                    for sentence in sentences.push(piece):
                        await written.put(sentence)
        for sentence in sentences.finish():
            await written.put(sentence)
        await written.put(None)
        return usage

    async def _speak(
        self, request: Respond, written: asyncio.Queue[str | None], emit: Emit
    ) -> None:
        output = request.config.audio.output
        voice = Voice(name=output.voice, speed=output.speed, language=self._language)
        while (sentence := await written.get()) is not None:
            if "audio" not in request.config.output_modalities:
                await emit(Said(request.response_id, sentence))
                continue
            async with aclosing(self._tts.speak(sentence, voice)) as speech:
                async for piece in speech:
                    text = "".join(word.text for word in piece.words)
                    await emit(Said(request.response_id, text, piece.pcm, piece.words))
