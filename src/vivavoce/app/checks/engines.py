"""Check the packages of adapters, the speech detector and the end-of-turn model."""

from __future__ import annotations

import time

from ...audio.pcm import BYTES_PER_MS
from ...engines.registry import KINDS, installed
from ...errors import EngineError
from ..adapters import TURN_MODEL
from ..catalogue import load_catalogue
from .adapters_in_use import unserved
from .base import CheckContext, CheckFailedError

DETECTOR_FRAME = bytes(1024)  # 32 ms at 16 kHz
DETECTOR_FRAMES = 50
PAUSE_MS = 8000  # the audio that smart-turn looks at


async def check_adapters(_: CheckContext) -> str:
    found = installed()
    if found.broken:
        raise CheckFailedError(
            "; ".join(f"{origin} {reason}" for origin, reason in found.broken.items()),
            "Update that package or remove it. The other adapters work.",
        )
    names = {kind: found.names(kind) for kind in KINDS} | {"transport": set(found.transports)}
    return "; ".join(f"{kind}: {', '.join(sorted(each))}" for kind, each in names.items() if each)


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
    told = [f"smart-turn scored one in {took_ms:.0f} ms ({path})"]
    uses = [
        (each, language) for each in load_catalogue(context.data) for language in each.languages
    ]
    spec = installed().get("turn", TURN_MODEL)
    if spec is not None and (lacks := unserved(spec, uses)):
        told.append(lacks)
    return "; ".join(told)
