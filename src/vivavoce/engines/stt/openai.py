"""A recogniser behind `/audio/transcriptions`: hears an utterance whole, when it is over."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator

import msgspec

from ...audio.pcm import SAMPLE_RATE
from ...errors import EngineError
from ..base import Stable
from ..endpoint import Endpoint

PATH = "/audio/transcriptions"
LONGEST = 24 * 1024 * 1024  # bytes: these endpoints take 25 MB, which is nearly nine minutes


class _Transcript(msgspec.Struct):
    text: str


class OpenAIStt:
    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model

    async def listen(
        self, sound: AsyncIterator[bytes], stable: Stable, *, language: str | None = None
    ) -> str:
        pcm = bytearray()
        async for piece in sound:
            pcm += piece
            if len(pcm) > LONGEST:
                raise EngineError(f"{PATH}: nobody speaks for so long")
        if not pcm:
            return ""
        form = {"model": self._model, "response_format": "json"}
        if language:
            form["language"] = language.replace("_", "-").partition("-")[0].lower()
        files = {"file": ("speech.wav", _wav(bytes(pcm)), "audio/wav")}
        async with self._endpoint.post(PATH, form=form, files=files) as stream:
            data = await stream.read()
        try:
            return msgspec.json.decode(data, type=_Transcript).text.strip()
        except msgspec.DecodeError:
            raise EngineError(f"{PATH}: the server sent what is no transcript") from None


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(pcm)
    return file.getvalue()
