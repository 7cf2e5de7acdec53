"""Measure talking calls once, and print JSON: `pairs` runs it in each of two checkouts.

    PYTHONPATH=CHECKOUT/src:CHECKOUT python benchmarks/once.py CALLS CYCLES

It imports `benchmarks` and `vivavoce` from the checkout, so that an older one measures itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
from statistics import median

from benchmarks import startup
from benchmarks.serving import folder, serve
from benchmarks.talk import RUN_AHEAD_S, talk


async def once(calls: int, cycles: int) -> dict[str, float]:
    """Medians in ms, and CPU in % of a core per call."""
    with folder() as data, serve(data, VIVAVOCE_CALLS__RUN_AHEAD_S=RUN_AHEAD_S) as served:
        key = served.key()
        await startup.first_answer(served, key)
        found = await talk(served, key, calls, cycles)
    return {
        "first audio, ms": median(found.first_audio_server),
        "— of it: the recogniser's last words": median(found.stages["stt_ms"]),
        "— of it: the voice, to its first sound": median(found.stages["tts_ms"]),
        "onset of speech → last audio byte, ms": median(found.onset_to_silence),
        "CPU of the server per call, %": found.cpu_main * 100,
        "CPU of recogniser and voice per call, %": found.cpu_children * 100,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(once(*map(int, sys.argv[1:])))))
