from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio import g711
from vivavoce.audio import pcm as audio
from vivavoce.audio.denoise import DELAY_MS, Denoiser, Depth
from vivavoce.audio.resample import Resampler
from vivavoce.core.inputs import AudioReceived
from vivavoce.engines.vad.silero import Silero
from vivavoce.protocol.config import AudioInput, NoiseReduction, Pcm, Pcma, Pcmu, ServerVad
from vivavoce.runtime.input_pipeline import PIECE_MS, InputPipeline

from ..support.rooms import NOISES, at_snr
from ..support.sounds import noise, spoken

DEAF = AudioInput(turn_detection=None)


@dataclass
class Listener:
    """Remembers what it was asked to judge."""

    frames: list[bytes] = field(default_factory=list)

    def step(self, frame: bytes) -> float:
        self.frames.append(frame)
        return 0.25


def hear(pipeline: InputPipeline, data: bytes, cuts: list[int]) -> list[AudioReceived]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in pairwise(edges)]
    return [heard for chunk in chunks for heard in pipeline.decode(chunk)]


def sound(heard: list[AudioReceived]) -> bytes:
    return b"".join(piece.pcm for piece in heard)


random_bytes = st.integers(0, 60_000).flatmap(
    lambda size: st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).bytes(size))
)
cuts = st.lists(st.integers(0, 60_000), max_size=12)


@settings(max_examples=50)
@given(data=random_bytes, cuts=cuts)
def test_every_sample_is_heard_once_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    listener = Listener()
    heard = hear(InputPipeline(lambda: listener, AudioInput), data, cuts)
    assert sound(heard) == data[: len(data) & ~1]
    assert all(
        0 < audio.duration_ms(piece.pcm) <= PIECE_MS or len(piece.pcm) < 48 for piece in heard
    )

    judged = Resampler(24_000, 16_000).push(data[: len(data) & ~1])
    assert b"".join(listener.frames) == judged[: len(judged) // 1024 * 1024]


@settings(max_examples=50)
@given(data=random_bytes, cuts=cuts)
def test_every_frame_gets_its_verdict_and_level_as_soon_as_it_is_over(
    data: bytes, cuts: list[int]
) -> None:
    samples = verdicts = 0
    for piece in hear(InputPipeline(Listener, AudioInput), data, cuts):
        samples += len(piece.pcm) // 2
        verdicts += len(piece.probabilities)
        assert len(piece.levels) == len(piece.probabilities)
        assert (samples - 48) // 768 <= verdicts <= samples // 768


@pytest.mark.parametrize(("format", "law"), [(Pcmu(), "ulaw"), (Pcma(), "alaw")])
@settings(max_examples=30)
@given(data=random_bytes, cuts=cuts)
def test_a_telephone_is_heard_at_three_samples_for_one(
    format: Pcmu | Pcma, law: g711.Law, data: bytes, cuts: list[int]
) -> None:
    heard = sound(hear(InputPipeline(Listener, lambda: AudioInput(format=format)), data, cuts))
    whole = Resampler(8_000, 24_000).push(g711.decode(data, law), last=True)
    assert len(whole) == len(data) * 6
    assert whole.startswith(heard)
    assert len(whole) - len(heard) <= 3 * audio.BYTES_PER_MS


def test_a_change_of_format_loses_nothing_and_starts_clean() -> None:
    wanted = AudioInput(format=Pcmu())
    pipeline = InputPipeline(Listener, lambda: wanted)
    ulaw = g711.encode(spoken("thanks_rms", 8_000), "ulaw")
    heard = list(pipeline.decode(ulaw))
    wanted = AudioInput(format=Pcm())
    heard += pipeline.decode(b"\x01\x00" * 100 + b"\x07")
    assert len(sound(heard)) == len(ulaw) * 6 + 200
    wanted = AudioInput(format=Pcma())
    list(pipeline.decode(ulaw))
    wanted = AudioInput(format=Pcm())
    heard = list(pipeline.decode(b"\x02\x00" * 100))
    assert sound(heard).endswith(b"\x02\x00" * 100)


# Takes

CLOSE = NoiseReduction(type="near_field")
TAKES = {
    "pcm": AudioInput(turn_detection=None),
    "pcmu": AudioInput(turn_detection=None, format=Pcmu()),
    "denoised": AudioInput(turn_detection=None, noise_reduction=CLOSE),
    "denoised pcma": AudioInput(turn_detection=None, format=Pcma(), noise_reduction=CLOSE),
}


@dataclass
class Takes:
    """A pipeline whose client ends takes."""

    wanted: AudioInput
    ended: int = 0

    def __post_init__(self) -> None:
        self.pipeline = InputPipeline(Listener, lambda: self.wanted, lambda: self.ended)

    def hear(self, data: bytes) -> bytes:
        """Append one take and end it. Return what the session gets of it."""
        pieces = [*self.pipeline.decode(data), *self.pipeline.held_back()]
        self.ended += 1
        return sound(pieces)


def wire(wanted: AudioInput, pcm: bytes) -> bytes:
    if isinstance(wanted.format, Pcm):
        return pcm
    return g711.encode(Resampler(24_000, 8_000).push(pcm, last=True), wanted.format.law)


@pytest.mark.parametrize("way", TAKES)
def test_P1_a_take_sounds_the_same_after_another_one_as_alone(way: str) -> None:
    wanted = TAKES[way]
    take = wire(wanted, spoken("thanks_rms"))
    alone = Takes(wanted).hear(take)
    takes = Takes(wanted)
    half = b"\x7f" if isinstance(wanted.format, Pcm) else b""
    takes.hear(wire(wanted, noise(700, -20)) + half)
    delay = DELAY_MS * audio.BYTES_PER_MS if wanted.noise_reduction else 0
    assert takes.hear(take) == alone[delay:]  # only the first take begins with the filter's delay


@pytest.mark.parametrize("way", TAKES)
def test_P1_the_clock_of_the_audio_is_right_after_many_takes(way: str) -> None:
    wanted = TAKES[way]
    take = wire(wanted, spoken("thanks_rms")[: 300 * audio.BYTES_PER_MS])
    takes = Takes(wanted)
    heard = sum(len(takes.hear(take)) for _ in range(10))
    delay_ms = DELAY_MS if wanted.noise_reduction else 0
    assert heard == (10 * 300 + delay_ms) * audio.BYTES_PER_MS


def test_P1_a_take_that_is_only_half_a_sample_leaves_nothing() -> None:
    takes = Takes(TAKES["pcm"])
    assert takes.hear(b"\x01") == b""
    assert takes.hear(b"\x02\x03") == b"\x02\x03"


def test_P1_half_a_sample_waits_for_the_next_append_of_the_same_take() -> None:
    takes = Takes(TAKES["pcm"])
    assert sound(list(takes.pipeline.decode(b"\x01"))) == b""
    assert takes.hear(b"\x02") == b"\x01\x02"


@pytest.mark.parametrize("way", TAKES)
def test_P1_a_commit_that_is_refused_loses_no_sample(way: str) -> None:
    wanted = TAKES[way]
    take = wire(wanted, spoken("thanks_rms")[: 60 * audio.BYTES_PER_MS])
    takes = Takes(wanted)
    half = take[:-1] if isinstance(wanted.format, Pcm) else take
    pieces = [*takes.pipeline.decode(half), *takes.pipeline.held_back()]  # and no take ends
    pieces += [*takes.pipeline.decode(take[len(half) :] + take), *takes.pipeline.held_back()]
    delay_ms = DELAY_MS if wanted.noise_reduction else 0
    assert len(sound(pieces)) == (2 * 60 + delay_ms) * audio.BYTES_PER_MS


def test_the_vad_does_not_run_while_the_session_detects_no_turns() -> None:
    made: list[Listener] = []

    def new_detector() -> Listener:
        made.append(Listener())
        return made[-1]

    wanted = DEAF
    pipeline = InputPipeline(new_detector, lambda: wanted)
    heard = list(pipeline.decode(noise(320, -20)))
    assert sound(heard) == noise(320, -20)
    assert not made
    assert not any(piece.probabilities or piece.levels for piece in heard)

    wanted = AudioInput(turn_detection=ServerVad())
    heard = list(pipeline.decode(noise(320, -20)))
    assert sum(len(piece.probabilities) for piece in heard) == 9  # the tenth is not quite over
    wanted = DEAF
    list(pipeline.decode(noise(20, -20)))
    wanted = AudioInput(turn_detection=ServerVad())
    list(pipeline.decode(noise(32, -20)))
    assert len(made) == 2, "a new beginning is judged by a fresh detector"
    assert not made[1].frames, "nor does half a frame of before count"


def test_levels_are_those_of_the_sound() -> None:
    tone = np.rint(16_384 * np.sin(np.arange(640 * 24) * 2 * np.pi * 440 / 24_000)).astype("<i2")
    heard = list(InputPipeline(Listener, AudioInput).decode(audio.silence(320) + tone.tobytes()))
    levels = [level for piece in heard for level in piece.levels]
    assert levels[:9] == [audio.SILENT_DB] * 9
    assert levels[12:] == pytest.approx([-9.03] * len(levels[12:]), abs=0.2)


def test_a_talker_is_found_where_they_are_with_the_real_model() -> None:
    pcm = noise(960, -60) + spoken("keynote_rms") + noise(960, -60)
    heard = list(InputPipeline(Silero, AudioInput).decode(pcm))
    voiced = [p >= 0.5 for piece in heard for p in piece.probabilities]
    assert 28 <= voiced.index(True) <= 38
    assert not any(voiced[-20:])


# Noise reduction

NEAR = AudioInput(noise_reduction=NoiseReduction(type="near_field"))
FAR = AudioInput(noise_reduction=NoiseReduction(type="far_field", strength=2))


@settings(max_examples=30)
@given(data=random_bytes, cuts=cuts)
def test_denoised_audio_is_as_long_as_its_input(data: bytes, cuts: list[int]) -> None:
    listener = Listener()
    heard = sound(hear(InputPipeline(lambda: listener, lambda: NEAR), data, cuts))
    assert heard == Denoiser(Depth.near()).push(data[: len(data) & ~1])
    judged = Resampler(24_000, 16_000).push(heard)
    assert b"".join(listener.frames) == judged[: len(judged) // 1024 * 1024]


def test_a_session_may_switch_noise_reduction_at_any_time() -> None:
    wanted = AudioInput()
    pipeline = InputPipeline(Listener, lambda: wanted)
    hiss = noise(960, -40)
    assert sound(list(pipeline.decode(hiss))) == hiss
    levels = {}
    for name, setting in (("near", NEAR), ("far", FAR)):
        wanted = setting
        heard = sound(list(pipeline.decode(hiss)))
        assert len(heard) == len(hiss)
        assert not any(heard[: DELAY_MS // 2 * audio.BYTES_PER_MS]), "it begins anew"
        levels[name] = audio.level_db(heard[len(heard) // 2 :])
    assert levels["far"] + 6 < levels["near"] < -46
    wanted = AudioInput()
    assert sound(list(pipeline.decode(hiss))) == hiss


@pytest.mark.parametrize("type", ["near_field", "far_field"])
def test_a_strength_of_nothing_changes_nothing(type: str) -> None:
    reduction = NoiseReduction(type=type, strength=0)  # type: ignore[arg-type]
    pipeline = InputPipeline(Listener, lambda: AudioInput(noise_reduction=reduction))
    assert sound(list(pipeline.decode(noise(320, -30)))) == noise(320, -30)


def test_a_telephone_is_cleaned_too() -> None:
    hiss = noise(2_000, -40, 8_000)
    levels = []
    for reduction in (None, NoiseReduction(type="near_field")):
        setting = AudioInput(format=Pcmu(), noise_reduction=reduction)
        pipeline = InputPipeline(Listener, lambda setting=setting: setting)  # type: ignore[misc]
        levels.append(
            audio.level_db(sound(list(pipeline.decode(g711.encode(hiss, "ulaw"))))[48_000:])
        )
    assert levels[1] < levels[0] - 6


@pytest.mark.parametrize("setting", [NEAR, FAR], ids=["near", "far"])
def test_a_talker_in_a_noisy_room_is_found_with_the_real_model(setting: AudioInput) -> None:
    pcm = audio.silence(1_920) + spoken("keynote_rms") + audio.silence(960)
    noisy = at_snr(pcm, spoken("keynote_rms"), NOISES["pink"](len(pcm) // 2), 10)
    heard = list(InputPipeline(Silero, lambda: setting).decode(noisy))
    voiced = [p >= 0.5 for piece in heard for p in piece.probabilities]
    assert 58 <= voiced.index(True) <= 68
    assert not any(voiced[-15:])
