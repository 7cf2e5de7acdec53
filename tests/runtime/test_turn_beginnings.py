"""Measure where the audio of a turn begins after a pause that just ended the turn before.

The frames of a soft first sound score low, and the client's audio comes in pieces that have more
than one frame. Recordings of people, the real voice detector, and pauses from 580 to 740 ms.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from vivavoce.audio.pcm import BYTES_PER_MS, silence
from vivavoce.core.effects import Listen, ListenTo
from vivavoce.engines.vad.silero import Silero
from vivavoce.protocol import client, server
from vivavoce.protocol.config import AudioInput, ServerVad
from vivavoce.runtime.input_pipeline import InputPipeline

from ..support.scenario import Scenario, config, update
from ..support.sounds import spoken

PUSH_TO_TALK = update(audio={"input": {"turn_detection": None}})


def heard(s: Scenario) -> list[bytes]:
    """Return the audio that the recogniser got, by item."""
    items: dict[str, bytes] = {}
    for effect in s.log:
        if isinstance(effect, Listen):
            items[effect.item_id] = bytes(effect.pre_roll)
        elif isinstance(effect, ListenTo):
            items[effect.item_id] += bytes(effect.pcm)
    return list(items.values())


@cache
def speech(name: str) -> bytes:
    """Return a recording without the silence around it."""
    samples = np.frombuffer(spoken(name), "<i2")
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
    return samples[loud[0] : loud[-1]].tobytes()


def in_a_room(pcm: bytes) -> bytes:
    """Add soft noise, which makes each place in the audio unique."""
    samples = np.frombuffer(pcm, "<i2")
    noisy = samples.astype(np.int32) + np.random.default_rng(1).integers(-8, 9, len(samples))
    return noisy.clip(-32768, 32767).astype("<i2").tobytes()


class Stream:
    """A session that hears a stream in chunks of one length."""

    def __init__(self, chunk_ms: int, vad: ServerVad) -> None:
        self.scenario = Scenario(config(vad), official=False)
        self._pipeline = InputPipeline(Silero, lambda: AudioInput(turn_detection=vad))
        self._bytes = chunk_ms * BYTES_PER_MS

    def hear(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), self._bytes):
            self.scenario.tell(*self._pipeline.decode(pcm[start : start + self._bytes]))


@pytest.mark.parametrize("chunk_ms", [20, 100, 1000])
@pytest.mark.parametrize("second", ["keynote_rms", "registration_slt", "thanks_rms"])
def test_S5_first_word_after_a_short_pause_is_whole(second: str, chunk_ms: int) -> None:
    for pause_ms in range(580, 760, 40):
        before = silence(1000) + speech("keynote_rms")
        stream = in_a_room(before + silence(pause_ms) + speech(second) + silence(1500))
        listener = Stream(chunk_ms, ServerVad())
        listener.hear(stream)
        first, *others = heard(listener.scenario)
        begins_ms = stream.find(others[0][:960]) / BYTES_PER_MS
        onset_ms = (len(before) / BYTES_PER_MS) + pause_ms
        assert onset_ms - 400 < begins_ms < onset_ms - 200
        assert begins_ms > len(before) / BYTES_PER_MS  # the speech of the turn before is not in it
        sent = listener.scenario.sent
        starts = [e.audio_start_ms for e in sent if isinstance(e, server.SpeechStarted)]
        ends = [e.audio_end_ms for e in sent if isinstance(e, server.SpeechStopped)]
        assert starts[1] >= ends[0]
        assert stream.find(first[:960]) < stream.find(others[0][:960])


@pytest.mark.parametrize("end", [client.AudioCommit(), client.AudioClear()])
def test_S5_turn_that_a_client_ends_gives_nothing_to_the_next(
    end: client.AudioCommit | client.AudioClear,
) -> None:
    stream = in_a_room(silence(500) + speech("keynote_rms") * 2)
    middle = len(stream) // 2 & ~1
    listener = Stream(20, ServerVad())
    listener.hear(stream[:middle])
    listener.scenario.tell(end)
    listener.hear(stream[middle:] + silence(1000))
    *_, last = heard(listener.scenario)
    assert stream.find(last[:960]) >= middle


@pytest.mark.parametrize("how", ["commit", "push to talk"])
def test_S5_audio_that_a_client_commits_has_nothing_of_the_turn_before(how: str) -> None:
    listener = Stream(20, ServerVad())
    listener.hear(in_a_room(silence(500) + speech("keynote_rms") + silence(700)))
    assert len(heard(listener.scenario)) == 1
    quiet = in_a_room(silence(200))
    if how == "push to talk":
        listener.scenario.tell(PUSH_TO_TALK)
    listener.hear(quiet)
    listener.scenario.tell(client.AudioCommit())
    assert len(heard(listener.scenario)[1]) < 450 * BYTES_PER_MS
    assert heard(listener.scenario)[1].endswith(quiet)
