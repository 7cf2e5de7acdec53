"""Speech by espeak-ng: in a process of its own, or by a program of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...errors import EngineError
from ..base import TextToSpeech
from ..registry import AdapterRequest, AdapterSpec
from ..resources import AdapterResources
from ..tts import command_line, espeak

NO_VOICE = {
    "en": "No speech synthesis is installed here, so answers come as text.",
    "it": "Qui non è installata una sintesi vocale, quindi le risposte arrivano per iscritto.",
    "es": "Aquí no hay síntesis de voz instalada, así que las respuestas llegan por escrito.",
}


def _is_installed() -> bool:
    return espeak.installed() or command_line.find() is not None


async def _make(request: AdapterRequest) -> TextToSpeech:
    """Prefer the process: a program has the same voices and answers some milliseconds later."""
    if espeak.installed():
        return await _process(request.resources)
    program = command_line.find()
    if program is None:
        raise EngineError("No speech synthesis is installed here.")
    return command_line.CommandLineTts(program)


async def _preload(request: AdapterRequest) -> None:
    if espeak.installed():
        await (await _process(request.resources)).warm()


async def _process(resources: AdapterResources) -> espeak.Espeak:
    @asynccontextmanager
    async def opened() -> AsyncIterator[espeak.Espeak]:
        speaker = espeak.Espeak(deadline_s=resources.settings.speech.worker_timeout_s)
        try:
            yield speaker
        finally:
            await speaker.close()

    return await resources.once("vivavoce.espeak", opened)


tts = AdapterSpec(
    kind="tts",
    name="espeak",
    make=_make,
    preload=_preload,
    installed=_is_installed,
    reads_numbers=False,
    voices=frozenset(espeak.Espeak.voices),
    languages=espeak.LANGUAGES,
    missing=(NO_VOICE,),
)
