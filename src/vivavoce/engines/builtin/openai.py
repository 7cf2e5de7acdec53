"""Recognition, thinking, speech and embedding by any OpenAI-compatible server.

Settings: `[openai]`, and `[embedding]`, which may name another server.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...knowledge.base import Embedder
from ..base import Brain, SpeechToText, TextToSpeech
from ..registry import AdapterNotUsableError, AdapterRequest, AdapterSpec
from ..resources import AdapterResources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ...config import Settings
    from ..openai_endpoint import Endpoint


NAMED = 5  # models in a sentence
_KEY_FIX = (
    "Set OPENAI_API_KEY, or VIVAVOCE_OPENAI__API_KEY_FILE to a file that holds the key. "
    "A running server may have another environment than this shell."
)
_SERVER_FIX = "[{}] base_url in vivavoce.toml says where the server is. Does it run there?"
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
    return Endpoint(http, chosen.base_url, _openai_key(settings), timeout_s=chosen.timeout_s)


def _openai_key(settings: Settings) -> str | None:
    """Return the key of `[openai]`. Raises `AdapterNotUsableError` if no header can carry it."""
    chosen = settings.openai.api_key
    key = chosen.get_secret_value() if chosen else None
    key = key or os.environ.get("OPENAI_API_KEY", "").strip() or None
    if key is not None and not (key.isascii() and key.isprintable()):
        raise AdapterNotUsableError("OPENAI_API_KEY is not a key: no header can carry it", _KEY_FIX)
    return key


async def _embedding_endpoint(resources: AdapterResources) -> Endpoint:
    """Return the server of `[embedding]`, which by default is that of `[openai]` with its key."""
    from ...net.http import HttpClient
    from ..openai_endpoint import Endpoint

    settings, chosen = resources.settings, resources.settings.embedding
    url = chosen.base_url or settings.openai.base_url
    http = await resources.once(
        "vivavoce.embedding",
        lambda: HttpClient(allow_private=settings.net.allow_private, trusted=[url]),
    )
    key = chosen.api_key.get_secret_value() if chosen.api_key else None
    if key is None and chosen.base_url is None:
        key = _openai_key(settings)
    return Endpoint(http, url, key, timeout_s=chosen.timeout_s, quiet=True)


async def _check(
    request: AdapterRequest,
    model: str,
    opened: Callable[[AdapterResources], Awaitable[Endpoint]] = endpoint,
    section: str = "openai",
) -> str:
    """Ask the server for its models, which needs its address and its key and costs nothing."""
    from ...errors import EngineError

    asked = await opened(request.resources)
    server = asked.address
    try:
        models = await asked.models()
    except EngineError as error:
        fix = _FIXES.get(error.code, _SERVER_FIX.format(section))
        raise AdapterNotUsableError(str(error), fix, error.code) from None
    if models is None:
        return f"{server} answers, and does not list its models"
    if models and not {model, f"{model}:latest"} & models:
        raise AdapterNotUsableError(
            f"{server} has no model {model}: it has {_some(models)}",
            f"Choose one of them under [{section}] in vivavoce.toml, or load it there.",
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


async def _make_embedder(request: AdapterRequest) -> Embedder:
    from ..embedding.openai import EmbeddingOptions, OpenAIEmbedder

    chosen = request.resources.settings.embedding
    options = EmbeddingOptions(
        model=chosen.model,
        dimensions=chosen.dimensions,
        batch_size=chosen.batch_size,
        query_prefix=chosen.query_prefix,
        passage_prefix=chosen.passage_prefix,
    )
    return OpenAIEmbedder(await _embedding_endpoint(request.resources), options)


async def _check_embedder(request: AdapterRequest) -> str:
    settings = request.resources.settings
    section = "embedding" if settings.embedding.base_url else "openai"
    return await _check(request, settings.embedding.model, _embedding_endpoint, section)


async def _is_embedder_paid(request: AdapterRequest) -> bool:
    from ...net.egress import is_private

    settings = request.resources.settings
    return not await is_private(settings.embedding.base_url or settings.openai.base_url)


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
embedding = AdapterSpec(
    kind="embedding",
    name="openai",
    make=_make_embedder,
    check=_check_embedder,
    paid=_is_embedder_paid,
    remote=True,
)
