"""Recognition, thinking and speech by any OpenAI-compatible server. Settings: `[openai]`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..base import Brain, SpeechToText, TextToSpeech
from ..registry import AdapterRequest, AdapterSpec
from ..resources import AdapterResources

if TYPE_CHECKING:
    from ..openai_endpoint import Endpoint


async def endpoint(resources: AdapterResources) -> Endpoint:
    """Return the server that the operator chose. Its key may stand in the environment."""
    from ...net.http import HttpClient
    from ..openai_endpoint import Endpoint

    settings = resources.settings
    chosen = settings.openai
    http = await resources.once(
        "vivavoce.openai",
        lambda: HttpClient(allow_private=settings.net.allow_private, trusted=[chosen.base_url]),
    )
    key = chosen.api_key.get_secret_value() if chosen.api_key else None
    key = key or os.environ.get("OPENAI_API_KEY")
    return Endpoint(http, chosen.base_url, key, timeout_s=chosen.timeout_s)


async def _make_stt(request: AdapterRequest) -> SpeechToText:
    from ..stt.openai import OpenAIStt

    chosen = request.resources.settings.openai
    return OpenAIStt(
        await endpoint(request.resources),
        chosen.transcription_model,
        stream=chosen.transcription_stream,
    )


async def _make_brain(request: AdapterRequest) -> Brain:
    from ..brain.openai import OpenAIBrain

    model = request.resources.settings.openai.chat_model
    return OpenAIBrain(await endpoint(request.resources), model)


async def _make_tts(request: AdapterRequest) -> TextToSpeech:
    from ..tts.openai import OpenAITts

    model = request.resources.settings.openai.speech_model
    return OpenAITts(await endpoint(request.resources), model)


stt = AdapterSpec(kind="stt", name="openai", make=_make_stt, remote=True)
brain = AdapterSpec(kind="brain", name="openai", make=_make_brain, remote=True)
tts = AdapterSpec(kind="tts", name="openai", make=_make_tts, remote=True)
