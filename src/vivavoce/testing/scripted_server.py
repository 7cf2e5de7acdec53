"""The scripted parts behind OpenAI's HTTP API: models, chats, transcriptions, speech, embeddings.

    python -m vivavoce.testing.scripted_server --port 9000 --script answers.toml

It serves tests of adapters, and demonstrations without a provider. If a rule of the script `fail`s
before its first word, the client gets a status and OpenAI's error envelope. After the first word,
the connection breaks off, as it does when a provider's machine dies.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import wave
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray
from starlette.datastructures import State, UploadFile
from starlette.types import ASGIApp, Receive, Scope, Send

from ..audio.pcm import SAMPLE_RATE, duration_ms
from ..audio.resample import Resampler
from ..core.types import JsonObject, ToolSpec, Transcript
from ..engines.base import AudioChunk, GenerateOutput, GenerateRequest, GenerationCut, VoiceRequest
from ..engines.scripted.parts import ScriptedBrain, ScriptedStt, Tones, sure
from ..engines.scripted.script import Script, load
from ..errors import ConfigError, EngineError
from ..protocol.items import FunctionCall, FunctionOutput, Item, Message, Part
from ..protocol.server import Logprob, Usage
from . import trigrams

MODEL = "scripted"
STATUSES = {
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
}


T = TypeVar("T")
Piece = TypeVar("Piece")


class ScriptedRefusalError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _Said(msgspec.Struct):
    """One message of a chat, in the client's words."""

    role: str
    content: str | list[JsonObject] | None = None
    tool_calls: list[JsonObject] | None = None
    tool_call_id: str = ""


class _Chat(msgspec.Struct):
    model: str
    messages: list[_Said]
    stream: bool = False
    stream_options: JsonObject | None = None
    tools: list[JsonObject] = []
    tool_choice: str | JsonObject = "auto"
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a transcript that a request wants, and whether it streams."""

    logprobs: bool
    speakers: bool
    streamed: bool


class _SpeechRequest(msgspec.Struct):
    model: str
    input: str
    voice: str
    speed: float = 1.0
    response_format: str = "mp3"


class _EmbeddingRequest(msgspec.Struct):
    model: str
    input: str | list[str]
    dimensions: int = trigrams.DIMENSION
    encoding_format: str = "float"


def create(script: Script | None = None, *, key: str | None = None) -> FastAPI:
    """Make the application. With a `key`, it refuses requests without the key.

    `app.state.asked` counts requests, `app.state.open` those that are being answered.
    """
    script = script or Script()

    async def check_key(request: Request) -> None:
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            raise ScriptedRefusalError(
                401, "invalid_api_key", f"Incorrect API key provided, not {key}"
            )

    app = FastAPI(title="Scripted endpoints", openapi_url=None, dependencies=[Depends(check_key)])
    app.state.open = app.state.asked = 0
    app.add_middleware(_Counting, state=app.state)
    brain, stt, tts = ScriptedBrain(script), ScriptedStt(script), Tones(script)
    ids = itertools.count(1)

    @app.exception_handler(ScriptedRefusalError)
    async def say_no(request: Request, refused: ScriptedRefusalError) -> Response:
        return _refusal(refused)

    @app.get("/v1/models")
    async def models() -> dict[str, object]:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "vivavoce"}
        return {"object": "list", "data": [model]}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        asked = await _decode(request, _Chat)
        name = f"chatcmpl-{next(ids)}"
        thoughts = await _while_there(request, _begun(brain.generate(_question(asked))))
        if not asked.stream:
            async with aclosing(thoughts) as answer:
                return JSONResponse(_completion(name, asked, [t async for t in answer]))
        events = _events(name, asked, thoughts)
        return _Answer(events, media_type="text/event-stream")

    @app.post("/v1/audio/transcriptions")
    async def transcribe(request: Request) -> Response:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not form.get("model"):
                raise ScriptedRefusalError(
                    400, "missing_required_parameter", "file and model are needed"
                )
            pcm = _pcm(await file.read())
            told = _Told(
                logprobs="logprobs" in form.getlist("include[]"),
                speakers=form.get("response_format") == "diarized_json",
                streamed=form.get("stream") == "true",
            )
        try:
            hearing = stt.listen(_once(pcm), _ignore, logprobs=told.logprobs)
            heard = await _while_there(request, hearing)
        except EngineError as error:
            raise _refused(error) from None
        if told.streamed:
            return _Answer(_pieces(heard), media_type="text/event-stream")
        return JSONResponse(_heard(heard, duration_ms(pcm) if told.speakers else None))

    @app.post("/v1/audio/speech")
    async def speak(request: Request) -> Response:
        asked = await _decode(request, _SpeechRequest)
        if asked.response_format != "pcm":
            raise ScriptedRefusalError(400, "unsupported_value", "only pcm is spoken here")
        voice = VoiceRequest(name=asked.voice, speed=asked.speed)
        speech = await _while_there(request, _begun(tts.speak(asked.input, voice)))
        return _Answer(_sound(speech), media_type="audio/pcm")

    @app.post("/v1/embeddings")
    async def embed(request: Request) -> JSONResponse:
        asked = await _decode(request, _EmbeddingRequest)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        if not all(texts) or not 1 <= asked.dimensions <= 4096:
            raise ScriptedRefusalError(400, "invalid_value", "an empty text, or no dimension")
        return JSONResponse(_embedded(asked, trigrams.vectors(texts, asked.dimensions)))

    return app


def _embedded(asked: _EmbeddingRequest, vectors: NDArray[np.float32]) -> JsonObject:
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(asked, vector)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return {"object": "list", "data": data, "model": asked.model, "usage": usage}


def _encoded(asked: _EmbeddingRequest, vector: NDArray[np.float32]) -> list[float] | str:
    if asked.encoding_format == "base64":
        return b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(each) for each in vector]


def _refusal(refused: ScriptedRefusalError) -> Response:
    kind = "invalid_request_error" if refused.status < 500 else "server_error"
    error = {"message": str(refused), "type": kind, "param": None, "code": refused.code}
    return JSONResponse({"error": error}, status_code=refused.status)


def _refused(error: EngineError) -> ScriptedRefusalError:
    return ScriptedRefusalError(STATUSES.get(error.code, 500), error.code, str(error))


class _Counting:
    """Counts requests, and those that are being answered."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._state.asked += 1
        self._state.open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._state.open -= 1


class _Answer(StreamingResponse):
    """An answer whose making ends with it, however it ends."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], *, media_type: str) -> None:
        super().__init__(pieces, media_type=media_type)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pieces.aclose()


async def _while_there(request: Request, work: Coroutine[object, object, T]) -> T:
    """Return the result of the work. Cancel it when its client disconnects."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ScriptedRefusalError(499, "client_gone", "the client has disconnected")
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _decode(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (ValueError, RecursionError) as error:
        raise ScriptedRefusalError(400, "invalid_value", str(error)) from None


async def _begun(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    """Wait for the first piece, which decides the status, and return all pieces."""
    try:
        first = await anext(pieces)
    except StopAsyncIteration:
        return _again(None, pieces)
    except EngineError as error:
        raise _refused(error) from None
    return _again(first, pieces)


async def _again(
    first: Piece | None, pieces: AsyncGenerator[Piece, None]
) -> AsyncGenerator[Piece, None]:
    async with aclosing(pieces):
        if first is not None:
            yield first
            async for piece in pieces:
                yield piece


def _question(asked: _Chat) -> GenerateRequest:
    instructions = " ".join(
        _text(said) for said in asked.messages if said.role in ("system", "developer")
    )
    history = [item for said in asked.messages for item in _items(said)]
    tools = [msgspec.convert(tool.get("function"), ToolSpec) for tool in asked.tools]
    return GenerateRequest(
        instructions=instructions,
        history=tuple(history),
        tools=tuple(tools),
        tool_choice=asked.tool_choice,
        max_output_tokens=asked.max_completion_tokens or asked.max_tokens,
    )


def _items(said: _Said) -> list[Item]:
    text = _text(said)
    match said.role:
        case "user":
            return [Message(role="user", content=(Part(type="input_text", text=text),))]
        case "assistant":
            calls = [_call(call) for call in said.tool_calls or ()]
            part = Part(type="output_text", text=text)
            return [*([Message(role="assistant", content=(part,))] if text else []), *calls]
        case "tool":
            return [FunctionOutput(call_id=said.tool_call_id, output=text)]
        case _:
            return []


def _call(call: JsonObject) -> FunctionCall:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return FunctionCall(
        call_id=str(call.get("id")),
        name=str(function.get("name")),
        arguments=str(function.get("arguments")),
    )


def _text(said: _Said) -> str:
    if isinstance(said.content, list):
        return " ".join(str(part["text"]) for part in said.content if "text" in part)
    return said.content or ""


async def _events(
    name: str, asked: _Chat, thoughts: AsyncGenerator[GenerateOutput, None]
) -> AsyncGenerator[bytes, None]:
    """Server-sent events. A failure in the middle is raised, and breaks the connection off."""
    finish, calls = "stop", 0
    usage = Usage()
    async with aclosing(thoughts):
        async for thought in thoughts:
            match thought:
                case str():
                    yield _event(name, asked, delta={"content": thought})
                case FunctionCall():
                    finish = "tool_calls"
                    yield _event(name, asked, delta={"tool_calls": [_tool_call(thought, calls)]})
                    calls += 1
                case GenerationCut(reason=reason):
                    finish = "length" if reason == "max_output_tokens" else reason
                case Usage():
                    usage = thought
    yield _event(name, asked, delta={}, finish=finish)
    if asked.stream_options and asked.stream_options.get("include_usage"):
        yield _event(name, asked, usage=_usage(usage))
    yield b"data: [DONE]\n\n"


def _event(
    name: str,
    asked: _Chat,
    *,
    delta: JsonObject | UnsetType = UNSET,
    finish: str | None = None,
    usage: JsonObject | None = None,
) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {
        "id": name,
        "object": "chat.completion.chunk",
        "created": 0,
        "model": asked.model,
        "choices": [] if delta is UNSET else [choice],
        "usage": usage,
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _tool_call(call: FunctionCall, index: int) -> JsonObject:
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": index, "id": call.call_id, "type": "function", "function": function}


def _usage(usage: Usage) -> JsonObject:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _completion(name: str, asked: _Chat, thoughts: list[GenerateOutput]) -> JsonObject:
    calls = [thought for thought in thoughts if isinstance(thought, FunctionCall)]
    usage = next((thought for thought in thoughts if isinstance(thought, Usage)), Usage())
    text = "".join(thought for thought in thoughts if isinstance(thought, str))
    cut = any(isinstance(thought, GenerationCut) for thought in thoughts)
    message: JsonObject = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = [_tool_call(call, i) for i, call in enumerate(calls)]
    finish = "length" if cut else "tool_calls" if calls else "stop"
    return {
        "id": name,
        "object": "chat.completion",
        "created": 0,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": _usage(usage),
    }


async def _sound(speech: AsyncGenerator[AudioChunk, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(speech):
        async for piece in speech:
            yield piece.pcm


async def _pieces(heard: Transcript) -> AsyncGenerator[bytes, None]:
    """Server-sent events: each word, then all of it."""
    for token in sure(heard.text):
        delta: JsonObject = {"type": "transcript.text.delta", "delta": token.token}
        if heard.logprobs:
            delta["logprobs"] = [token]
        yield b"data: " + msgspec.json.encode(delta) + b"\n\n"
    done = {"type": "transcript.text.done"} | _heard(heard, None)
    yield b"data: " + msgspec.json.encode(done) + b"\n\n"


def _heard(heard: Transcript, ms: int | None) -> JsonObject:
    """`ms`: of the sound, if one wants to know who spoke: one voice, from beginning to end."""
    told: JsonObject = {"text": heard.text}
    if heard.logprobs:
        told["logprobs"] = msgspec.to_builtins(heard.logprobs)
    if ms is not None:
        whole = {"id": "seg_0", "start": 0.0, "end": ms / 1000, "speaker": "A"}
        told["segments"] = [{"type": "transcript.text.segment", "text": heard.text} | whole]
    return told


def _pcm(data: bytes) -> bytes:
    try:
        with wave.open(io.BytesIO(data)) as reader:
            if (reader.getnchannels(), reader.getsampwidth()) != (1, 2):
                raise ScriptedRefusalError(
                    400, "invalid_value", "one channel of 16 bits is heard here"
                )
            pcm = reader.readframes(reader.getnframes())
            return Resampler(reader.getframerate(), SAMPLE_RATE).push(pcm, last=True)
    except (wave.Error, EOFError):
        raise ScriptedRefusalError(400, "invalid_value", "the file is not a WAV file") from None


async def _once(pcm: bytes) -> AsyncIterator[bytes]:
    yield pcm


async def _ignore(text: str, guess: str = "", logprobs: tuple[Logprob, ...] = (), /) -> None:
    """Drop partial words: a client waits for the end of the file."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vivavoce.testing.scripted_server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--script", type=Path, help="a TOML or JSON file; without one it echoes")
    arguments = parser.parse_args()
    if find_spec("python_multipart") is None:  # uploads of recordings are forms
        parser.exit(1, "This server needs more packages: pip install 'vivavoce[testing]'\n")
    try:
        script = load(arguments.script) if arguments.script else None
    except ConfigError as error:
        parser.exit(1, f"{error}\n")
    uvicorn.run(create(script), host=arguments.host, port=arguments.port, ws="none")


if __name__ == "__main__":
    main()
