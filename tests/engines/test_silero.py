from __future__ import annotations

import pytest

from vivavoce.engines.vad.silero import FRAME_SAMPLES, SAMPLE_RATE, Silero, load

from ..support.sounds import noise, spoken

FRAME = FRAME_SAMPLES * 2


def judge(pcm: bytes, detector: Silero | None = None) -> list[float]:
    detector = detector or Silero()
    frames = range(0, len(pcm) - FRAME + 1, FRAME)
    return [detector.step(pcm[start : start + FRAME]) for start in frames]


@pytest.mark.parametrize("name", ["keynote_rms", "registration_slt", "thanks_rms"])
def test_people_are_heard(name: str) -> None:
    verdicts = judge(spoken(name, SAMPLE_RATE))
    voiced = [verdict >= 0.5 for verdict in verdicts]
    assert sum(voiced) > 0.6 * len(voiced)


@pytest.mark.parametrize("level_db", [-200.0, -60.0, -40.0, -20.0])
def test_a_room_without_people_is_not_speech(level_db: float) -> None:
    assert max(judge(noise(3_000, level_db, SAMPLE_RATE))) < 0.5


def test_speech_in_noise_begins_and_ends_where_it_does() -> None:
    pause = noise(1_000, -50, SAMPLE_RATE)
    voiced = [v >= 0.5 for v in judge(pause + spoken("keynote_rms", SAMPLE_RATE) + pause)]
    begins = voiced.index(True) * 32
    ends = (len(voiced) - voiced[::-1].index(True)) * 32
    assert 950 <= begins <= 1_250
    speech_ms = len(spoken("keynote_rms", SAMPLE_RATE)) // 32
    assert abs(1_000 + speech_ms - ends) <= 300


def test_the_same_audio_gets_the_same_probabilities_beside_other_streams() -> None:
    pcm = spoken("thanks_rms", SAMPLE_RATE)
    alone = judge(pcm)
    one, other = Silero(), Silero()
    loud = noise(32, -10, SAMPLE_RATE)
    together = []
    for start in range(0, len(pcm) - FRAME + 1, FRAME):
        together.append(one.step(pcm[start : start + FRAME]))
        other.step(loud)
    assert together == alone


def test_the_network_is_loaded_once() -> None:
    assert load() is load()
