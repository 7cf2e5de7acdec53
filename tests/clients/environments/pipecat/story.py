"""Pipecat: its `OpenAIRealtimeLLMService` in a pipeline, between a microphone and a loudspeaker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import Request, urlopen

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from ..chapters import BYTES_PER_MS, Facts, News, Place, complain, complained, excused, speak, tell

RATE = 24_000


class Loudspeaker(BaseOutputTransport):
    """Plays in real time, and notes when it is interrupted."""

    def __init__(self, news: News) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE))
        self.ms = 0.0
        self.interrupted = False
        self._news = news

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        ms = len(frame.audio) / BYTES_PER_MS
        self.ms += ms
        self._news.happened()
        await asyncio.sleep(ms / 1000)
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self.interrupted = True
        self._news.happened()


class Conversation:
    def __init__(self, llm: OpenAIRealtimeLLMService, context: LLMContext) -> None:
        self.llm = llm
        self.news = News()
        self.loudspeaker = Loudspeaker(self.news)
        self._context = context
        user, assistant = LLMContextAggregatorPair(context)
        pipeline = Pipeline([user, llm, self.loudspeaker, assistant])
        params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
        self.worker = PipelineWorker(pipeline, params=params)
        user.add_event_handler("on_user_turn_message_added", self._note)
        assistant.add_event_handler("on_assistant_turn_stopped", self._note)

    async def _note(self, *_: Any) -> None:
        self.news.happened()

    async def hear(self, pcm: bytes) -> None:
        frame = InputAudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1)
        await self.worker.queue_frame(frame)

    def texts(self, role: str) -> list[str]:
        """Return the texts of this role in the context."""
        messages = [m for m in self._context.get_messages() if m.get("role") == role]
        return [str(m["content"]) for m in messages if m.get("content")]

    async def until_said(self, role: str, times: int = 1) -> str:
        await self.news.until(lambda: len(self.texts(role)) >= times)
        return self.texts(role)[times - 1]


@asynccontextmanager
async def connected(
    place: Place, model: str, context: LLMContext, *, aloud: bool = False
) -> AsyncIterator[Conversation]:
    heard = AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
    properties = SessionProperties(
        output_modalities=["audio" if aloud else "text"], audio=heard if aloud else None
    )
    llm = OpenAIRealtimeLLMService(
        base_url=place.ws_url,
        api_key=place.key,
        settings=OpenAIRealtimeLLMService.Settings(model=model, session_properties=properties),
    )
    c = Conversation(llm, context)
    runner = WorkerRunner()
    await runner.add_workers(c.worker)
    running = asyncio.create_task(runner.run())
    if context.get_messages():
        await c.worker.queue_frame(LLMRunFrame())
    try:
        yield c
    finally:
        await c.worker.cancel()
        await running


def asked(text: str, **options: Any) -> LLMContext:
    return LLMContext([{"role": "user", "content": text}], **options)


async def text(place: Place) -> Facts:
    async with connected(place, "charlotte", asked(place.question)) as c:
        return {"answer": await c.until_said("assistant")}


async def spoken(place: Place) -> Facts:
    async with connected(place, "charlotte", LLMContext(), aloud=True) as c:
        await speak(place, c.hear)
        answer = await c.until_said("assistant")
        return {"heard": c.texts("user")[0], "answer": answer, "audio_ms": c.loudspeaker.ms}


async def tool(place: Place) -> Facts:
    called: list[Any] = []

    async def run(params: FunctionCallParams) -> None:
        called.append([params.function_name, json.dumps(params.arguments)])
        await params.result_callback(place.output)

    parameters = place.tool["parameters"]
    schema = FunctionSchema(
        name=place.tool["name"],
        description=place.tool["description"],
        properties=parameters["properties"],
        required=parameters["required"],
    )
    context = asked(place.wish, tools=ToolsSchema(standard_tools=[schema]))
    async with connected(place, "charlotte", context) as c:
        c.llm.register_function(place.tool["name"], run)
        return {"answer": await c.until_said("assistant"), "called": called[0]}


async def interruption(place: Place) -> Facts:
    async with connected(place, "echo", asked(place.tale), aloud=True) as c:
        await c.news.until(lambda: c.loudspeaker.ms > 0)
        await speak(place, c.hear)
        await c.until_said("assistant", times=2)  # to what was said meanwhile
        return {"truncated": c.loudspeaker.interrupted}


async def reconnection(place: Place) -> Facts:
    """Lose the connection for good, and continue the conversation with a new service."""
    async with connected(place, "charlotte", asked(place.question)) as c:
        await c.until_said("assistant")
        with excused("no close frame"):
            await place.cut()
            await complained("no close frame")
    (kept,) = (await ask(place, "/api/conversations?limit=1"))["data"]
    model = f"charlotte&conversation_id={kept['id']}"
    async with connected(place, model, asked(place.question)) as c:
        answer = await c.until_said("assistant")
    items = (await ask(place, f"/api/conversations/{kept['id']}"))["items"]
    return {"continued": len(items) == 4, "answer": answer}


async def ask(place: Place, path: str) -> Any:
    """From our own HTTP interface."""

    def read() -> Any:
        url = place.base_url.removesuffix("/v1") + path
        with urlopen(Request(url, headers={"api-key": place.key})) as answer:
            return json.load(answer)

    return await asyncio.to_thread(read)


if __name__ == "__main__":
    logger.remove()
    logger.add(complain, level="WARNING")
    tell(("pipecat-ai",), (text, spoken, tool, interruption, reconnection))
