"""Recognition, thinking and speech by any OpenAI-compatible server. Settings: `[openai]`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ... import web_address
from ..base import Brain, SpeechToText, TextToSpeech
from ..registry import AdapterNotUsableError, AdapterRequest, AdapterSpec
from ..resources import AdapterResources

if TYPE_CHECKING:
    from ..openai_endpoint import Endpoint


NAMED = 5  # models in a sentence
_KEY_FIX = (
    "Set OPENAI_API_KEY, or VIVAVOCE_OPENAI__API_KEY_FILE to a file that holds the key. "
    "A running server may have another environment than this shell."
)
_SERVER_FIX = "[openai] base_url in vivavoce.toml says where the server is. Does it run there?"
_FIXES = {
    "invalid_api_key": _KEY_FIX,
    "insufficient_quota": "Add credit to the account of this key, or use another key.",
    "rate_limit_exceeded": "The server limits this key. Try again later.",
}


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
    key = key or os.environ.get("OPENAI_API_KEY", "").strip() or None
    if key is not None and not (key.isascii() and key.isprintable()):
        raise AdapterNotUsableError("OPENAI_API_KEY is not a key: no header can carry it", _KEY_FIX)
    return Endpoint(http, chosen.base_url, key, timeout_s=chosen.timeout_s)


async def _check(request: AdapterRequest, model: str) -> str:
    """Ask the server for its models, which needs its address and its key and costs nothing."""
    from ...errors import EngineError

    server = web_address.with_port(request.resources.settings.openai.base_url)
    try:
        models = await (await endpoint(request.resources)).models()
    except AdapterNotUsableError:
        raise
    except EngineError as error:
        fix = _FIXES.get(error.code, _SERVER_FIX)
        raise AdapterNotUsableError(str(error), fix, error.code) from None
    if models is None:
        return f"{server} answers, and does not list its models"
    if models and not {model, f"{model}:latest"} & models:
        raise AdapterNotUsableError(
            f"{server} has no model {model}: it has {_some(models)}",
            "Choose one of them under [openai] in vivavoce.toml, or load it there.",
            "model_not_found",
        )
    return f"{server} has the model {model}"


def _some(models: frozenset[str]) -> str:
    shown = [name for name in sorted(models) if name.isprintable()][:NAMED]
    return ", ".join(shown) + (", …" if len(models) > len(shown) else "")


async def _is_paid(request: AdapterRequest) -> bool:
    """Return whether the server is on the internet: one in a private network costs nothing."""
    from ...net.egress import is_private

    return not await is_private(request.resources.settings.openai.base_url)


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

    chosen = request.resources.settings.openai
    return OpenAIBrain(
        await endpoint(request.resources), chosen.chat_model, limit_field=chosen.chat_limit_field
    )


async def _make_tts(request: AdapterRequest) -> TextToSpeech:
    from ..tts.openai import OpenAITts

    model = request.resources.settings.openai.speech_model
    return OpenAITts(await endpoint(request.resources), model)


async def _check_stt(request: AdapterRequest) -> str:
    return await _check(request, request.resources.settings.openai.transcription_model)


async def _check_brain(request: AdapterRequest) -> str:
    return await _check(request, request.resources.settings.openai.chat_model)


async def _check_tts(request: AdapterRequest) -> str:
    return await _check(request, request.resources.settings.openai.speech_model)


stt = AdapterSpec(
    kind="stt", name="openai", make=_make_stt, check=_check_stt, paid=_is_paid, remote=True
)
brain = AdapterSpec(
    kind="brain", name="openai", make=_make_brain, check=_check_brain, paid=_is_paid, remote=True
)
tts = AdapterSpec(
    kind="tts", name="openai", make=_make_tts, check=_check_tts, paid=_is_paid, remote=True
)
