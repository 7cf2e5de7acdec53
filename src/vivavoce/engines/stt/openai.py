"""A recogniser behind `/audio/transcriptions`: transcribes an utterance after its end.

Words arrive while the server writes them, if it streams. A server that does not know `stream`
answers once, and the adapter accepts both. The adapter asks for probabilities only if the client
wants them, because many servers know the plain request alone.
"""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator

import msgspec

from ...audio.pcm import SAMPLE_RATE
from ...core.types import DIARIZES, Segment, Transcript
from ...errors import EngineError
from ...net.http import Stream
from ...protocol.server import Logprob
from ..base import OnTranscript
from ..openai_endpoint import Endpoint, ServerGaveUpError

PATH = "/audio/transcriptions"
LONGEST = 24 * 1024 * 1024  # bytes: these endpoints take 25 MB, which is nearly nine minutes


class _Token(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[float] | None = None


class _Language(msgspec.Struct):
    code: str | None = None


class _Segment(msgspec.Struct):
    text: str
    start: float
    end: float
    speaker: str = "A"


class _Transcript(msgspec.Struct):
    text: str
    logprobs: list[_Token] | None = None
    languages: list[_Language] | None = None
    segments: list[_Segment] | None = None


class _Event(msgspec.Struct):
    """Of a stream: `transcript.text.delta`, then one `transcript.text.done`."""

    type: str = ""
    delta: str = ""
    logprobs: list[_Token] | None = None
    error: object = None


class OpenAIStt:
    def __init__(self, endpoint: Endpoint, model: str, *, stream: bool = True) -> None:
        """`stream`: ask for words as they are written."""
        self._endpoint = endpoint
        self._model = model
        self._diarizes = model.endswith(DIARIZES)
        self._stream = stream and not self._diarizes
        self._can_tell = not self._diarizes  # how sure it is

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        pcm = bytearray()
        async for piece in sound:
            pcm += piece
            if len(pcm) > LONGEST:
                raise EngineError(f"{PATH}: the utterance exceeds the limit")
        if not pcm:
            return Transcript("")
        form = self._form(language)
        if not (logprobs and self._can_tell):
            return await self._ask(form, bytes(pcm), stable)
        try:
            return await self._ask(form | {"include[]": "logprobs"}, bytes(pcm), stable)
        except EngineError as error:
            if error.code != "engine_failed":
                raise
        plain = await self._ask(form, bytes(pcm), stable)
        self._can_tell = False  # it was the question that the server did not like
        return plain

    def _form(self, language: str | None) -> dict[str, str]:
        form = {"model": self._model, "response_format": "json"}
        if language:
            form["language"] = language.replace("_", "-").partition("-")[0].lower()
        if self._diarizes:
            form |= {"response_format": "diarized_json", "chunking_strategy": "auto"}
        if self._stream:
            form["stream"] = "true"
        return form

    async def _ask(self, form: dict[str, str], pcm: bytes, stable: OnTranscript) -> Transcript:
        files = {"file": ("speech.wav", _wav(pcm), "audio/wav")}
        async with self._endpoint.post(PATH, form=form, files=files) as stream:
            if stream.headers.get("content-type", "").startswith("text/event-stream"):
                return await _streamed(stream, stable)
            return _understood(await stream.read())


async def _streamed(stream: Stream, stable: OnTranscript) -> Transcript:
    said, tokens = "", list[Logprob]()
    while (data := await stream.event()) not in (None, b"[DONE]"):
        event = _read(data or b"")
        if event.error:
            raise ServerGaveUpError(event.error)
        if event.type == "transcript.text.done":
            return _understood(data or b"")
        if event.type == "transcript.text.delta":
            said += event.delta
            tokens += map(_logprob, event.logprobs or ())
            if words := said.strip():
                await stable(words, "", tuple(tokens))
    raise EngineError(f"{PATH}: the transcript ended in the middle")


def _read(data: bytes) -> _Event:
    try:
        return msgspec.json.decode(data, type=_Event)
    except (ValueError, RecursionError):
        raise EngineError(f"{PATH}: the server's transcript cannot be read") from None


def _understood(data: bytes) -> Transcript:
    try:
        heard = msgspec.json.decode(data, type=_Transcript)
    except (ValueError, RecursionError):
        raise EngineError(f"{PATH}: the server's transcript cannot be read") from None
    return Transcript(
        heard.text.strip(),
        tuple(map(_logprob, heard.logprobs or ())),
        tuple(language.code for language in heard.languages or () if language.code),
        tuple(map(_segment, heard.segments or ())),
    )


def _logprob(token: _Token) -> Logprob:
    data = None if token.bytes is None else tuple(map(int, token.bytes))
    return Logprob(token=token.token, logprob=token.logprob, bytes=data)


def _segment(segment: _Segment) -> Segment:
    start_ms, end_ms = round(segment.start * 1000), round(segment.end * 1000)
    text = segment.text.strip()
    return Segment(text=text, speaker=segment.speaker, start_ms=start_ms, end_ms=end_ms)


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(pcm)
    return file.getvalue()
