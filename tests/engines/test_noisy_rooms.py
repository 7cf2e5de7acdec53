"""Noise reduction must not make recognition in noisy rooms worse."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from rapidfuzz.distance import Levenshtein

from vivavoce.audio.denoise import Denoiser, Depth
from vivavoce.audio.pcm import SAMPLE_RATE, silence
from vivavoce.audio.resample import Resampler
from vivavoce_embedded.stt.lm import ModelFiles
from vivavoce_embedded.stt.pocketsphinx import Pocketsphinx
from vivavoce_embedded.stt.pool import Pool

from ..support.real_time import live
from ..support.rooms import NOISES, at_snr
from ..support.sounds import pieces

pytestmark = pytest.mark.long

SENTENCES = (
    "When does the keynote start",
    "Where is the registration desk",
    "Is there a lunch on Thursday",
    "How do I get from the airport to the venue",
    "What time does the session begin on Friday",
    "Which room is the workshop in",
)
SETTINGS: dict[str, Callable[[bytes], bytes]] = {
    "off": lambda pcm: pcm,
    "near": lambda pcm: Denoiser(Depth.near()).push(pcm),
    "far": lambda pcm: Denoiser(Depth.far()).push(pcm),
}
SLACK = 0.05  # two words: recognisers hang by a hair


def said(text: str, voice: str, folder: Path) -> bytes:
    file = folder / "said.wav"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(file)], check=True)
    with wave.open(str(file)) as sound:
        pcm = sound.readframes(sound.getnframes())
        return Resampler(sound.getframerate(), SAMPLE_RATE).push(pcm, last=True)


async def nobody(text: str, guess: str = "", logprobs: object = (), /) -> None:
    pass


@pytest.mark.parametrize(("kind", "snr_db"), [("white", 15), ("fan", 5)])
def test_no_more_words_are_misheard_than_without(
    congress: ModelFiles, tmp_path: Path, kind: str, snr_db: float
) -> None:
    async def wrong(clean: Callable[[bytes], bytes]) -> float:
        errors = words = 0
        async with Pool(1) as pool:
            for text in SENTENCES:
                for voice in ("rms", "slt"):
                    spoken = said(text, voice, tmp_path)
                    scene = silence(2_000) + spoken + silence(600)
                    noise = NOISES[kind](len(scene) // 2)
                    heard = clean(at_snr(scene, spoken, noise, snr_db))[len(silence(1_700)) :]
                    got = await Pocketsphinx(pool, congress).listen(pieces(heard), nobody)
                    wanted = text.casefold().split()
                    errors += Levenshtein.distance(wanted, got.text.casefold().split())
                    words += len(wanted)
        return errors / words

    rates = {name: live(wrong(clean)) for name, clean in SETTINGS.items()}
    assert max(rates["near"], rates["far"]) <= rates["off"] + SLACK, rates
    assert rates["off"] > 0.2, "a room that disturbs nobody proves nothing"
