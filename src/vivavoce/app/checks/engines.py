"""Check the speech detector, the end-of-turn model, the recogniser, the brain and the voice."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from ...assistants import Assistant
from ...audio.pcm import BYTES_PER_MS
from ...engines.base import VoiceRequest
from ...engines.registry import KINDS, installed
from ...errors import AssistantError, EngineError
from ..catalogue import load_shipped
from .base import CheckContext, CheckFailedError

DETECTOR_FRAME = bytes(1024)  # 32 ms at 16 kHz
DETECTOR_FRAMES = 50
PAUSE_MS = 8000  # the audio that smart-turn looks at
CHUNK_MS = 40


async def check_adapters(_: CheckContext) -> str:
    found = installed()
    if found.broken:
        raise CheckFailedError(
            "; ".join(f"{origin} {reason}" for origin, reason in found.broken.items()),
            "Update that package or remove it. The other adapters work.",
        )
    names = {kind: found.names(kind) for kind in KINDS} | {"transport": set(found.transports)}
    return "; ".join(f"{kind}: {', '.join(sorted(each))}" for kind, each in names.items() if each)


def _charlotte() -> Assistant:
    """Load the assistant that ships. Raises `CheckFailedError` if its adapters are missing."""
    try:
        return load_shipped("charlotte")
    except AssistantError as error:
        reasons = sorted({each.message for each in error.mistakes})
        fix = "pip install vivavoce-embedded, or `make setup`."
        raise CheckFailedError("; ".join(reasons), fix) from None


async def check_speech_detector(context: CheckContext) -> str:
    detector = (await context.adapters.detectors())()
    began = time.perf_counter()
    for _ in range(DETECTOR_FRAMES):
        detector.step(DETECTOR_FRAME)
    took_us = (time.perf_counter() - began) / DETECTOR_FRAMES * 1e6
    return f"{took_us:.0f} µs for each 32 ms of audio"


async def check_end_of_turn_model(context: CheckContext) -> str:
    path = context.settings.speech.smart_turn_model
    try:
        model = await context.adapters.end_of_turn_model()
        if model is None:
            return "scored by their length and the words"
        began = time.perf_counter()
        await model.over(bytes(PAUSE_MS * BYTES_PER_MS))
    except EngineError as error:
        raise CheckFailedError(
            str(error),
            "speech.smart_turn_model names smart-turn v3's ONNX file; without it, the words "
            "and the length of a pause decide.",
        ) from None
    took_ms = (time.perf_counter() - began) * 1000
    return f"smart-turn scored one in {took_ms:.0f} ms ({path})"


async def check_recogniser(context: CheckContext) -> str:
    async def second_of_silence() -> AsyncIterator[bytes]:
        for _ in range(1000 // CHUNK_MS):
            yield bytes(CHUNK_MS * BYTES_PER_MS)

    async def discard(text: str, guess: str = "", logprobs: object = (), /) -> None: ...

    recogniser = await context.adapters.recogniser(_charlotte(), "en")
    began = time.perf_counter()
    await recogniser.listen(second_of_silence(), discard, language="en")
    took_s = time.perf_counter() - began
    return f"pocketsphinx decoded a second of silence in {took_s:.1f} s (English, demo quality)"


async def check_brain(context: CheckContext) -> str:
    await context.adapters.brain(_charlotte(), "en")
    return "the embedded brain loaded Charlotte's knowledge"


async def check_voice(context: CheckContext) -> str:
    voice = await context.adapters.voice(_charlotte(), "en")
    if voice is None:
        raise CheckFailedError(
            "no speech synthesis is installed, so answers come as text",
            "Install the voice: pip install vivavoce-espeak, or apt-get install espeak-ng.",
        )
    size = 0
    try:
        async for piece in voice.speak("One, two, three.", VoiceRequest(name="marin")):
            size += len(piece.pcm)
    except EngineError as error:
        fix = "apt-get install espeak-ng, or `make setup` again."
        raise CheckFailedError(str(error), fix) from None
    return f"{type(voice).__name__} spoke {size / BYTES_PER_MS / 1000:.1f} s of audio"
