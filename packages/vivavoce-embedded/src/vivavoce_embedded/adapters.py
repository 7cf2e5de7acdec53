"""Recognition and thinking that need no key, no network and no download."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from vivavoce.engines.base import Brain, SpeechToText
from vivavoce.engines.registry import AdapterRequest, AdapterSpec
from vivavoce.engines.resources import AdapterResources
from vivavoce.knowledge.normalize import LANGUAGES

if TYPE_CHECKING:
    from vivavoce.assistants import Assistant

    from .brain.workers import Knowledge, Workers
    from .stt.lm import ModelFiles
    from .stt.pool import Pool

ENGLISH_ONLY = {
    "en": "The built-in recogniser understands English only, in demo quality. "
    "You can type in every language.",
    "it": "Il riconoscitore incorporato capisce solo l’inglese, in qualità dimostrativa. "
    "Puoi scrivere in ogni lingua.",
    "es": "El reconocedor incorporado entiende solo inglés, con calidad de demostración. "
    "Puedes escribir en cualquier idioma.",
}


async def _make_stt(request: AdapterRequest) -> SpeechToText:
    from .stt.pocketsphinx import Pocketsphinx

    return Pocketsphinx(await _pool(request.resources), await _model(request))


async def _preload_stt(request: AdapterRequest) -> None:
    await (await _pool(request.resources)).warm(await _model(request))


async def _pool(resources: AdapterResources) -> Pool:
    from .stt.pool import Pool

    speech = resources.settings.speech

    def opened() -> Pool:
        pool = Pool(
            speech.stt_workers, answer_s=speech.worker_timeout_s, observer=resources.observer
        )
        resources.count_busy(pool)
        return pool

    return await resources.once("vivavoce-embedded.stt", opened)


async def _model(request: AdapterRequest) -> ModelFiles:
    """Return the language model that includes the assistant's own words."""

    async def make(assistant: Assistant) -> ModelFiles:
        from .stt import corpus, lm

        knowledge = await request.resources.knowledge(assistant)
        texts = [(chunk.title, chunk.text) for chunk in knowledge if chunk.language == "en"]
        examples = [
            question for chunk in knowledge if chunk.language == "en" for question in chunk.also
        ]
        words = corpus.corpus(texts, [*examples, *_tool_examples(assistant)])
        return await lm.prepare(words, request.resources.cache)

    return await request.resources.for_assistant("vivavoce-embedded.lm", request.assistant, make)


def _tool_examples(assistant: Assistant) -> list[str]:
    """Return the sentences with which people ask for a tool, as its author wrote them."""
    found: list[str] = []
    for tool in assistant.tools():
        examples = tool.parameters.get("x-examples")
        if isinstance(examples, list):
            found += [each for each in examples if isinstance(each, str)]
    return found


async def _make_brain(request: AdapterRequest) -> Brain:
    from .brain.brain import ExtractiveBrain

    workers, knowledge = await _workers(request.resources), await _knowledge(request)
    await workers.prepare(knowledge)
    assistant = request.assistant

    def now() -> datetime:
        """Return the time where the assistant is; the brain's messages carry no zone."""
        return assistant.now().replace(tzinfo=None)

    return ExtractiveBrain(workers, knowledge, now=now)


async def _preload_brain(request: AdapterRequest) -> None:
    await (await _workers(request.resources)).warm(await _knowledge(request))


async def _workers(resources: AdapterResources) -> Workers:
    from .brain.workers import Workers

    return await resources.once("vivavoce-embedded.brain", Workers)


async def _knowledge(request: AdapterRequest) -> Knowledge:
    """Return the assistant's knowledge as the brain's processes read it."""

    async def make(assistant: Assistant) -> Knowledge:
        from .brain.workers import Knowledge

        chunks = await request.resources.knowledge(assistant)
        ways = {lang.split("-")[0]: assistant.fallback(lang) or "" for lang in assistant.languages}
        return await asyncio.to_thread(
            Knowledge, chunks, assistant.languages, assistant.title(), ways
        )

    key = "vivavoce-embedded.knowledge"
    return await request.resources.for_assistant(key, request.assistant, make)


pocketsphinx = AdapterSpec(
    kind="stt",
    name="pocketsphinx",
    make=_make_stt,
    preload=_preload_stt,
    limited=True,
    languages=frozenset({"en"}),
    notices=(ENGLISH_ONLY,),
)
extractive = AdapterSpec(
    kind="brain",
    name="extractive",
    make=_make_brain,
    preload=_preload_brain,
    languages=frozenset(LANGUAGES),
    knowledge="own",
)
