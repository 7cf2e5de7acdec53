"""A voice behind `/audio/speech`: 24 kHz PCM, streamed; one request for each portion.

The request leaves when the caller asks for the first piece. The cascade asks for the next sentence
during this one, so it is prefetched. The server gives no word times: the adapter spreads words by
their length, because people speak about fifteen characters a second.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ...core.ledger import Word
from ...core.types import JsonObject
from ...text.spoken import speakable
from ..base import AudioChunk, VoiceRequest
from ..openai_endpoint import Endpoint
from .chunking import SpeechChunker, portions, spread

PATH = "/audio/speech"
CHARACTERS_PER_S = 15.0
PORTION = 4000  # characters; these endpoints take 4096


class OpenAITts:
    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model

    async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        for portion in portions(text, PORTION):
            if not speakable(portion):
                yield AudioChunk(pcm=b"", words=(Word(portion, 0),))
                continue
            body: JsonObject = {
                "model": self._model,
                "input": portion,
                "voice": voice.name,
                "speed": voice.speed,
                "response_format": "pcm",
            }
            likely_ms = 1000 * len(portion) / CHARACTERS_PER_S / voice.speed
            pieces = SpeechChunker(portion, spread(portion, likely_ms))
            odd = b""
            async with self._endpoint.post(PATH, body) as stream:
                while (pcm := await stream.piece()) is not None:
                    pcm, odd = _whole_samples(odd + pcm)
                    for piece in pieces.push(pcm):
                        yield piece
            for piece in pieces.finish():
                yield piece


def _whole_samples(pcm: bytes) -> tuple[bytes, bytes]:
    size = len(pcm) & ~1
    return pcm[:size], pcm[size:]
